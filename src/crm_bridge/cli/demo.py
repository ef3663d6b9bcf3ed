"""`demo`: the whole story on one machine, with the embedded CRM. Shows progress, prints the desk's address, and
leaves no process behind.

It writes its configuration to `demo.toml` in the data directory: what the processes run on, and something to look at.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import requests
from rich.console import Console
from rich.markup import escape

from crm_bridge.bootstrap import environment_for_children, open_database
from crm_bridge.cli.demo_log import LOG_FILE, DemoLog
from crm_bridge.cli.edge import WRONG
from crm_bridge.cli.emulate import check_faults
from crm_bridge.cli.place import held
from crm_bridge.cli.supervise import Supervisor
from crm_bridge.cli.supervised import Child, EventKind, SupervisorEvent
from crm_bridge.cli.up import STOP_TIMEOUT_S, log_event, serving
from crm_bridge.contract import InvalidConfig
from crm_bridge.registry import emulator_command, emulator_names
from crm_bridge.settings import DEMO_CONNECTION, DEMO_PORT, demo_settings
from crm_bridge.store.embedded import EmbeddedServer
from crm_bridge.telemetry import configure_logging

READY_WITHIN_S = 60.0
POLL_S = 0.2
CONFIG_FILE = "demo.toml"


@dataclass(frozen=True, kw_only=True)
class _Demo:
    """Where everything of one demo is."""

    port: int
    desk_port: int
    data_dir: Path
    crm: str
    faults: Path | None

    @property
    def log(self) -> Path:
        return self.data_dir / LOG_FILE

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def desk(self) -> str:
        return f"http://127.0.0.1:{self.desk_port}/desk/"


@click.command()
@click.option("--port", type=click.IntRange(1, 65534), default=DEMO_PORT, show_default=True, help="Of the bridge.")
@click.option("--desk-port", type=click.IntRange(1, 65535), help="Of the embedded CRM; else the next port.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var"),
    show_default=True,
    help="Where everything is kept; delete it to start anew.",
)
@click.option("--crm", default="mock", show_default=True, help="Which embedded CRM to play.")
@click.option(
    "--faults",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Fault rules the embedded CRM plays, as for emulate.",
)
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
def demo(port: int, desk_port: int | None, data_dir: Path, crm: str, faults: Path | None, no_open: bool) -> None:
    """Bridge, worker, database and an embedded CRM with example cases. Ctrl-C stops all of it."""
    if crm not in emulator_names():
        raise InvalidConfig("--crm", f"expected one of: {', '.join(emulator_names())}")
    console = Console(stderr=False)
    check_faults(faults)
    wanted = _Demo(port=port, desk_port=desk_port or port + 1, data_dir=data_dir.resolve(), crm=crm, faults=faults)
    if wanted.port == wanted.desk_port:
        raise InvalidConfig("--desk-port", f"the bridge listens on {port} already; choose another port")
    _require_free(wanted.port, "--port")
    _require_free(wanted.desk_port, "--desk-port")
    with held(wanted.data_dir):
        sys.exit(_play(wanted, console, opens=not no_open and sys.stdout.isatty()))


def _play(wanted: _Demo, console: Console, *, opens: bool) -> int:
    """Run everything until it is told to stop; the exit code."""
    settings = demo_settings(wanted.port, wanted.desk_port, wanted.data_dir, environ=os.environ)
    log = DemoLog(file=wanted.log)
    configure_logging("json", stream=log.stream())
    log.keep_bounded()
    config = _write_config(wanted)
    try:
        with console.status("Starting the database …"):
            database = open_database(settings)
        console.print("[green]✓[/] database")
        children = [_crm_process(wanted), *serving(environment_for_children(config, database))]
        watch = _Watch(wanted, console, opens=opens)
        supervisor = Supervisor(
            [log.written_by(child) for child in children], database.server, watch.hear, stop_timeout_s=STOP_TIMEOUT_S
        )
        watch.start()
        code = supervisor.run() or watch.code
    except KeyboardInterrupt:
        # Before the supervisor listens for signals: what was started already goes down all the same.
        EmbeddedServer(settings.data_dir).stop(STOP_TIMEOUT_S)
        code = WRONG
    console.print("Stopped; nothing is left running.")
    return code


def _require_free(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            another = "stop what uses it, or choose another one (a second demo needs its own --data-dir, too)"
            raise InvalidConfig(option, f"port {port} is in use; {another}") from None


def _write_config(wanted: _Demo) -> Path:
    """The demo's configuration as a file, without a secret in it."""
    quoted = {name: json.dumps(str(value), ensure_ascii=False) for name, value in {
        "public_url": wanted.public_url,
        "listen": f"127.0.0.1:{wanted.port}",
        "data_dir": wanted.data_dir,
        "key": wanted.data_dir / "secret.key",
        "base_url": f"http://127.0.0.1:{wanted.desk_port}",
        "secret": wanted.data_dir / "webhook.secret",
    }.items()}  # fmt: skip
    text = f"""# Written by `crm-bridge demo` at every start.
public_url = {quoted["public_url"]}
listen = {quoted["listen"]}
database_url = "embedded"
data_dir = {quoted["data_dir"]}

[security]
encryption_keys = [{{ file = {quoted["key"]} }}]

[assistant]
kind = "offline"

[connections.{DEMO_CONNECTION}]
adapter = "mock"
environment = "sandbox"
start_from = "2000-01-01T00:00:00Z"
debounce_s = 0.3
undo_s = 3
max_drafts_per_hour = "unlimited"
daily_cost_limit = "unlimited"
base_url = {quoted["base_url"]}
webhook_secrets = [{{ file = {quoted["secret"]} }}]
"""
    file = wanted.data_dir / CONFIG_FILE
    file.write_text(text, "utf-8")
    return file


