"""`up`: web and worker under one supervisor, with the embedded database when that is configured."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click
import structlog

from crm_bridge.bootstrap import environment_for_children, open_database
from crm_bridge.cli.edge import config_option, loaded, port_option, which_configuration
from crm_bridge.cli.place import held
from crm_bridge.cli.supervise import Supervisor
from crm_bridge.cli.supervised import Child, SupervisorEvent
from crm_bridge.settings import Settings
from crm_bridge.store.embedded import EmbeddedServer

STOP_TIMEOUT_S = 30.0
"""Longer than a worker takes to end a bounded call; a second Ctrl-C does not wait."""

log = structlog.get_logger("crm_bridge.supervisor")


@click.command()
@config_option
@port_option
def up(config: Path | None, port: int | None) -> None:
    """Web, worker and embedded database, supervised. Ctrl-C stops all of them."""
    settings = loaded(config)
    if config is None:
        log.info("configuration", found=which_configuration(settings))
    with held(settings.data_dir):
        sys.exit(_run(settings, config, port))


def _run(settings: Settings, config: Path | None, port: int | None) -> int:
    """Run everything until it is told to stop; the exit code."""
    try:
        database = open_database(settings)
    except KeyboardInterrupt:
        EmbeddedServer(settings.data_dir).stop(STOP_TIMEOUT_S)
        raise
    environment = dict(environment_for_children(config, database))
    if port is not None:
        environment["CRM_BRIDGE__LISTEN"] = f"{settings.listen.host}:{port}"
    return Supervisor(serving(environment), database.server, log_event, stop_timeout_s=STOP_TIMEOUT_S).run()


def serving(environment: Mapping[str, str]) -> list[Child]:
    """Web and worker as supervised children."""
    return [
        Child(name=name, argv=[sys.executable, "-m", "crm_bridge.cli", name], env=environment)
        for name in ("web", "worker")
    ]


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
