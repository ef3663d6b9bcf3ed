"""The queue: nudges carried by Procrastinate, and the claim of due work items with lease and fence.

A nudge holds no work. It wakes a worker, which claims what is due; lost or doubled nudges do no harm. What is due
is what `work_items` says: a wake time that has passed and no live lease. Lock order everywhere: case, then item.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import procrastinate
import sqlalchemy as sa

from crm_bridge.store.database import Store
from crm_bridge.store.tables import connections, work_items

LEASE_S = 30.0
_MARGIN_S = 2.0
"""An effect may not begin in the last moments of a lease: it must leave before another worker may take over."""

NUDGE_TASK = "crm_bridge.advance"
MAX_BACKOFF_S = 300.0

_deferrer = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


class LeaseLost(Exception):
    """Another worker may hold this item now; whatever was being done has no effect."""


@dataclass(kw_only=True)
class Lease:
    """Who is at an item. `token` is the fence; `ends` is on this process's monotonic clock."""

    item_id: int
    connection: str
    ref_kind: str
    ref_id: str
    case_id: int | None
    failures: int
    decided_at: datetime | None
    token: str
    ends: float = field(default=0.0)

    def remaining_s(self) -> float:
        return self.ends - time.monotonic()

    def alive(self) -> bool:
        """May an effect still begin under this lease? False early rather than late."""
        return time.monotonic() < self.ends - _MARGIN_S


_current: ContextVar[Lease | None] = ContextVar("current_lease", default=None)


def may_start() -> bool:
    """Asked by adapters right before an effect leaves: False once the lease of this thread's work is over."""
    lease = _current.get()
    return lease is None or lease.alive()


@contextmanager
def working(lease: Lease) -> Iterator[None]:
    """Mark this thread as working under a lease."""
    token = _current.set(lease)
    try:
        yield
    finally:
        _current.reset(token)


def nudge(connection: sa.Connection, *, after: timedelta = timedelta(0)) -> None:
    """Wake a worker when this transaction commits, or `after` that."""
    driver = connection.connection.driver_connection
    options = {"schedule_in": {"seconds": after.total_seconds()}} if after > timedelta(0) else {}
    _deferrer.configure_task(NUDGE_TASK, connection=driver, **options).defer()  # type: ignore[arg-type]


def upsert_item(connection: sa.Connection, name: str, ref_kind: str, ref_id: str, wake_in: timedelta) -> int:
    """Make a ref due no later than `wake_in` from now. Callers go through several refs in sorted order."""
    statement = sa.text(
        """
        insert into work_items (connection, ref_kind, ref_id, wake_at)
        values (:name, :kind, :id, clock_timestamp() + :wait)
        on conflict (connection, ref_kind, ref_id) do update
            set wake_at = least(coalesce(work_items.wake_at, 'infinity'), excluded.wake_at)
        returning id
        """
    )
    row = connection.execute(statement, {"name": name, "kind": ref_kind, "id": ref_id, "wait": wake_in})
    return int(row.scalar_one())


def make_due(connection: sa.Connection, case_id: int, at: datetime) -> None:
    """A decision makes its case due at `at`, whatever back-off stands; a lease is left alone."""
    connection.execute(
        sa.text(
            """
            update work_items
            set wake_at = least(coalesce(wake_at, 'infinity'), :at), decided_at = clock_timestamp(), not_before = null
            where case_id = :case and ref_kind = 'case'
            """
        ),
        {"case": case_id, "at": at},
    )


_DUE_CONNECTIONS = sa.text(
    """
    select c.name
    from connections c
    where c.enabled and c.stopped_at is null and (c.paused_until is null or c.paused_until <= clock_timestamp())
      and (select count(*) from work_items b
           where b.connection = c.name and b.lease_until > clock_timestamp()) < c.max_in_flight
      and exists (select 1 from work_items w
                  where w.connection = c.name and w.wake_at <= clock_timestamp()
                    and (w.lease_until is null or w.lease_until < clock_timestamp())
                    and (w.not_before is null or w.not_before <= clock_timestamp()))
    order by c.last_served_at, c.name
    """
)

_CLAIM = sa.text(
    """
    update work_items
    set lease_token = cast(:token as uuid), lease_until = clock_timestamp() + :lease
    where id = (
        select w.id from work_items w join connections c on c.name = w.connection
        where w.connection = :name and w.wake_at <= clock_timestamp()
          and (w.lease_until is null or w.lease_until < clock_timestamp())
          and (w.not_before is null or w.not_before <= clock_timestamp())
          and c.enabled and c.stopped_at is null and (c.paused_until is null or c.paused_until <= clock_timestamp())
          and (select count(*) from work_items b
               where b.connection = c.name and b.lease_until > clock_timestamp()) < c.max_in_flight
        order by (w.decided_at is null), w.wake_at, w.id
        limit 1
        for no key update of w skip locked)
    returning id as item_id, connection, ref_kind, ref_id, case_id, failures, decided_at
    """
)


