"""Events: stored once however often they are delivered, handled once, never disappearing.

received = done + pending + ignored + dead at any moment; `balance` counts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from crm_bridge.contract import CaseRef, Event, ForeignRef, Ref
from crm_bridge.store import queue
from crm_bridge.store.encryption import Cipher
from crm_bridge.store.tables import events


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """The unhandled events of an item, by id, and when the newest of them came."""

    ids: tuple[int, ...]
    kinds: tuple[str, ...]
    newest_at: datetime | None


def ref_key(ref: Ref) -> tuple[str, str]:
    """(kind, id) of a ref as work items name it."""
    return ("case", ref.id) if isinstance(ref, CaseRef) else (ref.kind, ref.id)


def ref_of(kind: str, identity: str) -> Ref:
    return CaseRef(id=identity) if kind == "case" else ForeignRef(kind=kind, id=identity)


def store_events(
    connection: sa.Connection, cipher: Cipher, name: str, found: Sequence[Event], wake_in: timedelta
) -> int:
    """Insert what is new and make it due. Sorted, so that shuffled redeliveries lock in one order.

    Returns how many were new. Refs are upserted first (their rows are what events point to), both in sorted order.
    """
    fresh = _unseen(connection, name, found)
    items: dict[tuple[str, str], int] = {}
    for key in sorted({ref_key(event.about) for event in fresh}):
        items[key] = queue.upsert_item(connection, name, *key, wake_in)
    new = 0
    for event in sorted(fresh, key=lambda item: item.key or ""):
        new += _insert(connection, cipher, name, event, items[ref_key(event.about)])
    return new


def _unseen(connection: sa.Connection, name: str, found: Sequence[Event]) -> list[Event]:
    """Leave out what is certainly stored already: a redelivery wakes nothing. The insert decides the rest."""
    unique = {event.key: event for event in found if event.key is not None}
    anonymous = [event for event in found if event.key is None]
    statement = sa.select(events.c.dedupe_key).where(
        events.c.connection == name, events.c.dedupe_key.in_(list(unique)) if unique else sa.false()
    )
    known = set(connection.execute(statement).scalars())
    return [event for key, event in unique.items() if key not in known] + anonymous


def _insert(connection: sa.Connection, cipher: Cipher, name: str, event: Event, item_id: int) -> int:
    statement = (
        insert(events)
        .values(
            connection=name,
            dedupe_key=event.key,
            kind=event.kind.value,
            item_id=item_id,
            occurred_at=event.occurred_at,
            raw_enc=cipher.encrypt_json(event.raw) if event.raw else None,
        )
        .on_conflict_do_nothing(index_elements=["connection", "dedupe_key"])
        .returning(events.c.id)
    )
    return int(connection.execute(statement).one_or_none() is not None)


_PENDING = (
    sa.select(events.c.id, events.c.kind, events.c.received_at)
    .where(events.c.item_id == sa.bindparam("item_id"), events.c.handled_at.is_(None))
    .order_by(events.c.id)
)


def pending(connection: sa.Connection, item_id: int) -> Pending:
    rows = connection.execute(_PENDING, {"item_id": item_id}).all()
    return Pending(
        ids=tuple(row.id for row in rows),
        kinds=tuple(row.kind for row in rows),
        newest_at=max((row.received_at for row in rows), default=None),
    )


def waiting(connection: sa.Connection, case_id: int) -> bool:
    """Whether anything about a case is still to be looked at."""
    statement = sa.text(
        """
        select exists (
            select 1 from work_items w where w.case_id = :case and w.ref_kind = 'case'
              and (w.lease_until > clock_timestamp() or w.wake_at <= clock_timestamp() + interval '1 hour'
                   or exists (select 1 from events e where e.item_id = w.id and e.handled_at is null)))
        """
    )
    return bool(connection.execute(statement, {"case": case_id}).scalar_one())


def mark(connection: sa.Connection, ids: Sequence[int], outcome: str, reason: str = "") -> None:
    """End events as done, ignored(reason) or dead(reason)."""
    if not ids:
        return
    connection.execute(
        sa.update(events)
        .where(events.c.id.in_(list(ids)), events.c.handled_at.is_(None))
        .values(outcome=outcome, reason=reason[:200], handled_at=sa.func.clock_timestamp())
    )


def move(connection: sa.Connection, from_item: int, to_item: int) -> int:
    """Hand the unhandled events of a foreign ref or a merged case to the case's own item."""
    statement = (
        sa.update(events).where(events.c.item_id == from_item, events.c.handled_at.is_(None)).values(item_id=to_item)
    )
    return connection.execute(statement).rowcount


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """Counts of one connection. It balances when nothing has disappeared."""

    connection: str
    received: int
    done: int
    pending: int
    ignored: Mapping[str, int]
    dead: Mapping[str, int]
    stranded: int
    """Pending events of an item that nothing will wake: must be 0."""

    @property
    def balances(self) -> bool:
        ended = self.done + self.pending + sum(self.ignored.values()) + sum(self.dead.values())
        return self.received == ended and self.stranded == 0


def balance(connection: sa.Connection, name: str) -> Balance:
    rows = connection.execute(
        sa.select(events.c.outcome, events.c.reason, sa.func.count())
        .where(events.c.connection == name)
        .group_by(events.c.outcome, events.c.reason)
    ).all()
    received = connection.execute(
        sa.select(sa.func.count()).select_from(events).where(events.c.connection == name)
    ).scalar_one()
    stranded = connection.execute(
        sa.text(
            """
            select count(*) from events e join work_items w on w.id = e.item_id
            where e.connection = :name and e.handled_at is null and w.wake_at is null and w.lease_until is null
            """
        ),
        {"name": name},
    ).scalar_one()
    return Balance(
        connection=name,
        received=received,
        done=_count(rows, "done"),
        pending=_count(rows, "pending"),
        ignored=_by_reason(rows, "ignored"),
        dead=_by_reason(rows, "dead"),
        stranded=stranded,
    )


def _count(rows: Sequence[Any], outcome: str) -> int:
    return sum(count for found, _reason, count in rows if found == outcome)


def _by_reason(rows: Sequence[Any], outcome: str) -> dict[str, int]:
    return {reason: count for found, reason, count in rows if found == outcome}
