"""Where the server's socket lies: a short private folder outside the data folder.

A socket path is limited to 107 bytes (unix(7)) and data folders are often longer. The server trusts whoever reaches
the socket, so the folder's owner and mode are the authentication: they are verified each time.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from crm_bridge.store.embedded.account import Account
from crm_bridge.store.embedded.errors import EmbeddedDatabaseError

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
_LONGEST_PATH_BYTES = 99


def make_socket_folder(pgdata: Path, account: Account, *, before: Path | None = None) -> Path:
    """The private folder for this cluster's socket, made when it is not there.

    The folder it had `before` comes first, so that a restart keeps the URL that other processes were given. Raises
    `EmbeddedDatabaseError`.
    """
    name = _name(pgdata)
    for folder in (*([before] if before else []), *(base / name for base in _bases(account))):
        if len(os.fsencode(folder / SOCKET)) <= _LONGEST_PATH_BYTES and _make(folder, account):
            require_private(folder, account)
            return folder
    raise EmbeddedDatabaseError(
        "There is no folder for the database's socket: neither XDG_RUNTIME_DIR nor the temporary folder is short,"
        " writable and reachable. Set TMPDIR to such a folder, for example TMPDIR=/tmp."
    )


def require_private(folder: Path, account: Account) -> None:
    """Refuse a folder that is someone else's or that others may enter: they could read the database through it."""
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and not found.st_mode & 0o077:
        return
    raise EmbeddedDatabaseError(
        f"{folder} should be a folder of user {account.uid} that nobody else may enter, and it is not."
        " Someone else made it; remove it, or set TMPDIR to a folder of your own, and start again."
    )


def clear_socket_folder(folder: Path) -> None:
    """Remove what a server that is gone left behind; its lock file may name a pid that is another process by now."""
    for name in (SOCKET, f"{SOCKET}.lock"):
        (folder / name).unlink(missing_ok=True)


def remove_socket_folder(folder: Path) -> None:
    with suppress(OSError):  # not there, or not empty and so not only ours
        folder.rmdir()


def _make(folder: Path, account: Account) -> bool:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return True
    except OSError:
        return False
    account.own(folder)
    return True


def _name(pgdata: Path) -> str:
    # With the inode, a folder made anew at the same path, or the same path in another container, is another cluster.
    found = pgdata.stat()
    identity = os.fsencode(pgdata) + f"\0{found.st_dev}\0{found.st_ino}".encode()
    return f"crmb-{hashlib.sha256(identity).hexdigest()[:16]}"


def _bases(account: Account) -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - only as private folders
    if runtime and not account.switch:  # root's runtime folder is closed to the account the server runs as
        candidates.insert(0, Path(runtime))
    for candidate in candidates:
        base = candidate.resolve()
        if base.is_dir() and os.access(base, os.W_OK | os.X_OK) and (not account.switch or _open_to_all(base)):
            yield base


def _open_to_all(folder: Path) -> bool:
    return all(step.stat().st_mode & stat.S_IXOTH for step in (folder, *folder.parents))
