"""What is next for a case, and doing it until nothing is. The choice is one pure function of what is true.

Level-triggered: events say that something may have happened; what is done follows from the case as it stands. A
turn ends when, in one transaction under the case's lock, nothing is left to do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from crm_bridge.contract import CaseRef, Permanent
from crm_bridge.core.lifecycle import DraftState, DraftStep, allows
from crm_bridge.core.visible import DraftWaits
from crm_bridge.pipeline import propose, read, send, write
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.pipeline.trouble import AssistantTrouble, case_wait
from crm_bridge.pipeline.turn import Look, MovedOn, Turn
from crm_bridge.store import cases, drafts, inbox, queue
from crm_bridge.store.cases import CaseRow
from crm_bridge.store.drafts import DraftRow
from crm_bridge.store.queue import Lease

EXPIRES_AFTER = timedelta(days=7)
LOOK_AGAIN = timedelta(seconds=30)
LOOK_AGAIN_WITHIN = timedelta(minutes=10)
TOLD_AFTER = timedelta(minutes=1)
"""A draft that takes longer, because the assistant does not answer, says so."""
RENEW_BELOW_S = 20.0
"""A step begins with at least so much of the lease left."""
MAX_STEPS = 25
"""A turn that does not come to rest in so many steps goes round in circles; it counts as a failure of the case."""


class Restless(Exception):
    """A case did not come to rest within `MAX_STEPS`."""


class Next(StrEnum):
    """The steps of a turn."""

    READ = "read"
    LOOK_BACK = "look_back"
    SEND = "send"
    EXPIRE = "expire"
    BEGIN = "begin"
    PROPOSE = "propose"
    TELL = "tell"
    WRITE = "write"
    WITHDRAW = "withdraw"
    SHOW = "show"
    REST = "rest"


def advance(runtime: Runtime, known: ConnectionRuntime, lease: Lease) -> None:
    """Do all that is due for the case of a lease, and give the lease back. Raises what the adapter raises."""
    case = runtime.store.run(lambda transaction: cases.ensure(transaction, known.name, lease.ref_id))
    lease.case_id = case.id
    turn = Turn(
        runtime=runtime, known=known, lease=lease, case_id=case.id, ref=CaseRef(id=lease.ref_id),
        asks_in=runtime.assistant_watch.wait(),
    )  # fmt: skip
    if case.alias_of is not None:
        _forward(turn, case)
        return
    for _ in range(MAX_STEPS):
        if lease.remaining_s() < RENEW_BELOW_S:
            queue.renew(runtime.store, lease)
        try:
            if not _step(turn):
                return
        except MovedOn:
            # A decision came between our look and an effect: what is next is another thing now.
            continue
    raise Restless


def _step(turn: Turn) -> bool:
    """The next step. False when the turn has ended and the lease is given back already."""
    look = turn.look()
    following = choose(turn, look)
    return not _rest(turn) if following is Next.REST else _do(turn, look, following)


def choose(turn: Turn, look: Look) -> Next:
    """What is next. Decided replies come first, then reading what happened, then drafting, then showing."""
    draft = look.draft
    if draft is not None:
        if draft.state is DraftState.ATTEMPTED or _looks_again(look):
            return Next.LOOK_BACK
        if draft.state is DraftState.APPROVED and draft.send_after is not None and draft.send_after <= look.at:
            return Next.SEND
    if turn.stale or set(look.pending.ids) - set(turn.covered):
        return Next.READ
    if draft is not None:
        return _next_for_draft(turn, look, draft)
    if look.outdated is not None:
        return Next.WITHDRAW
    if turn.context is None and look.unanswered:
        return Next.READ
    if turn.wait_until is None and not turn.ignored and propose.wanted(turn, look) is not None:
        # That the last draft is out of date is shown before the next one is made.
        outdated = look.latest is not None and look.latest.state is DraftState.SUPERSEDED
        return Next.SHOW if outdated and _unshown(turn, look) else Next.BEGIN
    return _show_or_rest(turn, look)


def _next_for_draft(turn: Turn, look: Look, draft: DraftRow) -> Next:
    state = draft.state
    if look.at - draft.created_at >= EXPIRES_AFTER and allows(state, DraftStep.EXPIRE):
        return Next.EXPIRE
    if state is DraftState.DRAFTING:
        if turn.asks_in is not None:
            return Next.TELL if _takes_long(turn.asks_in, look, draft) else _show_or_rest(turn, look)
        return Next.PROPOSE if turn.context is not None else Next.READ
    if state is DraftState.READY and turn.known.policy.mode == "suggest":
        return Next.WRITE if turn.context is not None or draft.content.addressing is not None else Next.READ
    return _show_or_rest(turn, look)


def _takes_long(wait: timedelta, look: Look, draft: DraftRow) -> bool:
    return draft.reason != DraftWaits.FOR_ASSISTANT and look.at + wait - draft.created_at >= TOLD_AFTER


def _show_or_rest(turn: Turn, look: Look) -> Next:
    return Next.SHOW if _unshown(turn, look) else Next.REST


def _unshown(turn: Turn, look: Look) -> bool:
    return look.case.sequence > look.case.shown_sequence and look.latest is not None and write.shows(turn)


def _looks_again(look: Look) -> bool:
    """An unconfirmed reply is looked for again for a while: some CRMs show what was sent only later."""
    again = _next_look_back(look)
    return again is not None and again <= look.at


def _next_look_back(look: Look) -> datetime | None:
    draft = look.draft
    if draft is None or draft.state is not DraftState.UNCONFIRMED:
        return None
    again = (draft.looked_at or draft.state_since) + LOOK_AGAIN
    return again if max(again, look.at) - draft.state_since < LOOK_AGAIN_WITHIN else None


def _do(turn: Turn, look: Look, following: Next) -> bool:
    """One step. False when the turn has ended and the lease is given back already."""
    match following:
        case Next.READ:
            return read.read(turn, look)
        case Next.LOOK_BACK:
            assert look.draft is not None
            send.look_back(turn, look.draft)
        case Next.SEND:
            return send.send(turn, look)
        case Next.EXPIRE:
            turn.commit(lambda transaction, now: _expire(turn, transaction, now))
        case Next.BEGIN:
            question = propose.wanted(turn, look)
            assert question is not None
            propose.begin(turn, look, question)
        case Next.PROPOSE:
            _propose(turn, look)
        case Next.TELL:
            propose.tell_of_silence(turn)
        case Next.WRITE:
            write.write(turn, look)
        case Next.WITHDRAW:
            write.withdraw(turn, look)
        case Next.SHOW:
            write.show(turn, look)
    return True


def _propose(turn: Turn, look: Look) -> None:
    turn.asks_in = turn.runtime.assistant_watch.wait()
    if turn.asks_in is not None:
        return
    try:
        propose.propose(turn, look)
    except AssistantTrouble as trouble:
        # A fact about the assistant: the case is at rest until it may be asked again, and goes on with all else.
        turn.asks_in = trouble.wait
    except Permanent as error:
        propose.give_up(turn, error)


def _expire(turn: Turn, transaction: sa.Connection, now: Look) -> None:
    if now.draft is not None and allows(now.draft.state, DraftStep.EXPIRE):
        drafts.take_step(transaction, turn.cipher, now.draft, DraftStep.EXPIRE, reason="age")


def _forward(turn: Turn, case: CaseRow) -> None:
    """Events about a merged case belong to the survivor."""

    def work(transaction: sa.Connection, now: Look) -> None:
        if now.draft is not None and allows(now.draft.state, DraftStep.MERGE):
            # "Send again" was said of a reply whose case is no longer one: there is nowhere to send it from.
            drafts.take_step(transaction, turn.cipher, now.draft, DraftStep.MERGE)
        survivor = transaction.execute(
            sa.text("select ref from cases where id = :id"), {"id": case.alias_of}
        ).scalar_one()
        item = queue.upsert_item(transaction, turn.known.name, "case", survivor, timedelta(0))
        inbox.move(transaction, turn.lease.item_id, item)
        queue.release(transaction, turn.lease, wake_at=None)
        queue.nudge(transaction)

    turn.commit(work)


def _rest(turn: Turn) -> bool:
    """Give the lease back, if under the case's lock there is still nothing to do. False: go on."""

    def work(transaction: sa.Connection, now: Look) -> bool:
        if choose(turn, now) is not Next.REST:
            return False
        if turn.wait_until is not None:
            queue.release(transaction, turn.lease, wake_at=turn.wait_until, not_before=turn.wait_until)
            queue.nudge(transaction, after=turn.wait_until - now.at)
            return True
        propose.mark_covered(turn, transaction, now)
        due = _due(turn, now)
        decided = now.draft is not None and now.draft.state is DraftState.APPROVED
        queue.release(transaction, turn.lease, wake_at=due, decided_at=now.at if decided else None)
        if due is not None and due - now.at < timedelta(hours=1):
            queue.nudge(transaction, after=max(due - now.at, timedelta(0)))
        return True

    return turn.commit(work)


def _due(turn: Turn, look: Look) -> datetime | None:
    """When this case needs us next although nothing happens."""
    draft = look.draft
    if draft is None:
        return None
    if draft.state is DraftState.APPROVED:
        return draft.send_after
    if draft.state is DraftState.UNCONFIRMED:
        return _next_look_back(look)
    if draft.state is DraftState.DRAFTING and turn.asks_in is not None:
        return look.at + case_wait(turn.asks_in, look.at - draft.created_at)
    return draft.created_at + EXPIRES_AFTER
