"""`doctor`: looks at what a connection needs and changes nothing: our own side first, then what its adapter sees."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import click
import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape

from crm_bridge.assistants import diagnosed
from crm_bridge.cli.edge import WRONG, config_option, json_option, loaded_for_a_person
from crm_bridge.cli.joined import joined
from crm_bridge.contract import (
    MAY_WRITE,
    Adapter,
    Ambiguous,
    Conflict,
    Diagnosis,
    InvalidConfig,
    OutboundError,
    Permanent,
    Reauthenticate,
    Retry,
    Unsupported,
)
from crm_bridge.pipeline.runtime import Runtime
from crm_bridge.settings import Settings
from crm_bridge.store import inbox

BRIDGE = "bridge"
"""What the checks of our own side are listed under; no connection can have this name and a check of its own."""

CLOCK_MAY_DIFFER = timedelta(seconds=30)
_SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}
_WHAT_TO_DO: Sequence[tuple[type[OutboundError], str]] = (
    (Reauthenticate, "Check the credentials of this connection."),
    (Retry, "Try again later; if it stays, check base_url, the network section and the CRM's limits."),
    (Unsupported, "Nothing: this CRM does not have it."),
    (Permanent, "Check base_url and the permissions of this connection's user."),
    (Conflict, "Run it again."),
    (Ambiguous, "Run it again."),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One check of one connection, or of the bridge itself."""

    connection: str
    check: str
    status: str
    detail: str
    action: str


@click.command()
@click.argument("connection", required=False)
@click.option("--read-only", is_flag=True, help="Also prove that the connection's credentials cannot write.")
@config_option
@json_option
def doctor(connection: str | None, read_only: bool, config: Path | None, as_json: bool) -> None:
    """Look at CONNECTION, else at all; change nothing.

    Looked at are addresses, clock and assistant, and of each connection credentials, permissions and limits.
    """
    settings = loaded_for_a_person(config)
    if connection is not None and connection not in settings.connections:
        known = ", ".join(sorted(settings.connections)) or "none"
        raise InvalidConfig("CONNECTION", f"expected a configured connection ({known})")
    wanted = [connection] if connection is not None else sorted(settings.connections)
    lines: list[Line] = []
    with joined(settings) as runtime:
        for line in examined(settings, runtime, wanted, read_only=read_only):
            lines.append(line)
            if not as_json:
                _tell(line)
    failed = [line for line in lines if line.status == "failed"]
    if as_json:
        click.echo(json.dumps({"fine": not failed, "checks": [asdict(line) for line in lines]}))
    else:
        warned = sum(line.status == "warning" for line in lines)
        click.echo(f"{len(lines)} looked at, {warned} to know about, {len(failed)} wrong.")
    if failed:
        raise SystemExit(WRONG)


def examined(settings: Settings, runtime: Runtime, names: Sequence[str], *, read_only: bool) -> Iterator[Line]:
    """Every check in the order in which it is made."""
    yield _line(BRIDGE, _public_url(settings))
    yield _line(BRIDGE, _clock(runtime))
    yield _line(BRIDGE, diagnosed(runtime.assistant))
    for name in names:
        if (dead := _dead_events(runtime, name)) is not None:
            yield _line(name, dead)
        found_there = _diagnosed(runtime.connections[name].adapter)
        for one in _read_only(found_there) if read_only else found_there:
            yield _line(name, one)


def _dead_events(runtime: Runtime, name: str) -> Diagnosis | None:
    dead = runtime.store.run(lambda transaction: inbox.balance(transaction, name)).dead
    if not dead:
        return None
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(dead.items()))
    detail = f"{sum(dead.values())} events ended without their work done: {reasons}."
    action = "See all counts: crm-bridge check. The next event of such a case tries it again."
    return Diagnosis(check="dead_events", status="warning", detail=detail, action=action)


def _diagnosed(adapter: Adapter) -> Iterator[Diagnosis]:
    """What the adapter sees; where it cannot look, that is what was found."""
    looking = iter(adapter.diagnose())
    while True:
        try:
            found = next(looking)
        except StopIteration:
            return
        except OutboundError as error:
            action = next((words for kind, words in _WHAT_TO_DO if isinstance(error, kind)), "")
            detail = f"The CRM could not be looked at ({error.code}): {error.detail}"
            yield Diagnosis(check="reachable", status="failed", detail=detail, action=action)
            return
        yield found


def _read_only(found: Iterable[Diagnosis]) -> Iterator[Diagnosis]:
    """The same, but credentials that may write are what is wrong. Who cannot tell has proven nothing."""
    told = False
    for one in found:
        if one.check != MAY_WRITE:
            yield one
            continue
        told = True
        if one.status == "failed":
            yield Diagnosis(check="read_only", status="ok", detail=f"These credentials cannot write. {one.detail}")
        else:
            action = "Use credentials of a user without permission to create or change anything."
            yield Diagnosis(check="read_only", status="failed", detail=one.detail, action=action)
    if not told:
        detail = "This adapter could not tell whether its credentials may write."
        yield Diagnosis(check="read_only", status="failed", detail=detail)


def _public_url(settings: Settings) -> Diagnosis:
    parts = urlsplit(settings.public_url)
    if _only_here(parts.hostname or ""):
        status, detail = "warning", f"{settings.public_url} can only be reached from this machine."
        action = "Fine for a demo. Else set public_url to the address the CRM calls."
    elif parts.scheme != "https":
        status, detail = (
            "failed",
            f"{settings.public_url} is not encrypted: signatures and customers' words travel openly.",
        )
        action = "Put a proxy with TLS in front, and set public_url to its https address."
    else:
        status, detail, action = "ok", f"Senders sign for {settings.public_url}.", ""
    return Diagnosis(check="public_url", status=status, detail=detail, action=action)  # type: ignore[arg-type]


def _only_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _clock(runtime: Runtime) -> Diagnosis:
    """Ours against the database's, which decides what is due; signed times are judged by ours."""
    theirs = runtime.store.run(
        lambda transaction: transaction.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    )
    apart = abs(datetime.now(UTC) - theirs)
    if apart <= CLOCK_MAY_DIFFER:
        return Diagnosis(check="clock", status="ok", detail="This machine and the database agree on the time.")
    detail = f"This machine and the database are {apart.total_seconds():.0f} s apart."
    action = "Let both follow a time server: signed deliveries are refused when clocks differ."
    return Diagnosis(check="clock", status="failed", detail=detail, action=action)


def _line(connection: str, found: Diagnosis) -> Line:
    return Line(connection=connection, check=found.check, status=found.status, detail=found.detail, action=found.action)


def _tell(line: Line) -> None:
    console = Console()
    words = f"{line.connection}: {line.check}: {line.detail}"
    console.print(f"{_SIGNS[line.status]} {escape(words)}", soft_wrap=True, highlight=False)
    if line.action:
        console.print(f"  → {escape(line.action)}", soft_wrap=True, highlight=False)
