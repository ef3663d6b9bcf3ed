"""`check`: the configuration is valid, and nothing has disappeared: received = done + pending + ignored + dead."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from crm_bridge.cli.edge import WRONG, config_option, json_option, loaded_for_a_person
from crm_bridge.cli.joined import joined
from crm_bridge.store import inbox
from crm_bridge.store.inbox import Balance


@click.command()
@config_option
@json_option
def check(config: Path | None, as_json: bool) -> None:
    """Check the configuration; count every event. Nothing may have disappeared."""
    settings = loaded_for_a_person(config)
    with joined(settings) as runtime:
        balances = [
            runtime.store.run(lambda transaction, name=name: inbox.balance(transaction, name))  # type: ignore[misc]
            for name in runtime.connections
        ]
    if as_json:
        click.echo(json.dumps(_document(balances)))
    else:
        _print(balances)
    if not all(balance.balances for balance in balances):
        raise SystemExit(WRONG)


def _document(balances: list[Balance]) -> dict[str, object]:
    return {
        "config": "valid",
        "balances": all(balance.balances for balance in balances),
        "connections": [{**asdict(balance), "balances": balance.balances} for balance in balances],
    }


def _print(balances: list[Balance]) -> None:
    table = Table(title="Events", title_justify="left")
    for column in ("connection", "received", "done", "pending", "ignored", "dead", "balances"):
        table.add_column(column, justify="left" if column in {"connection", "balances"} else "right")
    for balance in balances:
        table.add_row(
            balance.connection,
            str(balance.received),
            str(balance.done),
            str(balance.pending),
            _by_reason(dict(balance.ignored)),
            _by_reason(dict(balance.dead)),
            "yes" if balance.balances else "NO",
        )
    console = Console()
    console.print("The configuration is valid.")
    console.print(table)
    for balance in balances:
        if not balance.balances:
            console.print(f"{balance.connection}: {_what_is_wrong(balance)}", soft_wrap=True)


def _by_reason(counts: dict[str, int]) -> str:
    if not counts:
        return "0"
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))


def _what_is_wrong(balance: Balance) -> str:
    if balance.stranded:
        return f"{balance.stranded} pending that nothing will wake"
    return "events are missing"
