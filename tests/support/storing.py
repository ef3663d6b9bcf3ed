"""A store with connections in it, and the least a worker does, for tests of the queue without a CRM."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from crm_bridge.contract import CaseRef, Event, EventKind
from crm_bridge.store import connections, inbox, queue
from crm_bridge.store.database import Store
from crm_bridge.store.queue import Lease

NOW = timedelta(0)


def register(store: Store, *names: str) -> None:
    def work(connection: sa.Connection) -> None:
        for name in names:
            connections.register(connection, name=name, adapter="mock", remote_id="", enabled=True)

    store.run(work)


def event(case: str, key: str | None) -> Event:
    return Event(kind=EventKind.MESSAGE_ADDED, about=CaseRef(id=case), key=key)


def receive(store: Store, name: str, events: Sequence[Event]) -> int:
    """What `pipeline.receive` does of a delivery."""

    def work(connection: sa.Connection) -> int:
        new = inbox.store_events(connection, store.cipher, name, events, NOW)
        if new:
            queue.nudge(connection)
        return new

    return store.run(work)


def turn(store: Store, lease: Lease) -> int:
    """Handle all there is of a claimed item, as a worker does. Returns how many events."""
    handled = 0
    while True:
        seen = store.run(lambda c: inbox.pending(c, lease.item_id)).ids

        def commit(connection: sa.Connection, seen: tuple[int, ...] = seen) -> bool:
            queue.hold(connection, lease)
            if inbox.pending(connection, lease.item_id).ids != seen:
                return False
            inbox.mark(connection, seen, "done")
            queue.release(connection, lease, wake_at=None)
            return True

        if store.run(commit):
            return handled + len(seen)


def drain(store: Store) -> int:
    """Work until nothing is due."""
    handled = 0
    while (lease := queue.claim(store)) is not None:
        handled += turn(store, lease)
    return handled
