"""`worker`: a worker alone."""

from __future__ import annotations

from pathlib import Path

import click

from crm_bridge.bootstrap import bootstrap, running_database
from crm_bridge.cli.edge import config_option, loaded
from crm_bridge.jobs import Worker


@click.command()
@config_option
def worker(config: Path | None) -> None:
    """A worker alone: it reads cases, drafts, writes and sends. Start as many as you like."""
    settings = loaded(config)
    with running_database(settings) as database:
        runtime = bootstrap(settings, database=database)
        try:
            Worker(runtime=runtime, database_url=database.url).run()
        finally:
            runtime.close()
