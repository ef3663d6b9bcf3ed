"""Real processes for scenarios: a `crm-bridge demo` (or `up`) with ports, folders and a database of its own.

It owns starting, finding, killing and certainly ending them. Processes are found as children of their supervisor and
the database through its pid file, never by a name that somebody else's process may have. A supervisor dies with the
test run, whatever happens to that.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
import requests
from desk_client import DeskClient, PanelClient

from crm_bridge.cli import supervise
from crm_bridge.kit.emulation.emulator import STATE_FILE
from crm_bridge.store.embedded import sockets
from crm_bridge.store.embedded.account import server_account
from crm_bridge.store.embedded.cluster import STATE_ROOT_VARIABLE, USER, Cluster
from crm_bridge.store.embedded.process import Postmaster, find_postmaster, shut_down
from crm_bridge.store.embedded.server import DATABASE

T = TypeVar("T")

PATIENCE_S = 90.0
"""For whatever must happen, however busy the machine is."""

PROGRAMS = ("worker", "web", "crm", "database")
_BOUND_TO_LIFE = Path(supervise.__file__).with_name("child.py")
_ENDED = (subprocess.TimeoutExpired, ProcessLookupError)


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
        bound = [sys.executable, "-I", "-S", _BOUND_TO_LIFE, str(os.getpid())]
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
        shutil.rmtree(self.root, ignore_errors=True)


class Supervised:
    """A supervisor and its children. `argv` are the arguments of `crm-bridge`."""

    def __init__(self, place: Place, argv: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        self.place = place
        self.output = place.root / "terminal.txt"
        self._argv = [sys.executable, "-m", "crm_bridge.cli", *argv]
        self._environment = environment or {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        self.process = self.place.start(self._argv, self.output, self._environment)

    def said(self) -> str:
        """What stood on its terminal."""
        return self.output.read_text("utf-8", errors="replace")

    def programs(self) -> dict[str, int]:
        """The pids of what runs now, by name."""
        found = {}
        for pid in children_of(self.pid):
            name = _name_of(pid)
            if name is not None:
                found[name] = pid
        database = self.place.database()
        return {**found, "database": database.pid} if database is not None else found

    def pid_of(self, name: str) -> int:
        """The pid of one program, as soon as it runs."""
        return until(lambda: self.programs().get(name), f"{name} runs")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to one program; the pid it had."""
        pid = self.pid_of(name)
        os.kill(pid, number)
        return pid

    def family(self) -> list[int]:
        """Every process that belongs to it: the supervisor, everything below it, the database with all of its own."""
        database = self.place.database()
        roots = [self.pid] if database is None else [self.pid, database.pid]
        return sorted({*roots, *(pid for root in roots for pid in descendants_of(root))})

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """The exit code, once it has ended."""
        assert self.process is not None
        return self.process.wait(timeout_s)

    def interrupt(self) -> int:
        """Ctrl-C in its terminal: SIGINT to the whole process group."""
        os.killpg(self.pid, signal.SIGINT)
        return self.wait()

    def close(self) -> None:
        """End it, in whatever state it is."""
        if self.process is None:
            return
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                self.process.wait(30)
        except _ENDED:
            self.process.kill()
            self.process.wait()


class Demo(Supervised):
    """`crm-bridge demo`, and clients of its desk and its panel."""

    def __init__(self, place: Place, *, environment: Mapping[str, str] | None = None) -> None:
        self.port, self.desk_port = free_port(), free_port()
        ports = ["--port", str(self.port), "--desk-port", str(self.desk_port)]
        super().__init__(place, ["demo", *ports, "--data-dir", place.data_dir, "--no-open"], environment)
        self.url = f"http://127.0.0.1:{self.port}"
        self.desk = DeskClient(f"http://127.0.0.1:{self.desk_port}")
        self.log = place.data_dir / "demo.log"

    @property
    def secret(self) -> str:
        """What the embedded CRM signs with."""
        return (self.place.data_dir / "webhook.secret").read_text("ascii").strip()

    @property
    def panel(self) -> PanelClient:
        return PanelClient(self.url, "demo", self.secret)

    def start(self) -> None:
        """Start, and come back when everything answers."""
        super().start()
        self.wait_until_serving()

    def wait_until_serving(self) -> None:
        def serving() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.said()}"
            return answers(f"{self.url}/readyz") and answers(f"{self.desk.url}/desk/api/agents")

        until(serving, "the bridge and its desk answer")

    def workers_started(self) -> int:
        """How often a worker of this demo has got as far as taking work."""
        return self.log.read_text("utf-8", errors="replace").count('"worker_started"')

    def wait_until_idle(self, *, within_s: float = PATIENCE_S) -> None:
        """The CRM has told everything, nothing is due within the next seconds, and nobody is at work."""
        query = """
            select (select count(*) from events where outcome = 'pending')
                 + (select count(*) from work_items
                    where lease_until > now() or wake_at < now() + interval '5 seconds')
        """
        untold = "select count(*) from outbox where state = 'pending'"

        def idle() -> bool:
            return self.crm_sql(untold)[0][0] == 0 and self.place.sql(query)[0][0] == 0

        until(idle, "the bridge has nothing to do", every_s=0.2, within_s=within_s)

    def crm_sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the state of the embedded CRM, read only."""
        file = self.place.data_dir / "crm" / STATE_FILE
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query, values).fetchall()

    def told(self, case: str) -> list[dict[str, str]]:
        """The events of a case as the embedded CRM told them."""
        events = [json.loads(row[0]) for row in self.crm_sql("select event from outbox order by position")]
        return [event for event in events if event["case"] == case]

    def check(self) -> dict[str, Any]:
        """`crm-bridge check --json`; its exit code has to agree with what it says."""
        done = self.place.run("check", "--json", "--config", self.place.data_dir / "demo.toml")
        assert done.returncode in (0, 1), done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["balances"] is (done.returncode == 0)
        return found

    def events(self) -> dict[str, Any]:
        """The balance of its one connection."""
        (only,) = self.check()["connections"]
        return dict(only)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5, allow_redirects=False).status_code == 200
    except requests.RequestException:
        return False


# --- processes --------------------------------------------------------------------------------------------------------


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    fields = _stat(pid)
    return fields is not None and fields[0] != "Z"


def children_of(pid: int) -> list[int]:
    parents = {int(entry.name): _stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    return [child for child, fields in parents.items() if fields is not None and int(fields[1]) == pid]


def descendants_of(pid: int) -> list[int]:
    found: list[int] = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return found


def belonging_to(state_root: str) -> list[int]:
    """Living processes whose environment names this state root, whoever their parent is by now."""
    mark = f"{STATE_ROOT_VARIABLE}={state_root}".encode()
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if mark in _environment_of(pid) and is_alive(pid)]


def _stat(pid: int) -> list[str] | None:
    """The fields after the name: state, parent, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _name_of(pid: int) -> str | None:
    """Which program of ours a child of a supervisor is, by its arguments."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    if b"crm_bridge_mock.emulator" in argv:
        return "crm"
    return next((name for name in ("web", "worker") if name.encode() in argv), None)
