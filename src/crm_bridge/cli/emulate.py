"""`emulate`: any adapter's emulated CRM as a process, to build an adapter against or to point a bridge at.

It becomes that process: the emulator's own command line (`crm_bridge.kit.emulation.command`) says where it listens and
what a connection to it has to be configured with.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from crm_bridge.contract import InvalidConfig
from crm_bridge.kit.emulation import read_rules
from crm_bridge.registry import emulator_command


@click.command()
@click.argument("name")
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="0 takes a free one.")
@click.option(
    "--faults",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON array of fault rules; read again whenever it changes.",
)
@click.option("--webhook", metavar="URL", help="Where it tells what happens: http://HOST:PORT/webhooks/CONNECTION.")
@click.argument("own", nargs=-1, type=click.UNPROCESSED)
def emulate(name: str, port: int, faults: Path | None, webhook: str | None, own: tuple[str, ...]) -> None:
    """Run the emulated CRM of adapter NAME until it is stopped. What follows -- are options of the emulator.

    Prints one JSON line with its address and the configuration of a connection to it, secrets included.
    """
    command = [*emulator_command(name), "--port", str(port), "--print-config"]
    check_faults(faults)
    if faults is not None:
        command += ["--faults", str(faults)]
    if webhook is not None:
        command += ["--webhook", webhook]
    sys.stdout.flush()
    os.execv(command[0], [*command, *own])  # noqa: S606 - an argv list from our own command line, never a shell


def check_faults(faults: Path | None) -> None:
    """Refuse a file that is there and wrong; one that is not there yet means no faults so far."""
    if faults is None:
        return
    try:
        read_rules(faults)
    except FileNotFoundError:
        return
    except ValueError as error:
        raise InvalidConfig("--faults", f"expected fault rules in {faults}: {error}") from error
