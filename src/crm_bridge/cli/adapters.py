"""`adapters`: the adapters that are installed and what each declares of its CRM."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from crm_bridge.cli.edge import json_option
from crm_bridge.contract import Capabilities, InvalidConfig
from crm_bridge.registry import adapter_names, declared_capabilities


@click.command()
@json_option
def adapters(as_json: bool) -> None:
    """List the installed adapters and the capabilities they declare."""
    found = {name: _described(name) for name in adapter_names()}
    if as_json:
        click.echo(json.dumps({"adapters": [{"name": name, **about} for name, about in found.items()]}))
        return
    for name, about in found.items():
        table = Table(title=name, title_justify="left")
        for column in ("variant", "deliveries", "target", "decides", "sends", "marker", "lacks"):
            table.add_column(column, no_wrap=True)
        for variant in about["variants"]:
            table.add_row(*_row(variant))
        Console().print(table)


def _described(name: str) -> dict[str, Any]:
    try:
        variants = declared_capabilities(name)
    except InvalidConfig as error:
        return {"error": str(error), "variants": []}
    return {"variants": [_variant(key, value) for key, value in variants.items()]}


def _variant(name: str, declared: Capabilities) -> dict[str, Any]:
    target = declared.target
    return {
        "variant": name,
        "delivery_auth": {
            "kind": declared.delivery_auth.kind.value,
            "covers": sorted(declared.delivery_auth.covers),
        },
        "target": {
            "kind": target.kind.value,
            "decides": sorted(item.value for item in target.decides),
            "withdrawable": target.withdrawable,
            "readable": target.readable,
            "idempotent": target.idempotent,
            "shows_states": target.shows_states,
            "mutability": target.mutability.value,
        },
        "sends": declared.sends.value,
        "send_marker": declared.send_marker.value,
        **{name: getattr(declared, name) for name in _ALSO},
    }


_ALSO = ("knowledge", "reconcile", "deletions", "panel")


def _row(variant: dict[str, Any]) -> tuple[str, ...]:
    return (
        variant["variant"],
        variant["delivery_auth"]["kind"],
        variant["target"]["kind"],
        ", ".join(variant["target"]["decides"]) or "nobody",
        variant["sends"],
        variant["send_marker"],
        ", ".join(name for name in _ALSO if not variant[name]) or "nothing",
    )
