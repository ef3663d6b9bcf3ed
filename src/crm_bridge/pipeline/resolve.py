"""Foreign refs: find the case of a thread or comment, hand its events to the case, and end."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from crm_bridge.contract import CaseRef, ForeignRef, Merged, NotACase, NotYet
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.store import inbox, queue
from crm_bridge.store.database import now
from crm_bridge.store.queue import Lease

GIVE_UP_AFTER = timedelta(hours=24)
"""A ref that was linked to no case for a day is not about a case."""

SOONEST, LATEST = timedelta(milliseconds=200), timedelta(minutes=15)
"""A CRM says when to look again; within these bounds it is believed."""


def resolve(runtime: Runtime, known: ConnectionRuntime, lease: Lease) -> None:
    """One look at a foreign ref. Raises what the adapter raises, and `LeaseLost`."""
    found = known.adapter.resolve(ForeignRef(kind=lease.ref_kind, id=lease.ref_id))

    def work(transaction: sa.Connection) -> None:
        queue.hold(transaction, lease)
        match found:
            case CaseRef(id=case):
                _hand_over(transaction, known, lease, case)
            case Merged(into=into):
                _hand_over(transaction, known, lease, into.id)
            case NotACase(reason=reason):
                _ignore(transaction, lease, f"not_a_case:{reason}"[:60])
            case NotYet(after=after):
                _wait(transaction, lease, after)

    runtime.store.run(work)


def _hand_over(transaction: sa.Connection, known: ConnectionRuntime, lease: Lease, case: str) -> None:
    item = queue.upsert_item(transaction, known.name, "case", case, timedelta(0))
    inbox.move(transaction, lease.item_id, item)
    queue.release(transaction, lease, wake_at=None)
    queue.nudge(transaction)


def _ignore(transaction: sa.Connection, lease: Lease, reason: str) -> None:
    inbox.mark(transaction, inbox.pending(transaction, lease.item_id).ids, "ignored", reason)
    queue.release(transaction, lease, wake_at=None)


def _wait(transaction: sa.Connection, lease: Lease, after: timedelta) -> None:
    waiting = inbox.pending(transaction, lease.item_id)
    moment = now(transaction)
    if waiting.newest_at is not None and moment - waiting.newest_at > GIVE_UP_AFTER:
        _ignore(transaction, lease, "never_linked")
        return
    if not waiting.ids:
        queue.release(transaction, lease, wake_at=None)
        return
    after = min(max(after, SOONEST), LATEST)
    queue.release(transaction, lease, wake_at=moment + after)
    queue.nudge(transaction, after=after)
