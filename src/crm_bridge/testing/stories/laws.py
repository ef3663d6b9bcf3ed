"""What must hold after every step of a story, whatever happened: DESIGN's invariants, looked at from outside.

Approvals, deliveries and words of people are known from the story itself, the thread from the CRM; the bridge's own
tables are only asked for what nobody else can know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from crm_bridge.contract import ApprovedReply, NoDraftReason, StateKind
from crm_bridge.core import visible
from crm_bridge.core.lifecycle import DraftState
from crm_bridge.core.textmatch import normalise
from crm_bridge.pipeline.panel import UnknownCase, panel_view
from crm_bridge.testing.stories.boundaries import WRITES
from crm_bridge.testing.stories.facts import Facts, gather
from crm_bridge.testing.stories.play import AGENTS, Play

_REASONS = frozenset(reason.value for reason in NoDraftReason)
_SENTENCES = tuple(
    {visible.words(state, reason.value).sentence for state in DraftState for reason in NoDraftReason}
    | {visible.kind_words(kind).sentence for kind in StateKind if kind is not StateKind.NO_DRAFT}
    | {"No draft: drafting is paused by Olga."}
)


def check(play: Play) -> Facts:
    """All of it. Raises `Broken` with the law that does not hold."""
    facts = gather(play)
    for law in _LAWS:
        law(play, facts)
    return facts


def _one_live_draft(play: Play, facts: Facts) -> None:
    for case in facts.cases:
        states = [draft.state.value for draft in case.live]
        play.require(len(states) <= 1, f"{case.ticket} has {len(states)} live drafts: {states}")


def _revisions_are_never_reused(play: Play, facts: Facts) -> None:
    for case in facts.cases:
        numbers = Counter(draft.revision for draft in case.drafts)
        play.require(not numbers or max(numbers.values()) == 1, f"a revision of {case.ticket} is of two drafts")
        for draft in case.drafts:
            known = play.seen_revisions.setdefault((case.case_id, draft.revision), (draft.id, draft.text))
            same = known[0] == draft.id and known[1] in {None, draft.text}
            play.require(same, f"revision {draft.revision} of {case.ticket} became another draft or another text")
            play.seen_revisions[case.case_id, draft.revision] = (draft.id, draft.text)


def _approved_text_is_kept(play: Play, facts: Facts) -> None:
    for case in facts.cases:
        for draft in case.drafts:
            lost = draft.state is DraftState.SUPERSEDED and draft.approved and not draft.working
            play.require(
                not lost, f"what was approved for {case.ticket} was superseded and is not kept as working text"
            )


def _agents_see_the_closed_list(play: Play, facts: Facts) -> None:
    """Looked at whenever what is shown may have changed. Sequences only ever grow."""
    for case in facts.cases:
        before = play.seen_sequences.get(case.case_id, -1)
        play.require(case.sequence >= before, f"the sequence of {case.ticket} went from {before} to {case.sequence}")
        play.seen_sequences[case.case_id] = case.sequence
        if case.sequence == before and not play.stopped:
            continue
        agent = case.ticket.company.crm.agent(AGENTS[0])
        try:
            state = panel_view(play.stage.runtime, case.ticket.connection, case.ticket.ref.id, agent).state
        except UnknownCase:
            continue
        listed = isinstance(state.kind, StateKind) and state.sentence.startswith(_SENTENCES) and state.action
        play.require(listed, f"an agent sees what is in no list on {case.ticket}: {state.kind} {state.sentence!r}")
        explained = state.kind is not StateKind.NO_DRAFT or state.reason in _REASONS
        play.require(explained, f"no draft on {case.ticket}, for a reason that is in no list: {state.reason!r}")


def _decisions_precede_replies(play: Play, facts: Facts) -> None:
    """At most as many replies as recorded decisions of named persons, and as recorded attempts."""
    sent, decided = len(facts.replies), facts.approving - facts.undone
    play.require(not facts.nameless, "a decision names nobody")
    play.require(sent <= decided, f"{sent} replies went out, and only {decided} decisions stand")
    play.require(sent <= facts.attempts, f"{sent} replies went out, and only {facts.attempts} attempts are recorded")


def _nothing_is_sent_beyond_approvals(play: Play, facts: Facts) -> None:
    said = Counter(normalise(message.text) for _, message in facts.replies)
    for text, times in said.items():
        allowed = play.approved[text]
        play.require(times <= allowed, f"{text!r} went out {times} times, and was approved {allowed} times")


def _human_text_stands(play: Play, _facts: Facts) -> None:
    for ticket in play.tickets:
        if ticket.human is not None and ticket.alive:
            standing = ticket.company.crm.standing(ticket.ref)
            kept = not standing or normalise(ticket.human) in {normalise(text) for text in standing}
            play.require(kept, f"what a person wrote into the draft of {ticket} was overwritten")


def _nothing_disappears(play: Play, facts: Facts) -> None:
    for connection, company in play.stage.companies.items():
        balance = facts.balances[connection]
        play.require(balance.balances, f"events of {company.name} do not add up: {balance}")
        told = [key for key in facts.keys[connection] if key is None or not key.startswith("poll:")]
        keys, acknowledged = {key for key in told if key is not None}, play.stored[connection]
        missing, invented = acknowledged - keys, keys - acknowledged
        play.require(not missing, f"{len(missing)} events of {company.name} were acknowledged and are not stored")
        play.require(not invented, f"{len(invented)} events of {company.name} are stored that nobody told")
        keyless = told.count(None)
        play.require(
            keyless <= play.keyless[connection],
            f"{keyless} events of {company.name} without a key are stored, {play.keyless[connection]} were told",
        )


def _connections_are_apart(play: Play, facts: Facts) -> None:
    play.require(not facts.mixed, f"rows of two connections or cases are mixed: {facts.mixed}")


_LAWS: tuple[Callable[[Play, Facts], None], ...] = (
    _one_live_draft,
    _revisions_are_never_reused,
    _approved_text_is_kept,
    _nothing_is_sent_beyond_approvals,
    _decisions_precede_replies,
    _human_text_stands,
    _nothing_disappears,
    _connections_are_apart,
    _agents_see_the_closed_list,
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
        "select d.connection, c.ref, a.key is not null as attempted,"
        " exists (select 1 from decisions s where s.case_id = d.case_id) as decided"
        " from drafts d join cases c on c.id = d.case_id left join attempts a on a.draft_id = d.id and a.key = :key"
        " where d.id = :draft",
        key=key, draft=reply.draft_id,
    )  # fmt: skip
    play.require(rows, "a reply left for a draft that is not stored")
    row = rows[0]
    play.require(row.attempted, "a reply left without a recorded attempt")
    play.require(row.decided and reply.approver.name, "a reply left without a recorded decision")
    play.require((row.connection, row.ref) == (connection, reply.case.id), "a reply left for another case")
