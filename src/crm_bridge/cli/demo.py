"""`demo`: the whole story on one machine, with the embedded CRM or any adapter's emulated one. Shows progress, prints
the CRM's address, and leaves no process behind.

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import requests
from rich.console import Console
from rich.markup import escape

from crm_bridge.bootstrap import environment_for_children, open_database
from crm_bridge.cli.demo_crm import EMBEDDED, DemoCrm, as_lines, check_name, check_same
from crm_bridge.cli.demo_log import LOG_FILE, DemoLog
from crm_bridge.cli.edge import WRONG
from crm_bridge.cli.emulate import check_faults
from crm_bridge.cli.place import held
from crm_bridge.cli.supervise import Supervisor
from crm_bridge.cli.supervised import EventKind, SupervisorEvent
from crm_bridge.cli.up import STOP_TIMEOUT_S, log_event, serving
from crm_bridge.contract import InvalidConfig
from crm_bridge.settings import DEMO_CONNECTION, DEMO_PORT, demo_settings
from crm_bridge.store.embedded import EmbeddedServer
from crm_bridge.telemetry import configure_logging

READY_WITHIN_S = 60.0
POLL_S = 0.2
NO_KNOWLEDGE = (
    "It has no knowledge articles, and the demo's assistant quotes nothing else: there will be no draft before you set "
    "CRM_BRIDGE__ASSISTANT__KIND to another one."
)
NO_DRAFT_YET = (
    "no draft yet: perhaps the assistant does not answer, and drafts come as soon as it does. Look at it with:"
    " crm-bridge doctor --config"
)
CONFIG_FILE = "demo.toml"


@dataclass(frozen=True, kw_only=True)
class _Demo:
    """Where everything of one demo is."""

    port: int
    data_dir: Path
    crm: DemoCrm

    @property
    def log(self) -> Path:
        return self.data_dir / LOG_FILE

    @property
    def public_url(self) -> str:
        return self.crm.public_url


@click.command()
@click.option("--port", type=click.IntRange(1, 65534), default=DEMO_PORT, show_default=True, help="Of the bridge.")
@click.option("--desk-port", type=click.IntRange(1, 65535), help="Of the emulated CRM; else the next port.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var"),
    show_default=True,
    help="Where everything is kept; delete it to start anew.",
)
@click.option("--crm", default=EMBEDDED, show_default=True, help="The adapter whose emulated CRM is played.")
@click.option(
    "--faults",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Fault rules the emulated CRM plays, as for emulate.",
)
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
def demo(port: int, desk_port: int | None, data_dir: Path, crm: str, faults: Path | None, no_open: bool) -> None:
    """The bridge with an emulated CRM and example cases. Ctrl-C stops all of it."""
    check_name(crm)
    console = Console(stderr=False)
    check_faults(faults)
    played = DemoCrm(
        name=crm,
        port=desk_port or port + 1,
        data_dir=data_dir.resolve(),
        public_url=f"http://127.0.0.1:{port}",
        faults=faults,
    )
    wanted = _Demo(port=port, data_dir=played.data_dir, crm=played)
    if wanted.port == played.port:
        raise InvalidConfig("--desk-port", f"the bridge listens on {port} already; choose another port")
    _require_free(wanted.port, "--port")
    _require_free(played.port, "--desk-port")
    with held(wanted.data_dir):
        check_same(crm, wanted.data_dir / CONFIG_FILE)
        sys.exit(_play(wanted, console, opens=not no_open and sys.stdout.isatty()))


def _play(wanted: _Demo, console: Console, *, opens: bool) -> int:
    """Run everything until it is told to stop; the exit code."""
    settings = demo_settings(wanted.port, wanted.crm.port, wanted.data_dir, environ=os.environ)
    log = DemoLog(file=wanted.log)
    configure_logging("json", stream=log.stream())
    log.keep_bounded()
    try:
        config = _write_config(wanted)
        with console.status("Starting the database …"):
            database = open_database(settings)
        console.print("[green]✓[/] database")
        children = [wanted.crm.process(), *serving(environment_for_children(config, database))]
        quotes_only = settings.assistant["kind"] == "offline"
        watch = _Watch(wanted, console, opens=opens, quotes_only=quotes_only)
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
        "adapter": wanted.crm.name,
    }.items()}  # fmt: skip
    own = as_lines(wanted.crm.table())
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
adapter = {quoted["adapter"]}
environment = "sandbox"
start_from = "2000-01-01T00:00:00Z"
debounce_s = 0.3
undo_s = 3
max_drafts_per_hour = "unlimited"
daily_cost_limit = "unlimited"
{own}"""
    file = wanted.data_dir / CONFIG_FILE
    file.write_text(text, "utf-8")
    return file


