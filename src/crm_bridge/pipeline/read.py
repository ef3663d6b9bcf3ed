"""Read the case from the CRM and write down what it says: what became of drafts and replies, episodes, merges, ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from crm_bridge.contract import (
    Agent,
    CaseContext,
    Decider,
    DecisionKind,
    Merged,
    Message,
    NotACase,
    RemoteDecision,
    RemoteDraft,
    Sends,
)
from crm_bridge.core.experiment import assign, requester_key
from crm_bridge.core.lifecycle import DraftState, DraftStep, allows
from crm_bridge.core.policy import eligible
from crm_bridge.core.textmatch import normalise
from crm_bridge.pipeline.decide import begin_again
from crm_bridge.pipeline.observe import Conclusion, Own, conclude
from crm_bridge.pipeline.turn import Look, Turn
from crm_bridge.store import cases, connections, decisions, drafts, inbox, queue
from crm_bridge.store.decisions import Said
from crm_bridge.store.drafts import DraftRow

NO_WAIT = timedelta(0)


def read(turn: Turn, look: Look) -> bool:
    """Read the case and commit what was seen. False when the case is no longer here (gone or merged)."""
    found = turn.adapter.read_case(turn.ref)
    if isinstance(found, Merged):
        turn.commit(lambda transaction, now: _merge(turn, transaction, now, found))
        return False
    if isinstance(found, NotACase):
        turn.covered = look.pending.ids
        turn.commit(lambda transaction, now: _gone(turn, transaction, now, found.reason))
        return False
    remote, remote_known = _read_remote_draft(turn, look)
    turn.commit(lambda transaction, now: _apply(turn, transaction, now, found, remote, remote_known))
    turn.context = found
    turn.covered = look.pending.ids
    return True


def _read_remote_draft(turn: Turn, look: Look) -> tuple[RemoteDraft | None, bool]:
    """The draft as it stands in the CRM, where decisions are taken there. (None, True) = it is gone."""
    draft = look.draft
    decided_there = Decider.CRM in turn.adapter.capabilities.target.decides
    if not decided_there or draft is None or draft.ref is None or draft.state is not DraftState.WRITTEN:
        return None, False
    return turn.adapter.read_draft(draft.ref), True


def _apply(
    turn: Turn,
    transaction: sa.Connection,
    look: Look,
    context: CaseContext,
    remote: RemoteDraft | None,
    remote_known: bool,
) -> None:
    cases.observe(transaction, turn.cipher, turn.case_id, context)
    connections.serve_well(transaction, turn.known.name)
    _follow_episode(turn, transaction, look, context)
    draft = look.draft
    if draft is None:
        return
    if remote_known and draft.state is DraftState.WRITTEN:
        draft = _follow_remote(turn, transaction, draft, remote)
    if draft is not None and draft.live:
        draft = _follow_messages(turn, transaction, draft, context)
    if draft is not None and draft.live and not context.open and allows(draft.state, DraftStep.EXPIRE):
        drafts.take_step(transaction, turn.cipher, draft, DraftStep.EXPIRE, reason="closed")


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
        key = requester_key(context)
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
    elif not context.open and episode.closed_at is None:
        cases.close_episode(transaction, episode.id, look.at)
    cases.note_first_reply(transaction, episode.id, context.public_messages)


# --- messages -----------------------------------------------------------------------------------------------------


def _follow_messages(turn: Turn, transaction: sa.Connection, draft: DraftRow, context: CaseContext) -> DraftRow:
    ids, keys = drafts.own_messages(transaction, turn.case_id)
    key = drafts.attempt_key(draft.id, draft.sends) if draft.state is not DraftState.WRITTEN else None
    found = conclude(draft, context, Own(ids=ids, keys=keys), key)
    if found is None:
        return draft
    for step in found.steps:
        draft = _conclude_step(turn, transaction, draft, step, found)
    return draft


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


# --- decisions the CRM took ---------------------------------------------------------------------------------------


def _follow_remote(
    turn: Turn, transaction: sa.Connection, draft: DraftRow, remote: RemoteDraft | None
) -> DraftRow | None:
    """What the record in the CRM says: removed, decided, or decided on something older."""
    if remote is None:
        return drafts.take_step(transaction, turn.cipher, draft, DraftStep.VANISH)
    if remote.decision is None:
        return draft
    if remote.decision.revision != draft.revision:
        _record_late(turn, transaction, draft, remote.decision)
        return draft
    return _take_remote_decision(turn, transaction, draft, remote, remote.decision)


def _record_late(turn: Turn, transaction: sa.Connection, draft: DraftRow, decision: RemoteDecision) -> None:
    known = {(row.kind, row.revision, row.agent_id) for row in decisions.of_draft(transaction, draft.id)}
    if (decision.kind.value, decision.revision, decision.agent.id) in known:
        return
    decisions.record(transaction, turn.cipher, draft, _said(decision, decision.text, late=True), decision.decided_at)
    cases.step(transaction, turn.case_id, new_revision=False)


def _take_remote_decision(
    turn: Turn, transaction: sa.Connection, draft: DraftRow, remote: RemoteDraft, decision: RemoteDecision
) -> DraftRow:
    text = decision.text if decision.text is not None else remote.text
    unchanged = decision.text is None and remote.ref.fingerprint.value == draft.fingerprint
    text = (draft.text or "") if unchanged else text
    decisions.record(transaction, turn.cipher, draft, _said(decision, None if unchanged else text), decision.decided_at)
    if decision.kind is DecisionKind.REJECT:
        return drafts.take_step(
            transaction, turn.cipher, draft, DraftStep.REJECT, reason=decision.reason or "other", **_approver(decision)
        )
    if decision.kind is DecisionKind.RESPOND:
        old = drafts.take_step(transaction, turn.cipher, draft, DraftStep.RESPOND)
        begin_again(turn.runtime, transaction, old, decision.comment)
        return old
    changes: dict[str, Any] = {
        "approved_text": text,
        "decision": "accepted" if unchanged else "edited",
        "approved_at": decision.decided_at,
        **_approver(decision),
    }
    if turn.adapter.capabilities.sends is Sends.BRIDGE:
        step = DraftStep.ACCEPT if unchanged else DraftStep.EDIT
        due = sa.func.clock_timestamp() + turn.known.policy.undo
        return drafts.take_step(transaction, turn.cipher, draft, step, send_after=due, **changes)
    return drafts.take_step(transaction, turn.cipher, draft, DraftStep.HAND_OVER, **changes)


def _approver(decision: RemoteDecision) -> dict[str, Any]:
    return {"approver_id": decision.agent.id, "approver_name": decision.agent.name}


def _said(decision: RemoteDecision, text: str | None, *, late: bool = False) -> Said:
    return Said(
        kind=decision.kind.value,
        revision=decision.revision,
        agent=decision.agent,
        source="crm",
        late=late,
        text=text,
        reason=decision.reason,
        comment=decision.comment,
    )


# --- ends ---------------------------------------------------------------------------------------------------------


def _gone(turn: Turn, transaction: sa.Connection, look: Look, reason: str) -> None:
    """Deleted, or never a case: whatever was drafted is gone with it. A reply in flight stays to be settled."""
    if look.draft is not None and allows(look.draft.state, DraftStep.VANISH):
        drafts.take_step(transaction, turn.cipher, look.draft, DraftStep.VANISH, detail="")
    if look.episode is not None:
        cases.close_episode(transaction, look.episode.id, look.at)
    cases.mark_gone(transaction, turn.case_id)
    cases.mark_shown(transaction, turn.case_id, look.case.sequence + 1)
    inbox.mark(transaction, turn.covered, "ignored", f"not_a_case:{reason}"[:60])
    queue.release(transaction, turn.lease, wake_at=look.at if look.pending.ids != turn.covered else None)


def _merge(turn: Turn, transaction: sa.Connection, look: Look, merged: Merged) -> None:
    """The case is an alias of the survivor from now on; its events become the survivor's."""
    if look.draft is not None and allows(look.draft.state, DraftStep.MERGE):
        drafts.take_step(transaction, turn.cipher, look.draft, DraftStep.MERGE)
    if look.episode is not None:
        cases.close_episode(transaction, look.episode.id, look.at)
    survivor_item = queue.upsert_item(transaction, turn.known.name, "case", merged.into.id, NO_WAIT)
    survivor = cases.ensure(transaction, turn.known.name, merged.into.id)
    cases.alias(transaction, turn.case_id, survivor.id)
    cases.mark_shown(transaction, turn.case_id, look.case.sequence + 1)
    inbox.move(transaction, turn.lease.item_id, survivor_item)
    queue.release(transaction, turn.lease, wake_at=None)
    queue.nudge(transaction)
