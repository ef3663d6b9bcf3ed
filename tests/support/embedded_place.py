"""Folders and processes for the tests of the embedded server and of the supervisor, and their cleaning up."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from crm_bridge.store.embedded import Binaries, EmbeddedServer
from crm_bridge.store.embedded.account import UNPRIVILEGED
from crm_bridge.store.embedded.cluster import STATE_ROOT_VARIABLE, Cluster, locate
from crm_bridge.store.embedded.process import find_postmaster, shut_down

AS_ROOT = os.geteuid() == 0
STOP_S = 10.0
_SCRIPT = Path(__file__).with_name("embedded_process.py")


class Place:
    """Folders of one test, open to the unprivileged user (pytest's own are not), and what was started in them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.temporary = root / "tmp"
        self._processes: list[subprocess.Popen[str]] = []

    def server(self, name: str = "data", *, binaries: Binaries | None = None) -> EmbeddedServer:
        return EmbeddedServer(self.root / name, binaries=binaries)

    def cluster(self, name: str = "data") -> Cluster:
        found = locate(self.root / name)
        assert found is not None
        return found

    def start(self, script: Path, *arguments: str | Path) -> subprocess.Popen[str]:
        """A Python process in a session of its own; it ends with the test."""
        process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(self.temporary)},
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def user_of_server(self, name: str = "data") -> subprocess.Popen[str]:
        """A process that makes sure the server of this data folder runs, and stays."""
        return self.start(_SCRIPT, self.root / name)

    def unprivileged_user_of_server(self, name: str = "data") -> subprocess.Popen[str]:
        """The same as a user who is not root, with a data folder of that user's own."""
        if not AS_ROOT:
            return self.user_of_server(name)
        data_dir = self.root / name
        data_dir.mkdir(exist_ok=True)
        entry = pwd.getpwnam(UNPRIVILEGED)
        os.chown(data_dir, entry.pw_uid, entry.pw_gid)
        return self.start(_SCRIPT, data_dir, UNPRIVILEGED, self.root / "programs")

    def clean(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        for pgdata in {*self.root.glob("**/PG_VERSION")}:
            running = find_postmaster(pgdata.parent)
            if running is not None:
                shut_down(running.pid, pgdata.parent, signal.SIGQUIT, timeout_s=STOP_S)
        shutil.rmtree(self.root)


@contextmanager
def new_place() -> Iterator[Place]:
    root = Path(tempfile.mkdtemp(prefix="crmb-test-"))
    root.chmod(0o755)
    place = Place(root)
    place.temporary.mkdir()
    place.temporary.chmod(0o1777)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_ROOT_VARIABLE, str(root / "state"))
        patch.setattr(tempfile, "tempdir", str(place.temporary))
        patch.delenv("XDG_RUNTIME_DIR", raising=False)
        try:
            yield place
        finally:
            place.clean()


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next JSON line of a process."""
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def ask(url: str, query: str) -> Any:
    """The only value a query answers."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def tell(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def socket_folder(url: str) -> Path:
    return Path(str(psycopg.conninfo.conninfo_to_dict(url)["host"]))


def processes_of(cluster: Cluster) -> list[int]:
    """The living processes that run programs kept beside this cluster: its server's, all of them."""
    return [pid for pid in _pids() if _program(pid).is_relative_to(cluster.home)]


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _program(pid: int) -> Path:
    try:
        return Path(f"/proc/{pid}/exe").readlink()
    except OSError:  # gone, a zombie, or another user's
        return Path("/")