class _Watch:
    """Tells a person what is going on: progress until everything answers, then the address."""

    def __init__(self, wanted: _Demo, console: Console, *, opens: bool, quotes_only: bool) -> None:
        self._wanted = wanted
        self._console = console
        self._opens = opens
        self._quotes_only = quotes_only
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
        for name, url, done in self._steps():
            if not self._wait_for(name, url, done):
                return
            self._console.print(f"[green]✓[/] {name}")
        if self._wanted.crm.has_desk:
            self._wait_for_a_draft()
        if not self._stopping.is_set():
            self._tell_where()

    def _wait_for_a_draft(self) -> None:
        """Without one the demo is as usable: its assistant may be another one, and may not run yet."""
        url, ends = f"{self._wanted.crm.page}api/cases", time.monotonic() + READY_WITHIN_S
        while not self._stopping.is_set():
            if self._has_draft(url):
                self._console.print("[green]✓[/] first draft")
                return
            if time.monotonic() > ends:
                file = escape(str(self._wanted.data_dir / CONFIG_FILE))
                self._console.print(f"[yellow]![/] {NO_DRAFT_YET} {file}", soft_wrap=True)
                return
            self._stopping.wait(POLL_S)

    def _tell_where(self) -> None:
        crm, logs = self._wanted.crm, escape(str(self._wanted.log))
        if not crm.has_desk:
            self._console.print(f"\nThe emulated CRM {crm.name} answers at [bold]{crm.page}[/]", soft_wrap=True)
            told = f"the bridge hears of it as the connection {DEMO_CONNECTION}"
            self._console.print(f"It has no desk; {told}. Logs: {logs}. Ctrl-C stops everything.", soft_wrap=True)
            if self._quotes_only and not crm.has_knowledge:
                self._console.print(NO_KNOWLEDGE, soft_wrap=True)
            self._console.print()
            return
        self._console.print(f"\nThe desk is open: [bold]{crm.page}[/]", soft_wrap=True)
        self._console.print(f"You are Demo Agent. Logs: {logs}. Ctrl-C stops everything.\n", soft_wrap=True)
        if self._opens:
            webbrowser.open(crm.page)

    def _steps(self) -> Iterator[tuple[str, str, Callable[[str], bool]]]:
        """(what is waited for, where it is seen, how)"""
        crm = self._wanted.crm
        bridge = ("bridge", f"{self._wanted.public_url}/readyz", self._answers)
        if crm.has_desk:
            named = "embedded CRM" if crm.name == EMBEDDED else f"emulated CRM {crm.name}"
            yield from ((named, crm.page, self._answers), bridge)
        else:
            yield from ((f"emulated CRM {crm.name}", crm.page, self._is_there), bridge)

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

    def _is_there(self, url: str) -> bool:
        """Whatever it answers: its pages are its own."""
        try:
            requests.get(url, timeout=2, allow_redirects=False, stream=True).close()
        except requests.RequestException:
            return False
        return True

    def _has_draft(self, url: str) -> bool:
        try:
            cases = requests.get(url, timeout=2).json()
        except (requests.RequestException, ValueError):
            return False
        listed = cases if isinstance(cases, list) else cases.get("cases", [])
        return any((case.get("state") or {}).get("kind") == "ready" for case in listed)