_LOCK_CONNECTION = sa.text("select 1 from connections where name = :name for no key update")


def claim(store: Store, *, lease_s: float = LEASE_S) -> Lease | None:
    """The next due item, fairly: the connection served least recently, decided replies first, then oldest due."""
    token = str(uuid.uuid4())
    started = time.monotonic()

    def work(connection: sa.Connection) -> sa.Row[Any] | None:
        for name in connection.execute(_DUE_CONNECTIONS).scalars().all():
            # Claims of one connection go one after the other: what is in flight is counted after the lock.
            connection.execute(_LOCK_CONNECTION, {"name": name})
            values = {"name": name, "token": token, "lease": timedelta(seconds=lease_s)}
            row = connection.execute(_CLAIM, values).one_or_none()
            if row is not None:
                connection.execute(
                    sa.update(connections)
                    .where(connections.c.name == name)
                    .values(last_served_at=sa.func.clock_timestamp())
                )
                return row
        return None

    row = store.run(work)
    if row is None:
        return None
    return Lease(**row._mapping, token=token, ends=started + lease_s)


def renew(store: Store, lease: Lease, *, lease_s: float = LEASE_S) -> None:
    """Hold the item for longer. Raises `LeaseLost`."""
    started = time.monotonic()
    statement = (
        sa.update(work_items)
        .where(work_items.c.id == lease.item_id, work_items.c.lease_token == lease.token)
        .values(lease_until=sa.func.clock_timestamp() + timedelta(seconds=lease_s))
    )
    if store.run(lambda connection: connection.execute(statement).rowcount) != 1:
        raise LeaseLost
    lease.ends = started + lease_s


_HOLD = sa.select(work_items.c.lease_token).where(work_items.c.id == sa.bindparam("id")).with_for_update(key_share=True)


def hold(connection: sa.Connection, lease: Lease) -> None:
    """The fence of a commit: lock the item and check the token is still ours. Raises `LeaseLost`."""
    held = connection.execute(_HOLD, {"id": lease.item_id}).scalar_one_or_none()
    if held != lease.token:
        raise LeaseLost


def count_overrun(connection: sa.Connection, lease: Lease) -> None:
    """A turn took longer than its lease and another worker is at the item now: counted as a failure of the item's own.

    The other one does not know yet; what it gives back in the end says how it went since.
    """
    connection.execute(
        sa.update(work_items)
        .where(work_items.c.id == lease.item_id, work_items.c.lease_token.is_not(None))
        .values(failures=work_items.c.failures + 1)
    )


def release(
    connection: sa.Connection,
    lease: Lease,
    *,
    wake_at: datetime | None,
    not_before: datetime | None = None,
    decided_at: datetime | None = None,
) -> None:
    """Give a held item back after a turn that came to rest. `wake_at` None = nothing is due until something happens.

    `not_before`: new events do not wake it earlier; only a decision does. `decided_at`: what is due then is a decided
    reply, which goes first.
    """
    _give_back(connection, lease, wake_at=wake_at, decided_at=decided_at, not_before=not_before, failures=0)


def put_back(connection: sa.Connection, lease: Lease, *, wait: timedelta, failures: int) -> None:
    """Give an item back with its work undone, to be due again after `wait`. What a person decided stays first."""
    moment = sa.func.clock_timestamp() + wait
    _give_back(
        connection, lease, wake_at=moment, decided_at=work_items.c.decided_at, not_before=None, failures=failures
    )


def back_off(connection: sa.Connection, lease: Lease, *, wait: timedelta, failures: int) -> None:
    """Give a failing item back for later. However many events arrive meanwhile, it waits.

    Only a decision does not: one that came while this lease was held makes it due at once.
    """
    moment = sa.func.clock_timestamp() + wait
    decided_meanwhile = sa.and_(
        work_items.c.decided_at.is_not(None), work_items.c.decided_at.is_distinct_from(lease.decided_at)
    )
    _give_back(
        connection,
        lease,
        wake_at=sa.case((decided_meanwhile, sa.func.clock_timestamp()), else_=moment),
        decided_at=sa.case((decided_meanwhile, work_items.c.decided_at), else_=sa.null()),
        not_before=sa.case((decided_meanwhile, sa.null()), else_=moment),
        failures=failures,
    )


def _give_back(connection: sa.Connection, lease: Lease, **values: Any) -> None:
    """The caller holds the item."""
    connection.execute(
        sa.update(work_items)
        .where(work_items.c.id == lease.item_id)
        .values(lease_token=None, lease_until=None, **values)
    )


def backoff_wait(failures: int) -> timedelta:
    """2, 4, 8 … seconds, never more than five minutes."""
    return timedelta(seconds=min(MAX_BACKOFF_S, 2.0 ** min(failures, 16)))