def _crm_process(wanted: _Demo) -> Child:
    """The embedded CRM as a product of its own: its own process, port and state."""
    arguments = [
        *("--port", str(wanted.desk_port)),
        *("--data", str(wanted.data_dir / "crm")),
        *("--public-url", wanted.public_url),
        *("--connection", DEMO_CONNECTION),
        *("--secret-file", str(wanted.data_dir / "webhook.secret")),
        "--seed",
        *(("--faults", str(wanted.faults.resolve())) if wanted.faults is not None else ()),
    ]
    return Child(name="crm", argv=[*emulator_command(wanted.crm), *arguments], env=dict(os.environ))


class _Watch:
    """Tells a person what is going on: progress until everything answers, then the address."""

    def __init__(self, wanted: _Demo, console: Console, *, opens: bool) -> None:
        self._wanted = wanted
        self._console = console
        self._opens = opens
        self._stopping = threading.Event()
        self.code = 0

    def start(self) -> None:
        threading.Thread(target=self._run, name="demo-watch", daemon=True).start()

    def hear(self, event: SupervisorEvent) -> None:
        log_event(event)
        if event.kind is EventKind.STOPPING:
            self._stopping.set()
            self._console.print("Stopping …")
        elif event.kind is EventKind.EXITED and not self._stopping.is_set():
            self._console.print(f"[yellow]![/] {event.name} ended ({event.status}); it is started again")

    def _run(self) -> None:
        steps = (
            ("embedded CRM", f"http://127.0.0.1:{self._wanted.desk_port}/desk/", self._answers),
            ("bridge", f"{self._wanted.public_url}/readyz", self._answers),
            ("first draft", f"http://127.0.0.1:{self._wanted.desk_port}/desk/api/cases", self._has_draft),
        )
        for name, url, done in steps:
            if not self._wait_for(name, url, done):
                return
            self._console.print(f"[green]✓[/] {name}")
        self._console.print(f"\nThe desk is open: [bold]{self._wanted.desk}[/]", soft_wrap=True)
        logs = escape(str(self._wanted.log))
        self._console.print(f"You are Demo Agent. Logs: {logs}. Ctrl-C stops everything.\n", soft_wrap=True)
        if self._opens:
            webbrowser.open(self._wanted.desk)

    def _wait_for(self, name: str, url: str, done: Callable[[str], bool]) -> bool:
        ends = time.monotonic() + READY_WITHIN_S
        while not self._stopping.is_set():
            if done(url):
                return True
            if time.monotonic() > ends:
                log = escape(str(self._wanted.log))
                self._console.print(f"[red]✗[/] {name} did not answer; see {log}", soft_wrap=True)
                self.code = WRONG
                return False
            self._stopping.wait(POLL_S)
        return False

    def _answers(self, url: str) -> bool:
        try:
            return requests.get(url, timeout=2, allow_redirects=False).status_code == 200
        except requests.RequestException:
            return False

    def _has_draft(self, url: str) -> bool:
        try:
            cases = requests.get(url, timeout=2).json()
        except (requests.RequestException, ValueError):
            return False
        listed = cases if isinstance(cases, list) else cases.get("cases", [])
        return any((case.get("state") or {}).get("kind") == "ready" for case in listed)
