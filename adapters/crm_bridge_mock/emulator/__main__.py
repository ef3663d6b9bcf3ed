"""`python -m crm_bridge_mock.emulator`: the embedded CRM as a process of its own.

Prints one JSON line `{"event": "listening", "port": …}` on stdout once it can be reached; SIGTERM and SIGINT stop it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from crm_bridge.kit.emulation.command import Wanted, command_line, run
from crm_bridge_mock.emulator import MockCrm
from crm_bridge_mock.profiles import DEFAULT_PROFILE, PROFILES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop. 0 = stopped cleanly, 2 = wrong usage."""
    return run(_crm, _parser(), arguments)


def _crm(wanted: Wanted) -> MockCrm:
    return MockCrm(
        bridge_url=wanted.bridge_url,
        connection=wanted.connection,
        secrets=wanted.secrets,
        profile=wanted.own.profile,
        data_dir=wanted.data_dir,
        faults_file=wanted.faults_file,
        host=wanted.host,
        port=wanted.port,
        desk_hosts=frozenset(wanted.own.desk_host),
    )


def _parser() -> argparse.ArgumentParser:
    parser = command_line("crm_bridge_mock.emulator", "The embedded CRM.")
    parser.add_argument("--profile", choices=sorted(PROFILES), default=DEFAULT_PROFILE)
    parser.add_argument("--desk-host", action="append", default=[], metavar="NAME", help="more names for the desk")
    return parser


if __name__ == "__main__":
    sys.exit(main())
