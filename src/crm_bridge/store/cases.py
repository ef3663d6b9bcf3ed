"""Cases and their episodes: what is true of a case, and which arm it was measured in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from crm_bridge.contract import CaseContext, Message
from crm_bridge.store.codec import message_from, to_json
from crm_bridge.store.encryption import Cipher
from crm_bridge.store.tables import cases, episodes, work_items

REOPEN_CONTINUES = timedelta(days=7)
"""A case reopened within this time continues its episode."""

_KEPT_MESSAGES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseRow:
    """A case as stored. `sequence` grows with every visible change, `revision` with every draft or text."""

    id: int
    connection: str
    ref: str
    alias_of: int | None
    revision: int
    sequence: int
    shown_sequence: int
    open: bool | None
    observed_at: datetime | None
    gone_at: datetime | None


_COLUMNS = [cases.c[name] for name in CaseRow.__dataclass_fields__]
# What a turn asks at every step is put together once: making a statement costs more than sending it.
_FIND = sa.select(*_COLUMNS).where(cases.c.connection == sa.bindparam("name"), cases.c.ref == sa.bindparam("ref"))
_LOCK = sa.select(*_COLUMNS).where(cases.c.id == sa.bindparam("id")).with_for_update(key_share=True)
_MESSAGES = sa.select(cases.c.messages_enc).where(cases.c.id == sa.bindparam("id"))


def ensure(connection: sa.Connection, name: str, ref: str) -> CaseRow:
    """The case of a ref, made when it is new, and linked to its work item."""
    connection.execute(
        insert(cases).values(connection=name, ref=ref).on_conflict_do_nothing(index_elements=["connection", "ref"])
    )
    row = find(connection, name, ref)
    assert row is not None
    connection.execute(
        sa.update(work_items)
        .where(
            work_items.c.connection == name,
            work_items.c.ref_kind == "case",
            work_items.c.ref_id == ref,
            work_items.c.case_id.is_(None),
        )
        .values(case_id=row.id)
    )
    return row


def find(connection: sa.Connection, name: str, ref: str) -> CaseRow | None:
    row = connection.execute(_FIND, {"name": name, "ref": ref}).one_or_none()
    return None if row is None else CaseRow(**row._mapping)


def lock(connection: sa.Connection, case_id: int) -> CaseRow:
    """The row every change of a case goes through. Locked before its item, always."""
    row = connection.execute(_LOCK, {"id": case_id}).one()
    return CaseRow(**row._mapping)


def step(connection: sa.Connection, case_id: int, *, new_revision: bool) -> tuple[int, int]:
    """Count a change. Returns (revision, sequence) after it."""
    row = connection.execute(
        sa.update(cases)
        .where(cases.c.id == case_id)
        .values(revision=cases.c.revision + int(new_revision), sequence=cases.c.sequence + 1)
        .returning(cases.c.revision, cases.c.sequence)
    ).one()
    return row.revision, row.sequence


def mark_shown(connection: sa.Connection, case_id: int, sequence: int) -> None:
    connection.execute(
        sa.update(cases)
        .where(cases.c.id == case_id)
        .values(shown_sequence=sa.func.greatest(cases.c.shown_sequence, sequence))
    )


def mark_all_shown(connection: sa.Connection, case_id: int) -> None:
    """There is nowhere to show anything any more, or it is shown already."""
    connection.execute(sa.update(cases).where(cases.c.id == case_id).values(shown_sequence=cases.c.sequence))


def observe(connection: sa.Connection, cipher: Cipher, case_id: int, context: CaseContext) -> None:
    """Keep what was read: the public messages (encrypted), so that a 409 can show what is new without a CRM call."""
    kept = [to_json(message) for message in context.public_messages[-_KEPT_MESSAGES:]]
    connection.execute(
        sa.update(cases)
        .where(cases.c.id == case_id)
        .values(
            open=context.open,
            version=context.version,
            messages_enc=cipher.encrypt_json(kept),
            observed_at=context.observed_at,
            gone_at=None,
        )
    )


def versions(connection: sa.Connection, name: str, refs: Sequence[str]) -> dict[str, str]:
    """The CRM's version of each case as last read; cases never read, or gone, are left out."""
    rows = connection.execute(
        sa.select(cases.c.ref, cases.c.version).where(
            cases.c.connection == name, cases.c.ref.in_(list(refs)), cases.c.version.is_not(None)
        )
    )
    return {row.ref: row.version for row in rows}


