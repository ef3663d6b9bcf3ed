"""Brings the schema to the version this code needs. Migrations expand first and contract a release later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

_LOCK = 0x63726D62
"""Advisory lock: several processes that start at once migrate one after the other."""


class SchemaOutdated(RuntimeError):
    """The database is not at the version this code needs; the text names the command."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaStatus:
    """`current` is None for an empty database."""

    current: str | None
    wanted: str

    @property
    def up_to_date(self) -> bool:
        return self.current == self.wanted


def upgrade(engine: sa.Engine) -> SchemaStatus:
    """Apply what is missing, in one transaction. Safe to call from several processes at once."""
    with engine.begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return status(engine)


def status(engine: sa.Engine) -> SchemaStatus:
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    assert wanted is not None
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return SchemaStatus(current=current, wanted=wanted)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
