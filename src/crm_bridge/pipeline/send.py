"""Send an approved reply at most once.

The attempt is committed before the call. What the call's answer leaves open is read back; what cannot be proven
becomes `unconfirmed`, is shown, and is settled by a person. One attempt keeps one key however often it is tried.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from crm_bridge.contract import (
    Agent,
    Ambiguous,
    ApprovedReply,
    Conflict,
    Found,
    Permanent,
    ProvenAbsent,
    Reauthenticate,
    Retry,
    SendMarker,
    SentRef,
    Unknown,
    Unsupported,
)
from crm_bridge.core.lifecycle import DraftState, DraftStep
from crm_bridge.pipeline.approval import given_back, text_put_there
from crm_bridge.pipeline.read import read
from crm_bridge.pipeline.turn import Look, Turn
from crm_bridge.store import drafts, queue
from crm_bridge.store.drafts import DraftRow

SETTLING = timedelta(seconds=2 * queue.LEASE_S)
"""Without a key of ours in the CRM, an attempt younger than this may still arrive: absence proves nothing yet."""


def send(turn: Turn, look: Look) -> bool:
    """Re-read, attempt, send, and write down what became of it.

    False when the case is no longer here: the turn has ended.
    """
    if not read(turn, look):
        return False
    draft = turn.look().draft
    if draft is None or draft.state is not DraftState.APPROVED:
        # What was read has retired it.
        return True
    put_there = text_put_there(turn, draft)
    turn.check(draft)
    reply = _attempt(turn, draft, put_there)
    if reply is not None:
        _try(turn, *reply)
    return True


def _try(turn: Turn, draft: DraftRow, approved: ApprovedReply, key: str) -> None:
    try:
        sent = turn.adapter.send_reply(approved, key)
    except Conflict:
        # Certain not to have gone out. The next reading shows what stands there.
        _end(turn, draft, DraftStep.PROVE_ABSENT, "conflict")
        turn.stale = True
    except Ambiguous:
        look_back(turn, draft)
    except (Retry, Reauthenticate) as error:
        _end(turn, draft, DraftStep.PROVE_ABSENT, error.code)
        raise
    except (Permanent, Unsupported) as error:
        _end(turn, draft, DraftStep.FAIL, error.code, reason=error.code)
    else:
        _confirm(turn, draft, sent)


def _attempt(turn: Turn, looked_at: DraftRow, put_there: str | None) -> tuple[DraftRow, ApprovedReply, str] | None:
    """Commit that we are about to send, under the lock a decision or an undo would take.

    `put_there`: what a person put over the accepted draft. None when there is nothing to send (any more).
    """
    context = turn.context
    assert context is not None

    def work(transaction: sa.Connection, now: Look) -> tuple[DraftRow, ApprovedReply, str] | None:
        draft = now.draft
        due = draft is not None and draft.state is DraftState.APPROVED and draft.send_after is not None
        if not due or draft is None or draft.send_after is None or draft.send_after > now.at:
            return None
        if (draft.id, draft.revision) != (looked_at.id, looked_at.revision):
            return None
        if given_back(turn, transaction, draft, context, put_there):
            return None
        if context.addressing is None:
            drafts.take_step(transaction, turn.cipher, draft, DraftStep.FAIL, reason="no_address")
            return None
        key = drafts.attempt_key(draft.id, draft.sends)
        drafts.record_attempt(transaction, draft.id, key)
        seen = tuple(dict.fromkeys((*draft.seen, *(message.id for message in context.public_messages))))
        content = replace(draft.content, addressing=context.addressing)
        moved = drafts.take_step(transaction, turn.cipher, draft, DraftStep.ATTEMPT, seen=seen, content=content)
        return moved, _reply(turn, moved), key

    return turn.commit(work)


def _reply(turn: Turn, draft: DraftRow) -> ApprovedReply:
    """The reply as approved. Its addressing comes from what was read now, never from a draft."""
    addressing = turn.context.addressing if turn.context else draft.content.addressing
    addressing = addressing or draft.content.addressing
    assert addressing is not None
    assert draft.approver_id is not None
    return ApprovedReply(
        draft_id=draft.id,
        revision=draft.revision,
        case=turn.ref,
        text=draft.approved_text or "",
        language=draft.language,
        addressing=addressing,
        approver=Agent(id=draft.approver_id, name=draft.approver_name or draft.approver_id),
        answers=draft.answers,
        seen=draft.seen,
    )


def look_back(turn: Turn, draft: DraftRow) -> None:
    """What became of an attempt whose answer we do not have."""
    attempt = turn.runtime.store.run(lambda transaction: drafts.current_attempt(transaction, draft))
    assert attempt is not None
    try:
        found = turn.adapter.find_reply(_reply(turn, draft), attempt.key, attempt.attempted_at)
    except (Permanent, Unsupported, Conflict, Ambiguous) as error:
        # Asking cannot succeed: that is no proof of anything, and a person has to look.
        found = Unknown(reason=error.code)
    match found:
        case Found(ref=ref):
            _confirm(turn, draft, ref)
        case ProvenAbsent():
            _absent(turn, draft)
        case Unknown(reason=reason):
            _unknown(turn, draft, reason)


def _absent(turn: Turn, draft: DraftRow) -> None:
    """Only a draft still being attempted is tried again by us; an unconfirmed one is a person's to settle."""
    if draft.state is not DraftState.ATTEMPTED:
        _unknown(turn, draft, "absent")
        return
    marked = turn.adapter.capabilities.send_marker in {SendMarker.KEY, SendMarker.METADATA}

    def work(transaction: sa.Connection, now: Look) -> None:
        attempt = drafts.current_attempt(transaction, draft)
        young = attempt is not None and now.at - attempt.attempted_at < SETTLING
        if now.draft is None or (now.draft.id, now.draft.state) != (draft.id, DraftState.ATTEMPTED):
            return
        if young and not marked:
            _lose_sight(turn, transaction, now.draft, "too_early_to_tell")
        else:
            drafts.end_attempt(transaction, draft, "absent")
            drafts.take_step(transaction, turn.cipher, now.draft, DraftStep.PROVE_ABSENT)

    turn.commit(work)


def _unknown(turn: Turn, draft: DraftRow, reason: str) -> None:
    def work(transaction: sa.Connection, now: Look) -> None:
        drafts.note_look(transaction, turn.cipher, draft)
        if now.draft is not None and now.draft.state is DraftState.ATTEMPTED:
            _lose_sight(turn, transaction, now.draft, reason)

    turn.commit(work)


def _lose_sight(turn: Turn, transaction: sa.Connection, draft: DraftRow, reason: str) -> None:
    drafts.end_attempt(transaction, draft, "unknown")
    drafts.take_step(transaction, turn.cipher, draft, DraftStep.LOSE_SIGHT, reason=reason[:100])


def _confirm(turn: Turn, draft: DraftRow, sent: SentRef) -> None:
    _end(turn, draft, DraftStep.CONFIRM, "sent", sent_id=sent.id)


def _end(
    turn: Turn, draft: DraftRow, step: DraftStep, result: str, *, sent_id: str | None = None, reason: str = ""
) -> None:
    def work(transaction: sa.Connection, now: Look) -> None:
        current = now.draft
        if current is None or current.id != draft.id or current.state is not draft.state:
            return
        drafts.end_attempt(transaction, draft, result, sent_id)
        changes: dict[str, Any] = {"sent_id": sent_id} if sent_id else {}
        drafts.take_step(transaction, turn.cipher, current, step, reason=reason, **changes)

    turn.commit(work)
