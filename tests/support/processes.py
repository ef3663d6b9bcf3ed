"""Real processes for scenarios: a supervisor with its children, and `crm-bridge demo` with clients of what it serves.

It owns starting, finding, killing and certainly ending them. Processes are found as children of their supervisor and
the database through its pid file, never by a name that somebody else's process may have.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from desk_client import DeskClient, PanelClient
from installation import PATIENCE_S, Place, free_port, until
from process_table import children_of, descendants_of

from crm_bridge.kit.emulation.emulator import STATE_FILE

PROGRAMS = ("worker", "web", "crm", "database")
_STILL_THERE = (subprocess.TimeoutExpired, ProcessLookupError)


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
        except _STILL_THERE:
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
            return not self.crm_sql(untold)[0][0] and not self.place.sql(query)[0][0]

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

    def settled_events(self) -> dict[str, Any]:
        """The same, once nothing is pending: a poll may find changes at any moment, also after all else was quiet."""

        def settled() -> dict[str, Any] | None:
            found = self.events()
            return None if found["pending"] else found

        return until(settled, "nothing received is pending", every_s=0.2)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5, allow_redirects=False).status_code == 200
    except requests.RequestException:
        return False


def _name_of(pid: int) -> str | None:
    """Which program of ours a child of a supervisor is, by its arguments."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    if b"crm_bridge_mock.emulator" in argv:
        return "crm"
    return next((name for name in ("web", "worker") if name.encode() in argv), None)
