"""What the bridge's tables say of a story, read at one moment in one transaction. It judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from crm_bridge.contract import Message
from crm_bridge.core.lifecycle import LIVE, DraftState
from crm_bridge.store import inbox
from crm_bridge.store.encryption import Cipher
from crm_bridge.store.inbox import Balance
from crm_bridge.store.tables import drafts as drafts_table
from crm_bridge.testing.stories.play import Play, Ticket

_TEXTS = ("text", "approved", "working")
_PLAIN = ("id", "connection", "case_id", "revision", "state", "reason", "answers", "seen", "sent_id")

_CASES = sa.text(
    "select id, connection, ref, revision, sequence, shown_sequence from cases"
    " where connection = any(:names) and ref = any(:refs)"
)
_DECIDED = sa.text(
    "select count(*) filter (where kind in ('accept', 'edit', 'settle_resend')) as approving,"
    " count(*) filter (where kind = 'undo') as undone,"
    " count(*) filter (where agent_name = '' or agent_id = '') as nameless,"
    " (select count(*) from attempts a join drafts d on d.id = a.draft_id where d.case_id = any(:ids)) as attempts"
    " from decisions where case_id = any(:ids)"
)
_EVENTS = sa.text("select connection, dedupe_key from events where connection = any(:names) and id > :first")
_MIXED = sa.text(
    "select d.id from drafts d join cases c on c.id = d.case_id left join decisions s on s.draft_id = d.id"
    " where c.id = any(:ids) and (d.connection <> c.connection or s.connection <> c.connection"
    " or s.case_id <> d.case_id)"
    " union all select e.id::text from events e join work_items w on w.id = e.item_id"
    " where e.id > :first and e.connection <> w.connection"
    " union all select c.ref from cases c where c.connection = any(:names) and c.id > :known and not c.ref = any(:refs)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A draft as kept, its texts readable."""

    id: str
    connection: str
    case_id: int
    revision: int
    state: DraftState
    reason: str
    answers: str
    seen: tuple[str, ...]
    sent_id: str | None
    text: str | None
    approved: str | None
    working: str | None


@dataclass(frozen=True, kw_only=True)
class Known:
    """A case of the story the bridge knows of."""

    ticket: Ticket
    case_id: int
    sequence: int
    shown_sequence: int
    drafts: tuple[Kept, ...]

    @property
    def live(self) -> tuple[Kept, ...]:
        return tuple(draft for draft in self.drafts if draft.state in LIVE)

    @property
    def latest(self) -> Kept | None:
        return max(self.drafts, key=lambda draft: draft.revision, default=None)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """`keys`: of the events stored since the story began, by connection, None for those without one.

    `replies`: what stands in the threads and was sent by no person of the story themselves. `mixed`: rows that belong
    to two connections or cases, or to a case nobody opened.
    """

    cases: tuple[Known, ...]
    replies: tuple[tuple[Ticket, Message], ...]
    approving: int
    undone: int
    nameless: int
    attempts: int
    keys: Mapping[str, tuple[str | None, ...]]
    balances: Mapping[str, Balance]
    mixed: tuple[str, ...]

    def of(self, ticket: Ticket) -> Known | None:
        return next((case for case in self.cases if case.ticket is ticket), None)


def gather(play: Play) -> Facts:
    """Everything the laws ask for."""
    refs = [ticket.ref.id for ticket in play.tickets]
    by_ref = {(ticket.connection, ticket.ref.id): ticket for ticket in play.tickets}
    cipher = play.stage.store.cipher

    def work(transaction: sa.Connection) -> Facts:
        names = {"names": play.stage.names, "refs": refs, "first": play.first_event}
        rows = transaction.execute(_CASES, names).all()
        ids = [row.id for row in rows]
        kept = _drafts(transaction, cipher, play.decrypted, ids)
        decided = transaction.execute(_DECIDED, {"ids": ids}).one()
        mixed = transaction.execute(_MIXED, {**names, "ids": ids, "known": play.first_case}).scalars()
        keys: dict[str, list[str | None]] = {name: [] for name in play.stage.names}
        for name, key in transaction.execute(_EVENTS, names):
            keys[name].append(key)
        return Facts(
            cases=tuple(
                Known(
                    ticket=by_ref[row.connection, row.ref],
                    case_id=row.id,
                    sequence=row.sequence,
                    shown_sequence=row.shown_sequence,
                    drafts=tuple(draft for draft in kept if draft.case_id == row.id),
                )
                for row in rows
            ),
            replies=tuple(our_replies(play)),
            approving=decided.approving,
            undone=decided.undone,
            nameless=decided.nameless,
            attempts=decided.attempts,
            keys={name: tuple(found) for name, found in keys.items()},
            balances={name: inbox.balance(transaction, name) for name in play.stage.names},
            mixed=tuple(mixed.all()),
        )

    return play.stage.store.run(work)


def our_replies(play: Play) -> list[tuple[Ticket, Message]]:
    """By the CRMs' own word: outgoing public messages no person of the story wrote."""
    return [
        (ticket, message)
        for ticket in play.tickets
        if ticket.alive
        for message in ticket.company.crm.thread(ticket.ref)
        if message.direction == "outgoing" and message.id not in play.written
    ]


def _drafts(
    transaction: sa.Connection, cipher: Cipher, decrypted: dict[bytes, str], ids: list[int]
) -> tuple[Kept, ...]:
    columns = [drafts_table.c[name] for name in (*_PLAIN, *(f"{name}_enc" for name in _TEXTS))]
    found = []
    for row in transaction.execute(sa.select(*columns).where(drafts_table.c.case_id.in_(ids))):
        values = {name: getattr(row, name) for name in _PLAIN}
        for name in _TEXTS:
            token = getattr(row, f"{name}_enc")
            if token is not None and token not in decrypted:
                decrypted[token] = cipher.decrypt(token)
            values[name] = None if token is None else decrypted[token]
        found.append(Kept(**{**values, "state": DraftState(row.state), "seen": tuple(row.seen)}))
    return tuple(found)
