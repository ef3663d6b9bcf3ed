"""What must hold after every step of a story, whatever happened: DESIGN's invariants, looked at from outside.

Approvals, deliveries and words of people are known from the story itself, the thread from the CRM; the bridge's own
tables are only asked for what nobody else can know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crm_bridge.contract import ApprovedReply, Message, NoDraftReason, StateKind
from crm_bridge.core import visible
from crm_bridge.core.lifecycle import LIVE, DraftState
from crm_bridge.core.textmatch import normalise
from crm_bridge.pipeline.panel import UnknownCase, panel_view
from crm_bridge.store import drafts, inbox
from crm_bridge.store.drafts import DraftRow
from crm_bridge.testing.stories.boundaries import WRITES
from crm_bridge.testing.stories.play import AGENTS, Play, Ticket

_APPROVING = ("accept", "edit", "settle_resend")
_SENTENCES = tuple(
    {visible.words(state, reason.value).sentence for state in DraftState for reason in NoDraftReason}
    | {visible.kind_words(kind).sentence for kind in StateKind if kind is not StateKind.NO_DRAFT}
    | {"No draft: drafting is paused by Olga."}
)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the bridge's tables hold of one case of the story. `sequence` and `revision` only ever grow."""

    ticket: Ticket
    case_id: int
    revision: int
    sequence: int
    shown_sequence: int
    drafts: tuple[DraftRow, ...]

    @property
    def latest(self) -> DraftRow | None:
        return max(self.drafts, key=lambda draft: draft.revision, default=None)


def known_cases(play: Play) -> list[Known]:
    """The cases of the story the bridge knows of, with all their drafts."""
    return [found for ticket in play.tickets if (found := _known(play, ticket)) is not None]


def _known(play: Play, ticket: Ticket) -> Known | None:
    statement = (
        "select c.id, c.revision, c.sequence, c.shown_sequence, array_remove(array_agg(d.id), null) as drafts"
        " from cases c left join drafts d on d.case_id = c.id where c.connection = :name and c.ref = :ref group by c.id"
    )
    rows = play.stage.ask(statement, name=ticket.connection, ref=ticket.ref.id)
    if not rows:
        return None
    row, cipher = rows[0], play.stage.store.cipher
    found = play.stage.store.run(lambda transaction: [drafts.get(transaction, cipher, one) for one in row.drafts])
    return Known(
        ticket=ticket,
        case_id=row.id,
        revision=row.revision,
        sequence=row.sequence,
        shown_sequence=row.shown_sequence,
        drafts=tuple(draft for draft in found if draft is not None),
    )


def our_replies(play: Play) -> list[tuple[Ticket, Message]]:
    """What stands in the threads for the customers to see and was sent by no person of the story themselves."""
    found = []
    for ticket in play.tickets:
        if ticket.alive:
            thread = ticket.company.crm.thread(ticket.ref)
            found += [
                (ticket, message)
                for message in thread
                if message.direction == "outgoing" and message.id not in play.written
            ]
    return found


# --- after every step ---------------------------------------------------------------------------------------------


def check(play: Play) -> None:
    """All of it. Raises `Broken` with the law that does not hold."""
    cases = known_cases(play)
    for law in _OF_CASES:
        law(play, cases)
    for general in _GENERAL:
        general(play)


def _one_live_draft(play: Play, cases: list[Known]) -> None:
    for case in cases:
        live = [draft.state.value for draft in case.drafts if draft.state in LIVE]
        play.require(len(live) <= 1, f"{case.ticket} has {len(live)} live drafts: {live}")


def _revisions_are_never_reused(play: Play, cases: list[Known]) -> None:
    for case in cases:
        before = play.seen_sequences.get(case.case_id, 0)
        play.require(case.sequence >= before, f"the sequence of {case.ticket} went from {before} to {case.sequence}")
        play.seen_sequences[case.case_id] = case.sequence
        numbers = Counter(draft.revision for draft in case.drafts)
        play.require(not numbers or max(numbers.values()) == 1, f"a revision of {case.ticket} is of two drafts")
        for draft in case.drafts:
            known = play.seen_revisions.setdefault((case.case_id, draft.revision), (draft.id, draft.text))
            same = known[0] == draft.id and known[1] in {None, draft.text}
            play.require(same, f"revision {draft.revision} of {case.ticket} became another draft or another text")
            play.seen_revisions[case.case_id, draft.revision] = (draft.id, draft.text)


def _approved_text_is_kept(play: Play, cases: list[Known]) -> None:
    for case in cases:
        for draft in case.drafts:
            lost = draft.state is DraftState.SUPERSEDED and draft.approved_text and not draft.working_text
            play.require(not lost, f"what was approved for {case.ticket} was superseded and is not kept as working text")


def _agents_see_the_closed_list(play: Play, cases: list[Known]) -> None:
    reasons = {reason.value for reason in NoDraftReason}
    for case in cases:
        try:
            view = panel_view(
                play.stage.runtime,
                case.ticket.connection,
                case.ticket.ref.id,
                case.ticket.company.crm.agent(AGENTS[0]),
            )
        except UnknownCase:
            continue
        state = view.state
        listed = isinstance(state.kind, StateKind) and state.sentence.startswith(_SENTENCES) and state.action
        play.require(listed, f"an agent sees what is in no list on {case.ticket}: {state.kind} {state.sentence!r}")
        explained = state.kind is not StateKind.NO_DRAFT or state.reason in reasons
        play.require(explained, f"no draft on {case.ticket}, for a reason that is in no list: {state.reason!r}")


