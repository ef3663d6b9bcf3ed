"""`setup`: what a CRM needs for a connection: planned, made where an API can, exported where a person has to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from crm_bridge.cli.crm_app import APP_FOLDER, export_app
from crm_bridge.cli.edge import WRONG, config_option, loaded
from crm_bridge.cli.joined import joined
from crm_bridge.contract import InvalidConfig, OutboundError, Step
from crm_bridge.registry import adapter_folder, app_values
from crm_bridge.settings import ConnectionSettings, Settings

_SIGNS = {
    "present": "[green]✓[/] there already:",
    "done": "[green]✓[/] done:",
    "planned": "[cyan]→[/] would be done:",
    "manual": "[yellow]![/] to be done by a person:",
}


@click.command()
@click.argument("connection")
@click.option("--plan", is_flag=True, help="Only say what would be done.")
@click.option(
    "--export",
    "into",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write what is deployed into the CRM to this new folder, with your addresses in it; call nothing.",
)
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A value of the export we cannot know.")
@config_option
def setup(connection: str, plan: bool, into: Path | None, given: Sequence[str], config: Path | None) -> None:
    """Make or plan what the CRM of CONNECTION needs. Can be run again at any time."""
    settings = loaded(config)
    wanted = settings.connections.get(connection)
    if wanted is None:
        known = ", ".join(sorted(settings.connections)) or "none"
        raise InvalidConfig("CONNECTION", f"expected a configured connection ({known})")
    if into is not None:
        _export(settings, wanted, into, given)
        return
    if given:
        raise InvalidConfig("--set", "expected only together with --export")
    _provision(settings, wanted, plan=plan)


def _export(settings: Settings, wanted: ConnectionSettings, into: Path, given: Sequence[str]) -> None:
    folder = adapter_folder(wanted.adapter)
    app = folder / APP_FOLDER if folder is not None else None
    if app is None or not app.is_dir():
        raise InvalidConfig("--export", f"expected an adapter that deploys something; {wanted.adapter} does not")
    try:
        ours = app_values(wanted.adapter, wanted.adapter_config, settings.public_url, wanted.name)
    except InvalidConfig as error:
        raise settings.in_connection(wanted.name, error) from error
    done = export_app(app, into, {**ours, **dict(_pair(one) for one in given)})
    click.echo(f"{done.files} files in {done.into}.")
    for path in done.filled:
        click.echo(f"  {path} holds addresses or secrets of this installation: keep it out of version control.")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise InvalidConfig("--set", "expected NAME=VALUE")
    return name, value


def _provision(settings: Settings, wanted: ConnectionSettings, *, plan: bool) -> None:
    manual = 0
    with joined(settings) as runtime:
        adapter = runtime.connections[wanted.name].adapter
        try:
            for step in adapter.provision(plan):
                _tell(step)
                manual += step.status == "manual"
        except OutboundError as error:
            click.echo(f"The CRM could not be asked ({error.code}): {error.detail}. crm-bridge doctor says more.")
            raise SystemExit(WRONG) from error
    if manual:
        click.echo(f"{manual} for a person: crm-bridge setup {wanted.name} --export DIR, and the adapter's page.")


def _tell(step: Step) -> None:
    detail = f" ({step.detail})" if step.detail else ""
    Console().print(f"{_SIGNS[step.status]} {escape(step.name + detail)}", soft_wrap=True, highlight=False)
