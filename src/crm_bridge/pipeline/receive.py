"""From a delivery to what the CRM wants to hear: verify, parse, store, acknowledge. No call leaves the bridge here.

2xx is only said after every event of the delivery and the work it means are committed in one transaction.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from crm_bridge.contract import Delivery, Event, Receipt, Response
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime, UnknownConnection
from crm_bridge.store import inbox, queue
from crm_bridge.store.database import StoreUnavailable

__all__ = ["StoreUnavailable", "UnknownConnection", "receive", "store_found"]


def receive(runtime: Runtime, connection: str, delivery: Delivery) -> Response:
    """Store a delivery and say what its CRM wants to hear.

    Raises `UnknownConnection`, `VerificationFailed`, `InvalidDelivery` and `StoreUnavailable` (nothing was stored).
    """
    known = runtime.connection(connection)
    verified = known.adapter.verify(delivery)
    found = list(known.adapter.parse(verified))
    receipt = store_found(runtime, known, found)
    return known.adapter.acknowledge(delivery, receipt)


def store_found(
    runtime: Runtime, known: ConnectionRuntime, found: list[Event], *, wait: timedelta | None = None
) -> Receipt:
    """Events, their work items and one nudge in one transaction. The same for webhooks and for polls.

    They are due after `wait`, or after the connection's `debounce_s`.
    """
    debounce = known.policy.debounce if wait is None else wait

    def work(transaction: sa.Connection) -> int:
        new = inbox.store_events(transaction, runtime.store.cipher, known.name, found, debounce)
        if new and known.enabled:
            queue.nudge(transaction, after=max(debounce, timedelta(0)))
        return new

    return Receipt(events=len(found), new=runtime.store.run(work) if found else 0)
