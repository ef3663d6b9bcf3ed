"""What customers and agents do in a story, in the CRM and at the bridge's panel, and that what they see can be done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from crm_bridge.contract import Decider, DecisionKind, NoDraftReason, StateKind
from crm_bridge.core.lifecycle import DraftState
from crm_bridge.core.textmatch import normalise
from crm_bridge.pipeline.decide import (
    DecisionConflict,
    DecisionRequest,
    FlagsNotAcknowledged,
    InvalidDecision,
    UnknownDraft,
    decide,
    settle,
    undo,
)
from crm_bridge.pipeline.panel import PanelView, UnknownCase, panel_view
from crm_bridge.store import connections
from crm_bridge.testing.stories.play import CUSTOMERS, MARKS, Play, Ticket

MAX_CASES = 3
REFUSALS = (DecisionConflict, FlagsNotAcknowledged, InvalidDecision, UnknownDraft, UnknownCase)

_AFTER = {
    DecisionKind.ACCEPT: {StateKind.SENDING, StateKind.HANDED_OVER},
    DecisionKind.EDIT: {StateKind.SENDING, StateKind.HANDED_OVER},
    DecisionKind.REJECT: {StateKind.REJECTED},
    DecisionKind.RESPOND: {StateKind.DRAFTING},
}

# --- customers ----------------------------------------------------------------------------------------------------


def open_case(play: Play, company: int) -> None:
    number = len(play.tickets)
    if number >= MAX_CASES:
        return
    connection = play.stage.names[company % len(play.stage.names)]
    where = play.stage.companies[connection]
    customer, mark = CUSTOMERS[number], MARKS[number]
    play.tell(f"{customer} opens case {number + 1} at {where.name}.")
    address = f"{customer.lower()}{play.stage.stories}@example.org"
    ref = where.crm.open_case(f"About my {mark}", f"How do I repair my {mark}?", customer=address)
    play.tickets.append(
        Ticket(number=number + 1, connection=connection, company=where, ref=ref, customer=customer, mark=mark)
    )


def customer_writes(play: Play, ticket: Ticket, *, automatic: bool = False) -> None:
    kind = "is away: an automatic reply comes from" if automatic else "writes more on"
    play.tell(f"{ticket.customer} {kind} {ticket}.")
    text = "I am out of office." if automatic else "What else can I do?"
    ticket.company.crm.customer_writes(
        ticket.ref, f"My {ticket.mark} again. {text} ({play.another()})", automatic=automatic
    )


# --- agents, without us -------------------------------------------------------------------------------------------


def answer_natively(play: Play, ticket: Ticket, agent: str, *, with_our_text: bool) -> None:
    """A reply by the CRM's own means: the agent's words, or the text that stands there."""
    standing = ticket.company.crm.standing(ticket.ref)
    text = standing[-1] if with_our_text and standing else f"I called you about it, as agreed ({play.another()})."
    which = "our text" if with_our_text and standing else "their own words"
    play.tell(f"{agent} answers {ticket} past the bridge, with {which}.")
    play.written.add(ticket.company.crm.agent_writes(ticket.ref, text, agent=agent))


def note(play: Play, ticket: Ticket, agent: str) -> None:
    play.tell(f"{agent} leaves a note on {ticket}.")
    ticket.company.crm.agent_writes(ticket.ref, f"Seen ({play.another()}).", agent=agent, public=False)


def edit_in_place(play: Play, ticket: Ticket, agent: str) -> None:
    if _decided_there(ticket):
        return  # a record keeps no text of its decision: what is typed afterwards cannot be told from what was decided
    text = f"Dear customer, I type this into the draft itself ({play.another()})."
    if ticket.company.crm.edit_in_place(ticket.ref, text, agent):
        play.tell(f"{agent} writes over the draft of {ticket} in the CRM.")
        ticket.human = text if ticket.company.crm.standing(ticket.ref) else None
        ticket.typed.add(normalise(text))


def remove_draft(play: Play, ticket: Ticket) -> None:
    if not _decided_there(ticket) and ticket.company.crm.remove_draft(ticket.ref):
        play.tell(f"Somebody removes the draft of {ticket} in the CRM.")
        ticket.human, ticket.removed = None, True


def _decided_there(ticket: Ticket) -> bool:
    """Whether somebody decided in the CRM on what was written last."""
    if ticket.decided is None:
        return False
    return all(text == ticket.decided for text in ticket.company.crm.standing(ticket.ref))


def send_natively(play: Play, ticket: Ticket, agent: str, *, edited: bool) -> None:
    text = f"Hello, in other words: look at the manual ({play.another()})." if edited else None
    sent = ticket.company.crm.send_natively(ticket.ref, agent, text)
    if sent is not None:
        play.tell(f"{agent} sends the mail draft of {ticket}{', rewritten' if edited else ''}.")
        play.written.add(sent)


def close(play: Play, ticket: Ticket) -> None:
    play.tell(f"An agent closes {ticket}.")
    ticket.company.crm.close(ticket.ref)


def reopen(play: Play, ticket: Ticket) -> None:
    play.tell(f"An agent reopens {ticket}.")
    ticket.company.crm.reopen(ticket.ref)


def merge(play: Play, ticket: Ticket) -> None:
    """Into another case of the same CRM."""
    others = [other for other in play.tickets if other.alive and other.connection == ticket.connection]
    into = next((other for other in others if other is not ticket), None)
    if into is not None and ticket.company.crm.merge(ticket.ref, into.ref):
        play.tell(f"An agent merges {ticket} into {into}.")
        ticket.merged_into, ticket.human = into, None


def delete(play: Play, ticket: Ticket) -> None:
    if ticket.company.known.adapter.capabilities.deletions and ticket.company.crm.delete(ticket.ref):
        play.tell(f"An admin deletes {ticket}.")
        ticket.deleted, ticket.human = True, None


# --- agents, with us ----------------------------------------------------------------------------------------------


def look(play: Play, ticket: Ticket, agent: str) -> PanelView | None:
    """What the panel shows this agent now; they remember it."""
    try:
        view = panel_view(play.stage.runtime, ticket.connection, ticket.ref.id, ticket.company.crm.agent(agent))
    except UnknownCase:
        return None
    play.memories[agent, ticket.number] = view
    return view


def decide_on(play: Play, ticket: Ticket, agent: str, kind: str, *, from_memory: bool, newest: bool = False) -> None:
    """A decision on what the agent sees now, or on what they saw when they looked last.

    `newest`: an edit names the newest message its author saw, as a panel does that kept what was typed.
    """
    remembered = play.memories.get((agent, ticket.number)) if from_memory else None
    view = remembered or look(play, ticket, agent)
    if view is None or view.draft is None:
        return
    wanted = DecisionKind(kind)
    text = f"I have looked at your {ticket.mark} myself ({play.another()})." if wanted is DecisionKind.EDIT else None
    when = "as they saw it before" if remembered else "as they see it"
    play.tell(f"{agent} says {kind!r} to revision {view.draft.revision} of {ticket}, {when}.")
    deciders = ticket.company.known.adapter.capabilities.target.decides
    if Decider.CRM in deciders:
        _decide_in_crm(play, ticket, agent, wanted, view, text)
    elif Decider.BRIDGE in deciders:
        answers = (view.new_messages[-1].id if view.new_messages else view.draft.answers) if newest else None
        _decide_here(play, ticket, agent, wanted, view, text, answers if text else None, surely=not remembered)


def _decide_in_crm(
    play: Play, ticket: Ticket, agent: str, kind: DecisionKind, view: PanelView, text: str | None
) -> None:
    assert view.draft is not None
    standing = ticket.company.crm.standing(ticket.ref)
    revision = view.draft.revision
    if not ticket.company.crm.decide(ticket.ref, kind.value, agent, revision=revision, text=text, reason="other"):
        play.tell("The CRM refuses.")
        return
    ticket.human, ticket.decided = None, standing[-1] if standing else ""
    if kind in {DecisionKind.ACCEPT, DecisionKind.EDIT}:
        approved = text or (standing[-1] if standing else view.draft.text or "")
        said = (view.draft.id, str(revision), kind.value, agent, text or "")
        play.approve(ticket, said, view.draft.id, approved)


def _decide_here(
    play: Play,
    ticket: Ticket,
    agent: str,
    kind: DecisionKind,
    view: PanelView,
    text: str | None,
    answers: str | None,
    *,
    surely: bool,
) -> None:
    draft = view.draft
    assert draft is not None
    request = DecisionRequest(kind=kind, revision=draft.revision, text=text, answers=answers, reason="other")
    decidable = draft.state in {DraftState.WRITTEN, DraftState.FAILED} and not play.depth
    try:
        after = decide(play.stage.runtime, ticket.connection, draft.id, request, ticket.company.crm.agent(agent))
    except REFUSALS as refusal:
        play.tell(f"The bridge refuses: {type(refusal).__name__}.")
        play.require(not (surely and decidable), f"what the agent saw a moment ago could not be decided: {refusal}")
        return
    said = (draft.id, str(draft.revision), kind.value, agent, text or "")
    # An accept means what stands there: over a person's words it approves nothing, and they stay.
    over_words = kind is DecisionKind.ACCEPT and ticket.human is not None
    if kind in {DecisionKind.ACCEPT, DecisionKind.EDIT} and not over_words:
        assert after.draft is not None
        about = after.draft.id if answers else draft.id
        play.approve(ticket, (about, *said[1:]), about, text or draft.text or "")
    # Another draft begins, and agents see that the connection was stopped.
    stopped = kind is DecisionKind.RESPOND and after.state.reason == NoDraftReason.PAUSED
    taken = after.state.kind in _AFTER[kind] or stopped
    if taken and not over_words:
        ticket.human = None
    play.require(taken or not (surely and decidable), f"the decision was taken and changed nothing: {after.state.kind}")


def press_again(play: Play, ticket: Ticket, agent: str) -> None:
    """The answer to the last decision was lost on its way to the browser: the same is said again."""
    view = play.memories.get((agent, ticket.number))
    if view is not None and view.draft is not None:
        decide_on(play, ticket, agent, "accept", from_memory=True)
        decide_on(play, ticket, agent, "accept", from_memory=True)


def take_back(play: Play, ticket: Ticket, agent: str) -> None:
    """Undo, where the bridge decides and the window is open."""
    view = look(play, ticket, agent)
    if view is None or view.draft is None or view.draft.id not in play.approvals_of:
        return
    if Decider.BRIDGE not in ticket.company.known.adapter.capabilities.target.decides:
        return
    draft, by = view.draft, ticket.company.crm.agent(agent)
    play.tell(f"{agent} takes the approval of {ticket} back.")
    if _taken(play, lambda: undo(play.stage.runtime, ticket.connection, draft.id, by)) is not None:
        play.take_back(draft.id)


def settle_reply(play: Play, ticket: Ticket, agent: str, *, went_out: bool) -> None:
    """Say of an unconfirmed reply that it went out, or that it shall be sent again; people err."""
    view = look(play, ticket, agent)
    if view is None or view.draft is None or view.state.kind is not StateKind.UNCONFIRMED:
        return
    draft, by = view.draft, ticket.company.crm.agent(agent)
    play.tell(f"{agent} says of the unconfirmed reply of {ticket}: {'it went out' if went_out else 'send it again'}.")
    if _taken(play, lambda: settle(play.stage.runtime, ticket.connection, draft.id, went_out, by)) is None:
        return
    if not went_out:
        said = (draft.id, str(draft.revision), "send again", agent, "")
        play.approve(ticket, said, draft.id, draft.approved_text or "")


def _taken(play: Play, ask: Callable[[], PanelView]) -> PanelView | None:
    try:
        return ask()
    except REFUSALS as refusal:
        play.tell(f"The bridge refuses: {type(refusal).__name__}.")
        return None


# --- admins -------------------------------------------------------------------------------------------------------


def stop(play: Play, company: int) -> None:
    name = play.stage.names[company % len(play.stage.names)]
    if name in play.stopped:
        return
    play.tell(f"Olga stops {play.stage.companies[name].name}.")
    play.stage.store.run(lambda transaction: connections.stop(transaction, name, by="Olga", reason="story"))
    if not play.depth:
        play.stopped.add(name)


def resume(play: Play) -> None:
    stopped = play.stage.ask("select name from connections where name = any(:names) and stopped_at is not null")
    for (name,) in stopped:
        play.tell(f"Olga lets {play.stage.companies[name].name} go on.")
        play.stage.store.run(partial(connections.resume, name=name))
    play.stopped.clear()
