"""The end of every story: everything is told, done and polled, and then every open question is accounted for."""

from __future__ import annotations

from datetime import timedelta

from crm_bridge.contract import Message, Sends
from crm_bridge.core.lifecycle import IN_FLIGHT, LIVE, DraftState
from crm_bridge.core.textmatch import normalise
from crm_bridge.pipeline.observe import open_question
from crm_bridge.store import inbox
from crm_bridge.store.drafts import DraftRow
from crm_bridge.testing.stories import laws, people, post
from crm_bridge.testing.stories.laws import Known
from crm_bridge.testing.stories.play import Play, Ticket

MAX_ROUNDS = 80
A_MOMENT = timedelta(milliseconds=20)

EXPLAINED = frozenset(
    {DraftState.REFUSED, DraftState.REJECTED, DraftState.EXPIRED, DraftState.GONE, DraftState.NOT_SENT}
)
"""Outcomes that leave a question without a draft and say why."""


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
    laws.check(play)
    cases = laws.known_cases(play)
    _nothing_waits(play)
    for ticket in play.tickets:
        if ticket.alive:
            _accounted_for(play, ticket, next((case for case in cases if case.ticket is ticket), None))


def _come_to_rest(play: Play) -> None:
    """Work, and let time pass when something waits for it. Long waits are only for looking again, and bounded."""
    for _ in range(MAX_ROUNDS):
        post.deliver_all(play, quietly=True)
        play.stage.work()
        due = play.stage.next_due()
        if due is None:
            return
        if due > timedelta(0):
            play.stage.pass_time(due + A_MOMENT)
    play.require(False, "the bridge does not come to rest")


def _nothing_waits(play: Play) -> None:
    for connection, company in play.stage.companies.items():
        balance = play.stage.store.run(lambda transaction, name=connection: inbox.balance(transaction, name))
        play.require(balance.pending == 0, f"{balance.pending} events of {company.name} are still pending at the end")
        play.require(not balance.dead, f"events of {company.name} are dead: {dict(balance.dead)}")


def _accounted_for(play: Play, ticket: Ticket, case: Known | None) -> None:
    """Exactly one live draft that fits the question, or an outcome that says why there is none."""
    thread = ticket.company.crm.thread(ticket.ref)
    question = open_question(thread)
    if case is None:
        play.require(False, f"the bridge never heard of {ticket}")
        return
    live = next((draft for draft in case.drafts if draft.state in LIVE), None)
    if live is not None:
        _fits(play, ticket, thread, live)
    elif question is not None and _is_open(ticket):
        latest = case.latest
        explained = latest is not None and question.id in {latest.answers, *latest.seen} and _explains(ticket, latest)
        state = "no draft at all" if latest is None else f"{latest.state.value} ({latest.reason})"
        play.require(explained, f"the newest question of {ticket} has no live draft and nothing says why: {state}")
    _sent_is_sent(play, ticket, thread, case)
    target = ticket.company.known.adapter.capabilities.target
    if target.shows_states and case.latest is not None:
        play.require(case.shown_sequence >= case.sequence, f"what is true of {ticket} is not shown in the CRM")


def _is_open(ticket: Ticket) -> bool:
    found = ticket.company.known.adapter.read_case(ticket.ref)
    return bool(getattr(found, "open", False))


def _explains(ticket: Ticket, latest: DraftRow) -> bool:
    if latest.state in EXPLAINED:
        return True
    if latest.state is DraftState.SENT:
        return True  # a person said that it went out
    # What can never be taken away again is written once per message.
    return latest.state is DraftState.SUPERSEDED and not ticket.company.known.adapter.capabilities.target.withdrawable


def _fits(play: Play, ticket: Ticket, thread: tuple[Message, ...], live: DraftRow) -> None:
    """A draft that waits for a decision saw everything that was said, and stands where the agent looks."""
    moving = {DraftState.DRAFTING, DraftState.READY, DraftState.APPROVED, DraftState.ATTEMPTED}
    play.require(live.state not in moving, f"the draft of {ticket} is still {live.state.value} at the end")
    if live.state in IN_FLIGHT or live.state is DraftState.HANDED_OVER:
        return
    spoken = [message for message in thread if not message.automatic and message.id != live.sent_id]
    ours = {message.id for _, message in laws.our_replies(play)}
    unseen = [message.id for message in spoken if message.id not in {*live.seen, live.answers, *ours}]
    play.require(not unseen, f"the live draft of {ticket} does not know of {len(unseen)} messages")
    question = open_question(thread)
    play.require(question is not None, f"{ticket} has a live draft and nobody waits for an answer")
    standing = {normalise(text) for text in ticket.company.crm.standing(ticket.ref)}
    text = normalise(live.text or "")
    readable = ticket.company.known.adapter.capabilities.target.readable
    stands = not readable or text in standing or ticket.human is not None
    play.require(live.state is not DraftState.WRITTEN or stands, f"the draft of {ticket} does not stand in the CRM")


def _sent_is_sent(play: Play, ticket: Ticket, thread: tuple[Message, ...], case: Known) -> None:
    """What the bridge calls sent stands in the thread, unless a person said so."""
    ids = {message.id for message in thread}
    for draft in case.drafts:
        bare = draft.state is DraftState.SENT and draft.sent_id is not None
        play.require(not bare or draft.sent_id in ids, f"the bridge says that a reply of {ticket} was sent; it was not")
    if ticket.company.known.adapter.capabilities.sends is Sends.BRIDGE:
        known = {draft.sent_id for draft in case.drafts}
        settled = any(draft.state is DraftState.SENT and draft.sent_id is None for draft in case.drafts)
        lost = [
            message.id
            for owner, message in laws.our_replies(play)
            if owner is ticket and message.id not in known and not _somebodys(play, message)
        ]
        open_doubt = any(draft.state in IN_FLIGHT for draft in case.drafts)
        play.require(not lost or settled or open_doubt, f"a reply of {ticket} went out and the bridge does not know")


def _somebodys(play: Play, message: Message) -> bool:
    """A reply that came with a merged case belongs to that case's drafts."""
    return any(
        message.id == draft.sent_id for case in laws.known_cases(play) for draft in case.drafts
    )
