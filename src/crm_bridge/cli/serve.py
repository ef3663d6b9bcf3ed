"""`up`, `web` and `worker`: the processes that serve. `up` runs the other two under one supervisor."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import structlog

from crm_bridge.bootstrap import Database, bootstrap, environment_for_children, open_database
from crm_bridge.cli.edge import config_option, loaded
from crm_bridge.cli.supervise import Supervisor
from crm_bridge.cli.supervised import Child, SupervisorEvent
from crm_bridge.contract import InvalidConfig
from crm_bridge.jobs import Worker
from crm_bridge.settings import Listen
from crm_bridge.web import create_app
from crm_bridge.web.server import serve

log = structlog.get_logger("crm_bridge.supervisor")

port_option = click.option("--port", type=click.IntRange(1, 65535), help="Listen here instead of the configured port.")


@click.command()
@config_option
@port_option
def up(config: Path | None, port: int | None) -> None:
    """Web and worker (and the embedded database) under one supervisor. Ctrl-C stops all of them."""
    settings = loaded(config)
    if settings.demo:
        raise InvalidConfig("", "`up` needs a configuration file: --config FILE, or see `crm-bridge demo`")
    database = open_database(settings)
    environment = dict(environment_for_children(config, database))
    if port is not None:
        environment["CRM_BRIDGE__LISTEN"] = f"{settings.listen.host}:{port}"
    children = [program("web", environment), program("worker", environment)]
    sys.exit(Supervisor(children, database.server, log_event).run())


@click.command()
@config_option
@port_option
def web(config: Path | None, port: int | None) -> None:
    """The web server alone: webhooks, panel, API."""
    settings = loaded(config)
    runtime = bootstrap(settings)
    listen = settings.listen if port is None else Listen(host=settings.listen.host, port=port)
    try:
        serve(create_app(runtime), listen)
    finally:
        runtime.close()


@click.command()
@config_option
def worker(config: Path | None) -> None:
    """A worker alone: it reads cases, drafts, writes and sends. Start as many as you like."""
    settings = loaded(config)
    database = open_database(settings)
    runtime = bootstrap(settings, database=database)
    try:
        Worker(runtime=runtime, database_url=database.url).run()
    finally:
        runtime.close()


def program(name: str, environment: dict[str, str], *arguments: str) -> Child:
    """One of our own commands as a supervised child."""
    return Child(name=name, argv=[sys.executable, "-m", "crm_bridge.cli", name, *arguments], env=environment)


def log_event(event: SupervisorEvent) -> None:
    """What the supervisor does, as log lines."""
    log.info(
        "process",
        what=event.kind.value,
        process=event.name,
        pid=event.pid,
        status=event.status,
        delay_s=event.delay_s,
        detail=event.detail,
    )


def children_of(settings_file: Path, database: Database) -> list[Child]:
    """Web and worker on a configuration file."""
    environment = dict(environment_for_children(settings_file, database))
    return [program("web", environment), program("worker", environment)]
