"""The postmaster as a process: found through its pid file, verified, signalled without hitting another.

A pid file is never believed: after a crash or a container restart its number may be anyone's. Only a process whose
command line is a postgres on this very data folder counts.
"""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

PID_FILE = "postmaster.pid"

# Lines of postmaster.pid (PostgreSQL, src/include/utils/pidfile.h), counted from 0.
_PID_LINE = 0
_SOCKET_FOLDER_LINE = 4


@dataclass(frozen=True, kw_only=True)
class Postmaster:
    """A verified, living server. `socket_folder` is None until it listens."""

    pid: int
    socket_folder: Path | None


def find_postmaster(pgdata: Path) -> Postmaster | None:
    """The server that runs on this data folder now, if any."""
    try:
        lines = os.fsdecode((pgdata / PID_FILE).read_bytes()).splitlines()
        pid = int(lines[_PID_LINE])
    except (OSError, ValueError, IndexError):
        return None
    if not is_postmaster(pid, pgdata):
        return None
    folder = lines[_SOCKET_FOLDER_LINE].strip() if len(lines) > _SOCKET_FOLDER_LINE else ""
    return Postmaster(pid=pid, socket_folder=Path(folder) if folder else None)


def is_postmaster(pid: int, pgdata: Path) -> bool:
    """Whether this process is a postgres started on this folder; its own children rename themselves and are not."""
    if pid <= 0:
        return False
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    if Path(os.fsdecode(argv[0])).name != "postgres" or b"-D" not in argv[:-1]:
        return False
    return _same_folder(Path(os.fsdecode(argv[argv.index(b"-D") + 1])), pgdata)


def _same_folder(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


def shut_down(pid: int, pgdata: Path, signal_number: signal.Signals, *, timeout_s: float) -> bool:
    """Send a signal to this server and wait for its end; True when it is gone.

    The pidfd is opened before the check, so the signal cannot reach a process that got the number later.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if not is_postmaster(pid, pgdata):
            return True
        signal.pidfd_send_signal(descriptor, signal_number)
        return bool(select.select([descriptor], [], [], max(0.0, timeout_s))[0])
    except ProcessLookupError:
        return True
    finally:
        os.close(descriptor)
