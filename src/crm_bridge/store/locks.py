"""Advisory locks: one process at a time for a round of work, without waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from crm_bridge.store.database import Store


def lock_for_transaction(connection: sa.Connection, name: str) -> None:
    """Hold a named lock until the transaction ends. Taken after every row lock, and nothing is waited for under it."""
    connection.execute(sa.text("select pg_advisory_xact_lock(hashtextextended(:name, 13))"), {"name": name})


@contextmanager
def try_lock(store: Store, name: str) -> Iterator[bool]:
    """Hold a named lock while the block runs; False when another process holds it. Ends with the session."""
    with store.engine.connect() as connection:
        value = connection.execute(
            sa.text("select pg_try_advisory_lock(hashtextextended(:name, 11))"), {"name": name}
        ).scalar_one()
        connection.commit()
        try:
            yield bool(value)
        finally:
            if value:
                connection.execute(sa.text("select pg_advisory_unlock(hashtextextended(:name, 11))"), {"name": name})
                connection.commit()