def _decisions_precede_replies(play: Play, cases: list[Known]) -> None:
    """At most as many replies as decisions of named persons the bridge has recorded, and as attempts."""
    ids = [case.case_id for case in cases]
    rows = play.stage.ask(
        "select count(*) filter (where kind = any(:approving)) - count(*) filter (where kind = 'undo') as approvals,"
        " count(*) filter (where agent_name = '' or agent_id = '') as nameless from decisions where case_id = any(:ids)",
        ids=ids, approving=list(_APPROVING),
    )  # fmt: skip
    attempts = play.stage.ask(
        "select count(*) from attempts a join drafts d on d.id = a.draft_id where d.case_id = any(:ids)", ids=ids
    )[0][0]
    replies = our_replies(play)
    play.require(not rows[0].nameless, "a decision names nobody")
    enough = len(replies) <= rows[0].approvals
    play.require(enough, f"{len(replies)} replies went out, and only {rows[0].approvals} decisions stand")
    play.require(len(replies) <= attempts, f"{len(replies)} replies went out, and only {attempts} attempts are recorded")


def _connections_are_apart(play: Play, cases: list[Known]) -> None:
    ids = [case.case_id for case in cases]
    mixed = play.stage.ask(
        "select d.id from drafts d join cases c on c.id = d.case_id left join decisions s on s.draft_id = d.id"
        " where c.id = any(:ids) and (d.connection <> c.connection or s.connection <> c.connection"
        " or s.case_id <> d.case_id)"
        " union all select e.id::text from events e join work_items w on w.id = e.item_id"
        " where e.id > :first and e.connection <> w.connection",
        ids=ids, first=play.first_event,
    )  # fmt: skip
    play.require(not mixed, f"rows of two connections or cases are mixed: {[row[0] for row in mixed]}")
    strangers = play.stage.ask(
        "select c.ref from cases c where c.connection = any(:names) and c.id > :known and not c.ref = any(:refs)",
        known=min(ids, default=0), refs=[ticket.ref.id for ticket in play.tickets],
    ) if ids else []  # fmt: skip
    play.require(not strangers, "the bridge knows a case nobody opened")


def _nothing_is_sent_beyond_approvals(play: Play) -> None:
    replies = our_replies(play)
    said = Counter(normalise(message.text) for _, message in replies)
    for text, times in said.items():
        allowed = play.approved[text]
        play.require(times <= allowed, f"{text!r} went out {times} times, and was approved {allowed} times")


def _human_text_stands(play: Play) -> None:
    for ticket in play.tickets:
        if ticket.human is not None and ticket.alive:
            standing = ticket.company.crm.standing(ticket.ref)
            kept = not standing or normalise(ticket.human) in {normalise(text) for text in standing}
            play.require(kept, f"what a person wrote into the draft of {ticket} was overwritten")


def _nothing_disappears(play: Play) -> None:
    for connection, company in play.stage.companies.items():
        balance = play.stage.store.run(lambda transaction, name=connection: inbox.balance(transaction, name))
        play.require(balance.balances, f"events of {company.name} do not add up: {balance}")
        rows = play.stage.ask(
            "select dedupe_key from events where connection = :name and id > :first"
            " and (dedupe_key is null or dedupe_key not like 'poll:%')",
            name=connection, first=play.first_event,
        )  # fmt: skip
        keys = {row[0] for row in rows} - {None}
        missing, invented = play.stored[connection] - keys, keys - play.stored[connection]
        play.require(not missing, f"{len(missing)} events of {company.name} were acknowledged and are not stored")
        play.require(not invented, f"{len(invented)} events of {company.name} are stored that nobody told")
        keyless = sum(row[0] is None for row in rows)
        told = play.keyless[connection]
        play.require(keyless <= told, f"{keyless} events without a key are stored, {told} were told")


_OF_CASES: tuple[Callable[[Play, list[Known]], None], ...] = (
    _one_live_draft,
    _revisions_are_never_reused,
    _approved_text_is_kept,
    _decisions_precede_replies,
    _connections_are_apart,
    _agents_see_the_closed_list,
)
_GENERAL: tuple[Callable[[Play], None], ...] = (
    _nothing_is_sent_beyond_approvals,
    _human_text_stands,
    _nothing_disappears,
)


# --- right before a call leaves -----------------------------------------------------------------------------------


def check_call(play: Play, connection: str, name: str, arguments: tuple[object, ...]) -> None:
    """A reply leaves with its attempt and its decision recorded; nothing is written while a person has stopped us."""
    stopped = connection in play.stopped and name in WRITES
    play.require(not stopped, f"{name} left although a person had stopped the connection")
    if name == "send_reply":
        reply, key = arguments[0], arguments[1]
        assert isinstance(reply, ApprovedReply)
        _check_reply(play, connection, reply, str(key))


def _check_reply(play: Play, connection: str, reply: ApprovedReply, key: str) -> None:
    rows = play.stage.ask(
        "select d.connection, c.ref, a.key is not null as attempted, exists (select 1 from decisions s"
        " where s.draft_id = d.id or s.case_id = d.case_id) as decided"
        " from drafts d join cases c on c.id = d.case_id left join attempts a on a.draft_id = d.id and a.key = :key"
        " where d.id = :draft",
        key=key, draft=reply.draft_id,
    )  # fmt: skip
    play.require(rows, "a reply left for a draft that is not stored")
    row: Mapping[str, object] = rows[0]._mapping
    play.require(row["attempted"], "a reply left without a recorded attempt")
    play.require(row["decided"] and reply.approver.name, "a reply left without a recorded decision")
    play.require((row["connection"], row["ref"]) == (connection, reply.case.id), "a reply left for another case")
