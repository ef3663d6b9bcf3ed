"""A whole runtime for one command: the database reachable and migrated, every adapter built, all closed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crm_bridge.bootstrap import EMBEDDED, Database, bootstrap
from crm_bridge.cli.database import engine_on, reachable
from crm_bridge.pipeline.runtime import Runtime
from crm_bridge.settings import Settings
from crm_bridge.store import migrate


@contextmanager
def joined(settings: Settings) -> Iterator[Runtime]:
    """The runtime of a configuration while the block runs; an embedded database is migrated first.

    Raises what `bootstrap` raises.
    """
    with reachable(settings) as url:
        if settings.database_url == EMBEDDED:
            with engine_on(url) as engine:
                migrate.upgrade(engine)
        runtime = bootstrap(settings, database=Database(url=url))
        try:
            yield runtime
        finally:
            runtime.close()
