"""The copy of the programs that is kept beside the data.

The server runs from it, so an upgrade of the wheel cannot pull files from under a running server, an old major stays
at hand for a backup, and the account that root starts the server as can reach it wherever the wheel lies.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from crm_bridge.store.embedded.binaries import WHEEL, Binaries, inspect

_NEEDED_PARTS = ("bin", "lib", "share")  # not the headers


def keep(binaries: Binaries, shelf: Path) -> Binaries:
    """The programs as they lie on this shelf, copied there once per version. Call it under the start lock."""
    if binaries.bundle is None:
        return binaries
    inside = binaries.folder.relative_to(binaries.bundle)
    target = shelf / binaries.version
    if not target.is_dir():
        scratch = shelf / f"new-{binaries.version}"
        shutil.rmtree(scratch, ignore_errors=True)
        for part in _parts(binaries.bundle, inside.parent):
            _copy_tree(binaries.bundle / part, scratch, part)
        scratch.rename(target)
    return replace(binaries, folder=target / inside, bundle=target)


def drop_older(binaries: Binaries, shelf: Path) -> None:
    """Remove the copies of other minor versions of the same major: the newest minor reads the same data."""
    for copy in on_shelf(shelf):
        if copy.major == binaries.major and copy.version != binaries.version and copy.bundle:
            shutil.rmtree(copy.bundle, ignore_errors=True)


def on_shelf(shelf: Path) -> list[Binaries]:
    """Every version on this shelf."""
    folders = sorted(shelf.glob(f"[0-9]*/{WHEEL}/*/bin"))
    return [found for folder in folders if (found := inspect(folder, bundle=folder.parents[2]))]


def _parts(bundle: Path, installation: Path) -> Iterator[Path]:
    yield from (installation / name for name in _NEEDED_PARTS)
    libraries = Path(f"{WHEEL}.libs")  # the programs look for it relative to themselves
    if (bundle / libraries).is_dir():
        yield libraries


def _copy_tree(source: Path, root: Path, part: Path) -> None:
    for step in reversed((part, *part.parents)):
        _make_folder(root / step)
    for folder, folders, files in os.walk(source):
        here = root / part / Path(folder).relative_to(source)
        for name in folders:
            _make_folder(here / name)
        for name in files:
            _link_or_copy(Path(folder, name), here / name)


def _make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)  # whatever the umask: another account may have to read it


def _link_or_copy(source: Path, target: Path) -> None:
    mode = source.stat().st_mode
    open_to_others = mode & 0o5 == mode >> 6 & 0o5
    if open_to_others:  # a link shares its mode with the original, which is not ours to change
        try:
            os.link(source, target)
        except OSError:
            pass  # another file system, or not our file
        else:
            return
    shutil.copyfile(source, target)
    target.chmod(0o755 if mode & stat.S_IXUSR else 0o644)
