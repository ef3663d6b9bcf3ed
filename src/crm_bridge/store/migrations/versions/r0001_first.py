"""The first tables, and the queue's own schema.

Revision ID: 0001
"""

from __future__ import annotations

from pathlib import Path

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None


def upgrade() -> None:
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    # Sent as they are: both scripts hold percent signs and dollar quoting.
    driver.execute(Path(__file__).with_name("0001_first.sql").read_bytes())
    driver.execute(SchemaManager.get_schema().encode())


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
