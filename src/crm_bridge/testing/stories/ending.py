"""The end of every story: everything is told, done and polled, and then every open question is accounted for."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from crm_bridge.contract import Message, Sends, StateKind
from crm_bridge.core.lifecycle import IN_FLIGHT, DraftState
from crm_bridge.core.textmatch import normalise
from crm_bridge.pipeline.observe import open_question
from crm_bridge.pipeline.panel import panel_view
from crm_bridge.store import inbox
from crm_bridge.testing.stories import laws, people, post
from crm_bridge.testing.stories.facts import Facts, Kept, Known
from crm_bridge.testing.stories.play import AGENTS, Play, Ticket

MAX_ROUNDS = 80
A_MOMENT = timedelta(milliseconds=20)

EXPLAINED = frozenset(
    {DraftState.REFUSED, DraftState.REJECTED, DraftState.EXPIRED, DraftState.GONE, DraftState.NOT_SENT}
)
"""Outcomes that leave a question without a draft and say why."""

_UNDER_WAY = frozenset({StateKind.DRAFTING, StateKind.SENDING, StateKind.SUPERSEDED})
_MOVING = frozenset({DraftState.DRAFTING, DraftState.READY, DraftState.APPROVED, DraftState.ATTEMPTED})


def finish(play: Play) -> None:
    """Let everything come to rest. Raises `Broken` when it does not, or when something is left."""
    play.tell("At the end everything is told and polled, and the workers work.")
    for company in play.stage.companies.values():
        company.crm.faults.clear()
    people.resume(play)
    play.stage.end_leases()
    _come_to_rest(play)
    play.stage.reconcile()
    _come_to_rest(play)
    facts = laws.check(play)
    for connection, company in play.stage.companies.items():
        balance = play.stage.store.run(partial(inbox.balance, name=connection))
        play.require(balance == facts.balances[connection], f"events of {company.name} are counted wrong: {balance}")
        play.require(balance.pending == 0, f"{balance.pending} events of {company.name} are still pending at the end")
        play.require(not balance.dead, f"events of {company.name} are dead: {dict(balance.dead)}")
    for ticket in play.tickets:
        if ticket.alive:
            _accounted_for(play, ticket, facts)


def _come_to_rest(play: Play) -> None:
    """Work, and let time pass when something waits for it: back-offs, undo windows, looking for a reply again."""
    for _ in range(MAX_ROUNDS):
        post.deliver_all(play, quietly=True)
        play.stage.work()
        due = play.stage.next_due()
        if due is None:
            return
        if due > timedelta(0):
            play.stage.pass_time(due + A_MOMENT)
    play.require(False, "the bridge does not come to rest")


def _accounted_for(play: Play, ticket: Ticket, facts: Facts) -> None:
    """Exactly one live draft that fits the question, or an outcome that says why there is none."""
    case, thread = facts.of(ticket), ticket.company.crm.thread(ticket.ref)
    question = open_question(thread)
    if case is None:
        play.require(False, f"the bridge never heard of {ticket}")
        return
    if case.live:
        _fits(play, ticket, thread, case.live[0], facts)
    elif question is not None and _is_open(ticket):
        latest = case.latest
        explained = latest is not None and question.id in {latest.answers, *latest.seen} and _explains(ticket, latest)
        state = "no draft at all" if latest is None else f"{latest.state.value} ({latest.reason})"
        play.require(explained, f"the newest question of {ticket} has no live draft and nothing says why: {state}")
    _sent_is_sent(play, ticket, thread, case, facts)
    shown = panel_view(play.stage.runtime, ticket.connection, ticket.ref.id, ticket.company.crm.agent(AGENTS[0])).state
    ended = shown.kind not in _UNDER_WAY or not _is_open(ticket)
    play.require(ended, f"agents see {shown.kind.value!r} on {ticket} at the end, and nothing comes")
    target = ticket.company.known.adapter.capabilities.target
    if target.shows_states and case.latest is not None:
        play.require(case.shown_sequence >= case.sequence, f"what is true of {ticket} is not shown in the CRM")


def _is_open(ticket: Ticket) -> bool:
    return bool(getattr(ticket.company.known.adapter.read_case(ticket.ref), "open", False))


def _explains(ticket: Ticket, latest: Kept) -> bool:
    if latest.state in EXPLAINED:
        return True
    if latest.state is DraftState.SENT:
        return latest.sent_id is None  # a person said that it went out
    # What can never be taken away again is written once per message.
    return latest.state is DraftState.SUPERSEDED and not ticket.company.known.adapter.capabilities.target.withdrawable


def _fits(play: Play, ticket: Ticket, thread: tuple[Message, ...], live: Kept, facts: Facts) -> None:
    """A draft that waits for a decision saw everything that was said, and stands where the agent looks."""
    play.require(live.state not in _MOVING, f"the draft of {ticket} is still {live.state.value} at the end")
    if live.state in IN_FLIGHT or live.state is DraftState.HANDED_OVER:
        return
    ours = {message.id for _, message in facts.replies}
    known = {*live.seen, live.answers, *ours}
    unseen = [message.id for message in thread if not message.automatic and message.id not in known]
    play.require(not unseen, f"the live draft of {ticket} does not know of {len(unseen)} messages")
    play.require(open_question(thread) is not None, f"{ticket} has a live draft and nobody waits for an answer")
    if live.state is DraftState.WRITTEN and ticket.company.known.adapter.capabilities.target.readable:
        standing = {normalise(text) for text in ticket.company.crm.standing(ticket.ref)}
        ours_or_theirs = {normalise(live.text or ""), *ticket.typed}
        stands = standing & ours_or_theirs or ticket.human is not None or ticket.removed
        play.require(stands, f"the draft of {ticket} does not stand in the CRM")


def _sent_is_sent(play: Play, ticket: Ticket, thread: tuple[Message, ...], case: Known, facts: Facts) -> None:
    """What the bridge calls sent stands in the thread, and what stands there the bridge knows of."""
    ids = {message.id for message in thread}
    for draft in case.drafts:
        absent = draft.state is DraftState.SENT and draft.sent_id is not None and draft.sent_id not in ids
        play.require(not absent, f"the bridge says that a reply of {ticket} was sent; it was not")
    if ticket.company.known.adapter.capabilities.sends is not Sends.BRIDGE:
        return
    known = {draft.sent_id for every in facts.cases for draft in every.drafts}
    lost = [message for owner, message in facts.replies if owner is ticket and message.id not in known]
    doubted = any(draft.state in IN_FLIGHT for draft in case.drafts)
    settled = any(draft.state is DraftState.SENT and draft.sent_id is None for draft in case.drafts)
    resent = any(said[2] == "send again" for said in play.counted)
    play.require(not lost or doubted or settled or resent, f"a reply of {ticket} went out and the bridge does not know")
