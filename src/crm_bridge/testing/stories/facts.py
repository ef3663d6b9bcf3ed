"""What the bridge's tables say of a story, read at one moment in one transaction. It judges nothing."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from crm_bridge.contract import Message
from crm_bridge.core.lifecycle import LIVE, DraftState
from crm_bridge.store.encryption import Cipher
from crm_bridge.store.inbox import Balance
from crm_bridge.testing.stories.play import Play, Ticket

_TEXTS = ("text", "approved", "working")
_PLAIN = ("id", "connection", "case_id", "revision", "state", "reason", "answers", "seen", "sent_id")

_ALL = sa.text(
    """
    with mine as materialized (
        select id, connection, ref, revision, sequence, shown_sequence from cases
        where connection = any(:names) and ref = any(:refs)
    ), kept as materialized (
        select d.* from drafts d join mine c on c.id = d.case_id
    ), said as materialized (
        select s.* from decisions s join mine c on c.id = s.case_id
    ), told as materialized (
        select id, connection, item_id, dedupe_key, outcome, reason, handled_at from events
        where connection = any(:names)
    ), mixed as (
        select d.id from kept d join mine c on c.id = d.case_id left join decisions s on s.draft_id = d.id
        where d.connection <> c.connection or s.connection <> c.connection or s.case_id <> d.case_id
        union all
        select e.id::text from events e join work_items w on w.id = e.item_id
        where e.id > :first and e.connection <> w.connection
        union all
        select c.ref from cases c where c.connection = any(:names) and c.id > :known and not c.ref = any(:refs)
    )
    select
        (select json_agg(mine) from mine) as cases,
        (select json_agg(json_build_object(
            'id', id, 'connection', connection, 'case_id', case_id, 'revision', revision, 'state', state,
            'reason', reason, 'answers', answers, 'seen', seen, 'sent_id', sent_id,
            'text', encode(text_enc, 'base64'), 'approved', encode(approved_enc, 'base64'),
            'working', encode(working_enc, 'base64'))) from kept) as drafts,
        (select count(*) from said where kind in ('accept', 'edit', 'settle_resend')) as approving,
        (select count(*) from said where kind = 'undo') as undone,
        (select count(*) from said where agent_name = '' or agent_id = '') as nameless,
        (select count(*) from attempts a join kept d on d.id = a.draft_id) as attempts,
        (select json_agg(json_build_array(connection, dedupe_key)) from told where id > :first) as keys,
        (select json_agg(json_build_array(connection, outcome, reason, number)) from (
            select connection, outcome, reason, count(*) as number from told group by 1, 2, 3) as ended) as ended,
        (select json_object_agg(connection, number) from (
            select e.connection, count(*) as number from told e join work_items w on w.id = e.item_id
            where e.handled_at is null and w.wake_at is null and w.lease_until is null group by 1) as left_over
        ) as stranded,
        (select json_agg(id) from mixed) as mixed
    """
)
"""One round trip: it is asked after every step of every story."""


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
    stage = play.stage
    refs = [ticket.ref.id for ticket in play.tickets]
    by_ref = {(ticket.connection, ticket.ref.id): ticket for ticket in play.tickets}
    values = {"names": stage.names, "refs": refs, "first": play.first_event, "known": play.first_case}
    row = stage.store.run(lambda transaction: transaction.execute(_ALL, values).one())
    kept = [_draft(found, stage.store.cipher, play.decrypted) for found in row.drafts or ()]
    keys: dict[str, list[str | None]] = {name: [] for name in stage.names}
    for name, key in row.keys or ():
        keys[name].append(key)
    return Facts(
        cases=tuple(
            Known(
                ticket=by_ref[case["connection"], case["ref"]],
                case_id=case["id"],
                sequence=case["sequence"],
                shown_sequence=case["shown_sequence"],
                drafts=tuple(draft for draft in kept if draft.case_id == case["id"]),
            )
            for case in row.cases or ()
        ),
        replies=tuple(our_replies(play)),
        approving=row.approving,
        undone=row.undone,
        nameless=row.nameless,
        attempts=row.attempts,
        keys={name: tuple(found) for name, found in keys.items()},
        balances={name: _balance(name, row.ended or (), row.stranded or {}) for name in stage.names},
        mixed=tuple(row.mixed or ()),
    )


def our_replies(play: Play) -> list[tuple[Ticket, Message]]:
    """By the CRMs' own word: outgoing public messages no person of the story wrote."""
    return [
        (ticket, message)
        for ticket in play.tickets
        if ticket.alive
        for message in ticket.company.crm.thread(ticket.ref)
        if message.direction == "outgoing" and message.id not in play.written
    ]


def _draft(found: Mapping[str, Any], cipher: Cipher, decrypted: dict[str, str]) -> Kept:
    values = {name: found[name] for name in _PLAIN}
    for name in _TEXTS:
        token = found[name]
        if token is not None and token not in decrypted:
            decrypted[token] = cipher.decrypt(b64decode(token))
        values[name] = None if token is None else decrypted[token]
    return Kept(**{**values, "state": DraftState(found["state"]), "seen": tuple(found["seen"])})


def _balance(
    name: str, ended: Sequence[tuple[str, str | None, str | None, int]], stranded: Mapping[str, int]
) -> Balance:
    """As `inbox.balance` counts, which is asked at the end of a story."""
    mine = [(outcome, reason or "", number) for connection, outcome, reason, number in ended if connection == name]

    def count(outcome: str) -> int:
        return sum(number for found, _, number in mine if found == outcome)

    def reasons(outcome: str) -> dict[str, int]:
        return {reason: number for found, reason, number in mine if found == outcome}

    return Balance(
        connection=name,
        received=sum(number for _, _, number in mine),
        done=count("done"),
        pending=count("pending"),
        ignored=reasons("ignored"),
        dead=reasons("dead"),
        stranded=stranded.get(name, 0),
    )
