"""`web`: the web server alone."""

from __future__ import annotations

from pathlib import Path

import click

from crm_bridge.bootstrap import Database, bootstrap, running_database
from crm_bridge.cli.edge import config_option, loaded, port_option
from crm_bridge.settings import Listen, Settings
from crm_bridge.web import create_app
from crm_bridge.web.server import serve


@click.command()
@config_option
@port_option
def web(config: Path | None, port: int | None) -> None:
    """The web server alone: webhooks, panel, API."""
    settings = loaded(config)
    with running_database(settings) as database:
        _serve(settings, database, port)


def _serve(settings: Settings, database: Database, port: int | None) -> None:
    runtime = bootstrap(settings, database=database)
    listen = settings.listen if port is None else Listen(host=settings.listen.host, port=port)
    try:
        serve(create_app(runtime), listen)
    finally:
        runtime.close()
