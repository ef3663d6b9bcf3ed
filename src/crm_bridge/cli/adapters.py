"""`adapters`: what is installed, what each declares of its CRM, and how far that is proven."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from crm_bridge.cli.edge import config_option, json_option
from crm_bridge.cli.matrix import alike, matrix_of
from crm_bridge.contract import InvalidConfig
from crm_bridge.registry import adapter_names
from crm_bridge.settings import CONFIG_VARIABLE, DEFAULT_FILE, load_settings

DATA_DIR_VARIABLE = "CRM_BRIDGE__DATA_DIR"


@click.command()
@click.argument("name", required=False)
@config_option
@json_option
def adapters(name: str | None, config: Path | None, as_json: bool) -> None:
    """What each adapter, or only NAME, declares and has proven.

    Each capability is proven on the emulator, live, or not yet.
    Live proofs are those that `prove` left in the configuration's data_dir, and those an adapter ships.
    """
    known = adapter_names()
    if name is not None and name not in known:
        raise InvalidConfig("NAME", f"expected an installed adapter ({', '.join(known) or 'none'})")
    data_dir = _data_dir(config)
    found = {one: matrix_of(one, data_dir) for one in ([name] if name is not None else known)}
    if as_json:
        click.echo(json.dumps({"adapters": [{"name": one, **about} for one, about in found.items()]}))
        return
    console = Console()
    for one, about in found.items():
        _print(console, one, about)
        if name is not None:
            _print_quality(console, one, about)


def _data_dir(config: Path | None) -> Path | None:
    """Where live records may lie. A configuration that nobody named and that is wrong is no reason to say nothing."""
    named = config is not None or CONFIG_VARIABLE in os.environ
    if not named and not DEFAULT_FILE.is_file():
        return Path(os.environ.get(DATA_DIR_VARIABLE, "var"))  # asking for the demo's settings would make its keys
    try:
        return load_settings(config, os.environ).data_dir
    except InvalidConfig as error:
        if config is not None:
            raise
        click.echo(f"live proofs are not shown: configuration: {error}", err=True)
        return None


def _print(console: Console, name: str, about: Mapping[str, Any]) -> None:
    if "error" in about:
        console.print(f"{name}: {about['error']}", markup=False, soft_wrap=True)
    for variants in alike(about["variants"]):
        names = ", ".join(variant["variant"] for variant in variants)
        console.print(_table(f"{name}: {names}", ("capability", "declared", "stands at"), _rows(variants[0])))
        console.print(calls_in_words(variants[0]["calls"]), markup=False, soft_wrap=True)
        console.print()
    for line in about.get("unusable", ()):
        console.print(f"{name}: {line}", markup=False, soft_wrap=True)


def _print_quality(console: Console, name: str, about: Mapping[str, Any]) -> None:
    rows = ((one["rule"], one["status"], one["comment"] or one["sentence"]) for one in about["quality"])
    console.print(_table(f"{name}: quality", ("rule", "status", "what it says"), rows))


def _rows(variant: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    return ((one["capability"], one["declared"] or "no", one["sentence"]) for one in variant["capabilities"])


def _table(title: str, heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def calls_in_words(calls: Mapping[str, Any] | None) -> str:
    """What was counted, beside what is declared."""
    if calls is None:
        return "CRM calls per case: not counted yet"
    each = ", ".join(
        f"{name} {one['measured']} of {one['budget']}" for name, one in sorted(calls["operations"].items())
    )
    total = calls["per_case"]
    return f"CRM calls per case: {total['measured']} of at most {total['budget']} ({each})"