def messages(connection: sa.Connection, cipher: Cipher, case_id: int) -> tuple[Message, ...]:
    """The public messages as last read, oldest first."""
    token = connection.execute(_MESSAGES, {"id": case_id}).scalar_one()
    return tuple(message_from(item) for item in cipher.decrypt_json(token) or ())


def mark_gone(connection: sa.Connection, case_id: int) -> None:
    connection.execute(
        sa.update(cases)
        .where(cases.c.id == case_id)
        .values(gone_at=sa.func.clock_timestamp(), messages_enc=None, version=None)
    )


def alias(connection: sa.Connection, case_id: int, survivor_id: int) -> None:
    connection.execute(sa.update(cases).where(cases.c.id == case_id).values(alias_of=survivor_id))


def aliases(connection: sa.Connection, case_id: int) -> frozenset[int]:
    """The case and every one it was merged into, one after the other."""
    found = connection.execute(
        sa.text(
            """
            with recursive chain (id, alias_of) as (
                select id, alias_of from cases where id = :id
                union select c.id, c.alias_of from cases c join chain on c.id = chain.alias_of)
            select id from chain
            """
        ),
        {"id": case_id},
    )
    return frozenset(found.scalars())


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeRow:
    id: int
    arm: str
    eligible: bool
    excluded_by: str
    opened_at: datetime
    closed_at: datetime | None


_EPISODE = [episodes.c[name] for name in EpisodeRow.__dataclass_fields__]
_CURRENT = (
    sa.select(*_EPISODE).where(episodes.c.case_id == sa.bindparam("case_id")).order_by(episodes.c.id.desc()).limit(1)
)


def current_episode(connection: sa.Connection, case_id: int) -> EpisodeRow | None:
    row = connection.execute(_CURRENT, {"case_id": case_id}).one_or_none()
    return None if row is None else EpisodeRow(**row._mapping)


def open_episode(
    connection: sa.Connection,
    *,
    name: str,
    case_id: int,
    requester_key: str,
    arm: str,
    excluded_by: str | None,
    opened_at: datetime,
) -> EpisodeRow:
    row = connection.execute(
        insert(episodes)
        .values(
            connection=name,
            case_id=case_id,
            requester_key=requester_key,
            arm=arm,
            eligible=excluded_by is None,
            excluded_by=excluded_by or "",
            opened_at=opened_at,
        )
        .returning(*_EPISODE)
    ).one()
    return EpisodeRow(**row._mapping)


def close_episode(connection: sa.Connection, episode_id: int, at: datetime) -> None:
    connection.execute(
        sa.update(episodes).where(episodes.c.id == episode_id, episodes.c.closed_at.is_(None)).values(closed_at=at)
    )


def reopen_episode(connection: sa.Connection, episode_id: int) -> None:
    connection.execute(
        sa.update(episodes).where(episodes.c.id == episode_id).values(closed_at=None, reopened=episodes.c.reopened + 1)
    )


def note_first_reply(connection: sa.Connection, episode_id: int, public: Sequence[Message]) -> None:
    """The first public reply of a person after the episode opened."""
    missing = connection.execute(
        sa.select(episodes.c.opened_at).where(episodes.c.id == episode_id, episodes.c.first_reply_at.is_(None))
    ).scalar_one_or_none()
    if missing is None:
        return
    replies = [
        item.sent_at
        for item in public
        if item.direction == "outgoing" and not item.automatic and item.sent_at >= missing
    ]
    if replies:
        connection.execute(sa.update(episodes).where(episodes.c.id == episode_id).values(first_reply_at=min(replies)))
