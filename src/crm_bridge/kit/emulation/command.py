"""The command line every emulator shares: `python -m PACKAGE`, as `crm-bridge emulate` and `demo` run it.

Owns the common options, the signals and the one line on stdout that says where it listens. What else an emulator can be
told are options of its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from crm_bridge.contract import InvalidConfig
from crm_bridge.kit.emulation.emulator import Emulator
from crm_bridge.kit.emulation.faults import read_rules
from crm_bridge.kit.signing import new_secret

NOBODY = "http://127.0.0.1:9"
SECRET_FILE = "webhook.secret"  # noqa: S105 - a name


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an emulator was told. `bridge_url`, `connection`: from `--public-url` or out of `--webhook`.

    `secrets`: one a line of the secret file, the first signs; made when there is none. `own`: the emulator's options.
    """

    host: str
    port: int
    data_dir: Path | None
    bridge_url: str
    connection: str
    secrets: tuple[str, ...]
    faults_file: Path | None
    own: argparse.Namespace


def command_line(prog: str, description: str) -> argparse.ArgumentParser:
    """The common options; add your own to what comes back."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the state is kept; else it goes when it stops")
    parser.add_argument("--public-url", metavar="URL", help="where the bridge is reached")
    parser.add_argument("--connection", metavar="NAME", help="the connection there (demo)")
    parser.add_argument("--webhook", metavar="URL", help="both at once: URL/webhooks/NAME")
    parser.add_argument("--secret-file", type=Path, metavar="FILE", help="one a line; made when it is not there")
    parser.add_argument("--seed", action="store_true", help="load example cases into an empty CRM")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="JSON array of fault rules, read when it changes")
    parser.add_argument("--no-webhooks", action="store_true", help="keep what happens in the outbox")
    parser.add_argument("--print-config", action="store_true", help="say the connection's configuration, with secrets")
    return parser


def run(
    build: Callable[[Wanted], Emulator], parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None
) -> int:
    """Run until told to stop by SIGTERM or SIGINT. 0 = stopped cleanly, 2 = wrong usage.

    Prints one JSON line `{"event": "listening", "port": …}` on stdout once it can be reached; with `--print-config` it
    holds the connection's `config` too.
    """
    given = parser.parse_args(arguments)
    _log_as_json()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        crm = build(_wanted(given))
        if given.seed:
            crm.seed()
        crm.start(webhooks=not given.no_webhooks and bool(given.webhook or given.public_url))
    except (InvalidConfig, OSError, ValueError) as error:
        print(f"the emulated CRM cannot start: {error}", file=sys.stderr)
        return 2
    line = {"event": "listening", "port": crm.port}
    print(json.dumps(line | ({"config": crm.config} if given.print_config else {})), flush=True)
    stopping.wait()
    crm.stop()
    return 0


def _wanted(given: argparse.Namespace) -> Wanted:
    if given.faults is not None and given.faults.exists():
        read_rules(given.faults)
    bridge_url, connection = _bridge(given)
    return Wanted(
        host=given.host,
        port=given.port,
        data_dir=given.data,
        bridge_url=bridge_url,
        connection=connection,
        secrets=_secrets(given),
        faults_file=given.faults,
        own=given,
    )


def _bridge(given: argparse.Namespace) -> tuple[str, str]:
    if given.webhook is None:
        return given.public_url or NOBODY, given.connection or "demo"
    if given.public_url or given.connection:
        raise InvalidConfig("--webhook", "instead of --public-url and --connection, not beside them")
    base, mark, connection = given.webhook.rstrip("/").rpartition("/webhooks/")
    if not mark or urlsplit(base).scheme not in ("http", "https") or "/" in connection or not connection:
        raise InvalidConfig("--webhook", "expected http(s)://HOST[:PORT]/webhooks/CONNECTION")
    return base, connection


def _secrets(given: argparse.Namespace) -> tuple[str, ...]:
    file: Path | None = given.secret_file or (given.data / SECRET_FILE if given.data else None)
    if file is None:
        return (new_secret(),)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(new_secret() + "\n")
    return tuple(file.read_text("utf-8").split())


class _JsonLines(logging.Formatter):
    """One JSON object a line: the event, and the fields it came with where they are plain."""

    _FIELDS = ("status", "events", "error", "endpoint")

    def format(self, record: logging.LogRecord) -> str:
        given = {name: getattr(record, name) for name in self._FIELDS if hasattr(record, name)}
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        return json.dumps({"timestamp": at, "level": record.levelname.lower(), "event": record.getMessage(), **given})


def _log_as_json() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
