"""Read the case from the CRM and write down what it says: what became of drafts and replies, episodes, merges, ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from crm_bridge.contract import (
    Agent,
    CaseContext,
    DecisionKind,
    Merged,
    Message,
    NotACase,
    Permanent,
)
from crm_bridge.core import visible
from crm_bridge.core.experiment import assign, requester_key
from crm_bridge.core.lifecycle import DraftState, DraftStep, allows
from crm_bridge.core.policy import eligible
from crm_bridge.core.textmatch import normalise
from crm_bridge.pipeline.observe import Conclusion, Own, conclude, open_question, own_answer
from crm_bridge.pipeline.standing import Standing, follow_standing, read_standing
from crm_bridge.pipeline.turn import Look, Turn
from crm_bridge.store import cases, connections, decisions, drafts, inbox, queue
from crm_bridge.store.decisions import Said
from crm_bridge.store.drafts import DraftRow

NO_WAIT = timedelta(0)


def read(turn: Turn, look: Look) -> bool:
    """Read the case and commit what was seen. False when the case is no longer here (gone or merged)."""
    # The draft before the case: whatever message a decision names is in the case then.
    standing = read_standing(turn)
    found = turn.adapter.read_case(turn.ref)
    if isinstance(found, Merged):
        turn.commit(lambda transaction, now: _merge(turn, transaction, now, found))
        return False
    if isinstance(found, NotACase):
        turn.covered = look.pending.ids
        turn.commit(lambda transaction, now: _gone(turn, transaction, now, found.reason))
        return False
    turn.commit(lambda transaction, now: _apply(turn, transaction, now, found, standing))
    turn.context = found
    turn.covered = look.pending.ids
    # What an earlier reading of this turn concluded holds for that reading only.
    turn.ignored, turn.wait_until, turn.stale = "", None, False
    return True


def _apply(turn: Turn, transaction: sa.Connection, look: Look, context: CaseContext, standing: Standing | None) -> None:
    if _answered_meanwhile(turn, transaction, look, context):
        cases.step(transaction, turn.case_id, new_revision=False)
    cases.observe(transaction, turn.cipher, turn.case_id, context)
    connections.serve_well(transaction, turn.known.name)
    _follow_episode(turn, transaction, look, context)
    draft = look.draft
    if standing is not None:
        draft = follow_standing(turn, transaction, draft, standing, context)
    if draft is not None and draft.live:
        draft = _follow_messages(turn, transaction, draft, context)
    if draft is not None and draft.live and not context.open and allows(draft.state, DraftStep.EXPIRE):
        drafts.take_step(transaction, turn.cipher, draft, DraftStep.EXPIRE, reason="closed")


def _answered_meanwhile(turn: Turn, transaction: sa.Connection, look: Look, context: CaseContext) -> bool:
    """An agent answered by hand where there was no draft to send: that changes what is shown, and nothing else does."""
    if look.draft is not None or look.latest is None or own_answer(context.public_messages) is None:
        return False
    asked = visible.VISIBLE[look.latest.state] in visible.ENDS_WITH_OWN_REPLY
    return asked and open_question(cases.messages(transaction, turn.cipher, turn.case_id)) is not None


# --- episodes -----------------------------------------------------------------------------------------------------


def _follow_episode(turn: Turn, transaction: sa.Connection, look: Look, context: CaseContext) -> None:
    """A row per episode with its arm from the first event on; reopened within seven days it goes on."""
    episode = look.episode
    reopened_late = (
        episode is not None
        and episode.closed_at is not None
        and context.open
        and look.at - episode.closed_at > cases.REOPEN_CONTINUES
    )
    if episode is None or reopened_late:
        policy = turn.known.policy
        key = requester_key(context, connections.requester_secret(transaction, turn.cipher, turn.known.name))
        episode = cases.open_episode(
            transaction,
            name=turn.known.name,
            case_id=turn.case_id,
            requester_key=key,
            arm=assign(key, salt=policy.experiment_salt, holdout=policy.holdout).value,
            excluded_by=eligible(context, policy.include, policy.exclude),
            opened_at=look.at if reopened_late else context.created_at,
        )
    elif context.open and episode.closed_at is not None:
        cases.reopen_episode(transaction, episode.id)
    if not context.open:
        cases.close_episode(transaction, episode.id, look.at)
    cases.note_first_reply(transaction, episode.id, context.public_messages)


# --- messages -----------------------------------------------------------------------------------------------------


def _follow_messages(turn: Turn, transaction: sa.Connection, draft: DraftRow, context: CaseContext) -> DraftRow:
    ids, keys = drafts.own_messages(transaction, turn.case_id)
    key = drafts.attempt_key(draft.id, draft.sends) if draft.state is not DraftState.WRITTEN else None
    found = conclude(draft, context, Own(ids=ids, keys=keys), key)
    if found is None:
        return _remember_seen(transaction, turn, draft, context)
    for step in found.steps:
        draft = _conclude_step(turn, transaction, draft, step, found)
    return draft


def _remember_seen(transaction: sa.Connection, turn: Turn, draft: DraftRow, context: CaseContext) -> DraftRow:
    """Automatic messages and our own replies retire no draft: one not written yet counts them as seen.

    Else the CRM would refuse it for a message that means nothing.
    """
    seen = tuple(dict.fromkeys((*draft.seen, *(message.id for message in context.public_messages))))
    if draft.state not in {DraftState.DRAFTING, DraftState.READY} or seen == draft.seen:
        return draft
    drafts.change(transaction, turn.cipher, draft.id, seen=seen)
    return replace(draft, seen=seen)


def _conclude_step(
    turn: Turn, transaction: sa.Connection, draft: DraftRow, step: DraftStep, found: Conclusion
) -> DraftRow:
    message = found.message
    if step is DraftStep.HAND_OVER:
        _record_observed(turn, transaction, draft, message)
        return drafts.take_step(
            transaction, turn.cipher, draft, step, approver_id=message.author.id, approver_name=message.author.name
        )
    changes: dict[str, Any] = {}
    if step is DraftStep.CONFIRM:
        drafts.end_attempt(transaction, draft, "found", message.id)
        changes = {"sent_id": message.id}
    elif step in {DraftStep.SEE_SENT, DraftStep.SEE_EDITED}:
        changes = {"sent_id": message.id}
    elif step is DraftStep.SUPERSEDE:
        changes = {"superseded_by": message.id, "working_text": draft.approved_text or draft.working_text}
    else:
        changes = {"superseded_by": message.id}
    return drafts.take_step(transaction, turn.cipher, draft, step, **changes)


def _record_observed(turn: Turn, transaction: sa.Connection, draft: DraftRow, message: Message) -> None:
    """The person who sent our text natively decided it."""
    same = normalise(message.text) == normalise(draft.text or "")
    said = Said(
        kind=(DecisionKind.ACCEPT if same else DecisionKind.EDIT).value,
        revision=draft.revision,
        agent=Agent(id=message.author.id, name=message.author.name or message.author.id),
        source="observed",
        text=None if same else message.text,
    )
    decisions.record(transaction, turn.cipher, draft, said, message.sent_at)


# --- ends ---------------------------------------------------------------------------------------------------------


def _gone(turn: Turn, transaction: sa.Connection, look: Look, reason: str) -> None:
    """Deleted, or never a case: whatever was drafted is gone with it. A reply in flight stays to be settled."""
    if look.draft is not None and allows(look.draft.state, DraftStep.VANISH):
        drafts.take_step(transaction, turn.cipher, look.draft, DraftStep.VANISH, detail="")
    if look.episode is not None:
        cases.close_episode(transaction, look.episode.id, look.at)
    cases.mark_gone(transaction, turn.case_id)
    cases.mark_all_shown(transaction, turn.case_id)
    inbox.mark(transaction, turn.covered, "ignored", f"not_a_case:{reason}"[:60])
    queue.release(transaction, turn.lease, wake_at=look.at if look.pending.ids != turn.covered else None)


def _merge(turn: Turn, transaction: sa.Connection, look: Look, merged: Merged) -> None:
    """The case is an alias of the survivor from now on; its events become the survivor's."""
    if look.draft is not None and allows(look.draft.state, DraftStep.MERGE):
        drafts.take_step(transaction, turn.cipher, look.draft, DraftStep.MERGE)
    if look.episode is not None:
        cases.close_episode(transaction, look.episode.id, look.at)
    # The survivor's case before its item, as everywhere.
    survivor = cases.ensure(transaction, turn.known.name, merged.into.id)
    if turn.case_id in cases.aliases(transaction, survivor.id):
        raise Permanent("a case was merged into itself", code="merged_in_circles")
    cases.lock(transaction, survivor.id)
    survivor_item = queue.upsert_item(transaction, turn.known.name, "case", merged.into.id, NO_WAIT)
    cases.alias(transaction, turn.case_id, survivor.id)
    cases.mark_all_shown(transaction, turn.case_id)
    inbox.move(transaction, turn.lease.item_id, survivor_item)
    queue.release(transaction, turn.lease, wake_at=None)
    queue.nudge(transaction)
