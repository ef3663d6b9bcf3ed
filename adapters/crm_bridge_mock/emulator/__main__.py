"""`python -m crm_bridge_mock.emulator`: the embedded CRM as a process of its own.

Prints one JSON line `{"event": "listening", "port": …}` on stdout once it can be reached; SIGTERM and SIGINT stop it.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from crm_bridge.contract import InvalidConfig
from crm_bridge_mock.emulator import MockCrm
from crm_bridge_mock.profiles import DEFAULT_PROFILE, PROFILES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop. 0 = stopped cleanly, 2 = wrong usage."""
    wanted = _parser().parse_args(arguments)
    _log_as_json()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        crm = _crm(wanted)
    except (InvalidConfig, OSError, ValueError) as error:
        print(f"the embedded CRM cannot start: {error}", file=sys.stderr)
        return 2
    if wanted.seed:
        crm.seed()
    crm.start(webhooks=not wanted.no_webhooks)
    print(json.dumps({"event": "listening", "port": crm.port}), flush=True)
    stopping.wait()
    crm.stop()
    return 0


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


def _crm(wanted: argparse.Namespace) -> MockCrm:
    return MockCrm(
        bridge_url=wanted.public_url,
        connection=wanted.connection,
        secrets=wanted.secret_file.read_text("utf-8").split(),
        profile=wanted.profile,
        data_dir=wanted.data,
        faults_file=wanted.faults,
        host=wanted.host,
        port=wanted.port,
        desk_hosts=frozenset(wanted.desk_host),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crm_bridge_mock.emulator", description="The embedded CRM.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the state is kept")
    parser.add_argument("--public-url", required=True, metavar="URL", help="where the bridge is reached")
    parser.add_argument("--connection", default="demo")
    parser.add_argument("--secret-file", type=Path, required=True, metavar="FILE", help="whsec_… one a line")
    parser.add_argument("--profile", choices=sorted(PROFILES), default=DEFAULT_PROFILE)
    parser.add_argument("--seed", action="store_true", help="load example cases into an empty CRM")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="JSON array of fault rules, read when it changes")
    parser.add_argument("--no-webhooks", action="store_true", help="keep what happens in the outbox")
    parser.add_argument("--desk-host", action="append", default=[], metavar="NAME", help="more names for the desk")
    return parser


if __name__ == "__main__":
    sys.exit(main())
