"""`db upgrade` and `db status`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import sqlalchemy as sa

from crm_bridge.bootstrap import EMBEDDED
from crm_bridge.cli.edge import Group, config_option, loaded
from crm_bridge.settings import Settings
from crm_bridge.store import migrate
from crm_bridge.store.database import StoreUnavailable, connect
from crm_bridge.store.embedded import EmbeddedServer

STOP_TIMEOUT_S = 20.0


@click.group(cls=Group)
def db() -> None:
    """The database: its schema version, and bringing it up to date."""


@db.command()
@config_option
def upgrade(config: Path | None) -> None:
    """Apply the migrations this program needs. Done by itself for the embedded database."""
    with reachable(loaded(config)) as url, engine_on(url) as engine:
        status = migrate.upgrade(engine)
    click.echo(f"the database is at version {status.current}")


@db.command()
@config_option
def status(config: Path | None) -> None:
    """Say at which version the database is. Exit code 1 when it is not the one this program needs."""
    with reachable(loaded(config)) as url, engine_on(url) as engine:
        found = migrate.status(engine)
    if found.up_to_date:
        click.echo(f"the database is at version {found.current}: up to date")
        return
    click.echo(f"the database is at version {found.current or 'none'}, {found.wanted} is needed: crm-bridge db upgrade")
    raise SystemExit(1)


@contextmanager
def reachable(settings: Settings) -> Iterator[str]:
    """The URL of a database that runs while the block does; what was started for it is stopped again."""
    if settings.database_url != EMBEDDED:
        yield settings.database_url
        return
    server = EmbeddedServer(settings.data_dir)
    url = server.ensure_running()
    try:
        yield url
    finally:
        # Only our own child: a server that ran before serves somebody.
        if server.child is not None:
            server.stop(STOP_TIMEOUT_S)


@contextmanager
def engine_on(url: str) -> Iterator[sa.Engine]:
    """One connection for a short command. Raises `StoreUnavailable`."""
    engine = connect(url, pool_size=1, max_overflow=0)
    try:
        yield engine
    except sa.exc.OperationalError as error:
        raise StoreUnavailable("it does not answer, or refuses us") from error
    finally:
        engine.dispose()
