"""One installation of the bridge for tests: its folders, its environment, its database, and what is started there.

Nothing outlives the test run: programs are bound to its life, and the database is found through its pid file.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from crm_bridge.cli import supervise
from crm_bridge.store.embedded import sockets
from crm_bridge.store.embedded.account import server_account
from crm_bridge.store.embedded.cluster import STATE_ROOT_VARIABLE, USER, Cluster
from crm_bridge.store.embedded.process import Postmaster, find_postmaster, shut_down
from crm_bridge.store.embedded.server import DATABASE

T = TypeVar("T")

PATIENCE_S = 90.0
"""For whatever must happen, however busy the machine is."""

_BOUND_TO_LIFE = Path(supervise.__file__).with_name("child.py")


class NeverHappened(AssertionError):
    """What a test waited for did not come to pass."""


def until(probe: Callable[[], T | None], what: str, *, within_s: float = PATIENCE_S, every_s: float = 0.05) -> T:
    """The first answer of `probe` that is not None or False."""
    ends = time.monotonic() + within_s
    while True:
        found = probe()
        if found is not None and found is not False:
            return found
        if time.monotonic() > ends:
            raise NeverHappened(f"{what}: not within {within_s:.0f} s")
        time.sleep(every_s)


def free_port() -> int:
    """A port nobody listens on, below the range the system gives to clients, which could take it meanwhile."""
    chosen = random.SystemRandom()
    while True:
        port = chosen.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Place:
    """A folder for one installation, open to the account that runs the database when the tests run as root."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="crmb scenario "))
        self.root.chmod(0o755)
        self.data_dir = self.root / "data dir"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CRM_BRIDGE")},
            STATE_ROOT_VARIABLE: str(self.root / "state"),
        }

    def run(self, *arguments: str | Path, timeout_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
        """One of our commands, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "crm_bridge.cli", *arguments],
            env=self.environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self, argv: Sequence[str | Path], output: Path, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """A program in a session of its own that is killed when this process ends."""
        bound = [sys.executable, "-I", "-S", str(_BOUND_TO_LIFE), str(os.getpid())]
        with output.open("ab") as stream:
            return subprocess.Popen(
                [*bound, *argv],
                env={**self.environment, **more},
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def cluster(self) -> Cluster:
        """The files of its database, found without the environment variable the programs of this place have."""
        recorded = self.data_dir / "cluster-id"  # made only when root runs it
        home = self.root / "state" / recorded.read_text().strip() if recorded.exists() else self.data_dir
        return Cluster(home=home, account=server_account())

    def database(self) -> Postmaster | None:
        return find_postmaster(self.cluster.pgdata)

    def database_logs(self) -> list[Path]:
        return [*self.cluster.logs.glob("*"), self.cluster.start_log]

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database of this place, as soon as it can be asked."""

        def ask() -> list[tuple[Any, ...]] | None:
            running = self.database()
            if running is None or running.socket_folder is None:
                return None
            where = {"host": str(running.socket_folder), "port": sockets.PORT, "user": USER, "dbname": DATABASE}
            try:
                with psycopg.connect(**where) as connection:  # type: ignore[arg-type]
                    return connection.execute(query.encode(), values).fetchall()
            except psycopg.OperationalError:
                return None

        # In a list, because no rows are an answer.
        return until(lambda: None if (rows := ask()) is None else [rows], "the database answers")[0]

    def remove(self) -> None:
        """End a database that outlived its supervisor, and delete everything."""
        running = self.database()
        if running is not None:
            shut_down(running.pid, self.cluster.pgdata, signal.SIGQUIT, timeout_s=20)
            if running.socket_folder is not None:
                shutil.rmtree(running.socket_folder, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)
