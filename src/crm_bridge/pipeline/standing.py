"""What the draft that stands in the CRM says: removed, or decided there. What was decided too late is kept and shown.

A decision counts once, when it is about the revision we last wrote; an edit that names the newest message it answers
also counts on a draft that is out of date. Whoever sends, an approved text has the name of the person who approved it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from crm_bridge.contract import CaseContext, Decider, DecisionKind, Message, RemoteDecision, RemoteDraft, Sends
from crm_bridge.core.acknowledged import open_flags
from crm_bridge.core.lifecycle import DraftState, DraftStep, allows
from crm_bridge.core.textmatch import normalise
from crm_bridge.pipeline.observe import newer_words, seen_by_edit
from crm_bridge.pipeline.turn import Turn
from crm_bridge.store import cases, decisions, drafts
from crm_bridge.store.decisions import Said
from crm_bridge.store.drafts import DraftRow

NOT_ACKNOWLEDGED = "flags_not_acknowledged"

_DECIDABLE = frozenset({DraftState.WRITTEN, DraftState.FAILED})
_LOOKED_AT = _DECIDABLE | {DraftState.SUPERSEDED}


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The draft written last, and the record of it in the CRM: None when it is gone."""

    draft_id: str
    remote: RemoteDraft | None


def read_standing(turn: Turn) -> Standing | None:
    """What stands in the CRM, where decisions are taken there and one may have been taken.

    A superseded draft is looked at as well: somebody may have decided on it before they could see that.
    """
    if Decider.CRM not in turn.adapter.capabilities.target.decides:
        return None
    draft = turn.runtime.store.run(lambda transaction: drafts.last_written(transaction, turn.cipher, turn.case_id))
    if draft is None or draft.ref is None or draft.state not in _LOOKED_AT:
        return None
    return Standing(draft_id=draft.id, remote=turn.adapter.read_draft(draft.ref))


def follow_standing(
    turn: Turn, transaction: sa.Connection, live: DraftRow | None, standing: Standing, context: CaseContext
) -> DraftRow | None:
    """What the record in the CRM says: removed, decided, or decided on something older. Returns the live draft."""
    decision = standing.remote.decision if standing.remote is not None else None
    if live is not None and live.id == standing.draft_id and live.state in _DECIDABLE:
        if standing.remote is None:
            return drafts.take_step(transaction, turn.cipher, live, DraftStep.VANISH)
        if decision is None or _taken_before(live, decision):
            return live
        if decision.revision == live.revision:
            return _take(turn, transaction, live, standing.remote, decision, context)
    about = drafts.get(transaction, turn.cipher, standing.draft_id) if decision is not None else None
    if about is None or decision is None or _known(transaction, about, decision):
        return live
    if _answers_the_newest(turn, live, decision, context):
        return _take_rebased(turn, transaction, live, about, decision, context)
    _record_late(turn, transaction, about, decision)
    return live


def _taken_before(draft: DraftRow, decision: RemoteDecision) -> bool:
    """The decision whose reply could not be sent still stands there; only a later one is another try."""
    return draft.approved_at is not None and decision.decided_at <= draft.approved_at


def _known(transaction: sa.Connection, draft: DraftRow, decision: RemoteDecision) -> bool:
    said = {(row.kind, row.revision, row.agent_id) for row in decisions.of_draft(transaction, draft.id)}
    return (decision.kind.value, decision.revision, decision.agent.id) in said


def _record_late(turn: Turn, transaction: sa.Connection, draft: DraftRow, decision: RemoteDecision) -> None:
    decisions.record(transaction, turn.cipher, draft, _said(decision, decision.text, late=True), decision.decided_at)
    if decision.text:
        drafts.change(transaction, turn.cipher, draft.id, working_text=decision.text)
    cases.step(transaction, turn.case_id, new_revision=False)


# --- taking a decision --------------------------------------------------------------------------------------------


def _take(
    turn: Turn,
    transaction: sa.Connection,
    draft: DraftRow,
    remote: RemoteDraft,
    decision: RemoteDecision,
    context: CaseContext,
) -> DraftRow:
    text = decision.text if decision.text is not None else remote.text
    untouched = decision.text is None and remote.ref.fingerprint.value == draft.fingerprint
    unchanged = untouched or normalise(text) == normalise(draft.text or "")
    text = (draft.text or "") if unchanged else text
    decisions.record(transaction, turn.cipher, draft, _said(decision, None if unchanged else text), decision.decided_at)
    if decision.kind is DecisionKind.REJECT:
        return drafts.take_step(
            transaction, turn.cipher, draft, DraftStep.REJECT, reason=decision.reason or "other", **_approver(decision)
        )
    if decision.kind is DecisionKind.RESPOND:
        old = drafts.take_step(transaction, turn.cipher, draft, DraftStep.RESPOND)
        return drafts.begin_again(transaction, turn.cipher, old, decision.comment)
    return _approve(turn, transaction, draft, decision, text, context.public_messages)


def _answers_the_newest(turn: Turn, live: DraftRow | None, decision: RemoteDecision, context: CaseContext) -> bool:
    """Its author saw all that was said, whatever became of the draft they had before them."""
    ids = {message.id for message in context.public_messages}
    return (
        decision.kind is DecisionKind.EDIT
        and bool(decision.text)
        and decision.answers in ids
        and not newer_words(context.public_messages, decision.answers or "")
        and turn.adapter.capabilities.sends is Sends.BRIDGE
        and (live is None or allows(live.state, DraftStep.EDIT))
    )


def _take_rebased(
    turn: Turn,
    transaction: sa.Connection,
    live: DraftRow | None,
    about: DraftRow,
    decision: RemoteDecision,
    context: CaseContext,
) -> DraftRow:
    text = decision.text or ""
    decisions.record(transaction, turn.cipher, about, _said(decision, text), decision.decided_at)
    if live is None:
        live = drafts.begin(
            transaction,
            turn.cipher,
            name=about.connection,
            case_id=about.case_id,
            episode_id=about.episode_id,
            answers=decision.answers or about.answers,
            seen=about.seen,
            previous_id=about.id,
        )
    return _approve(turn, transaction, live, decision, text, context.public_messages)


def _approve(
    turn: Turn,
    transaction: sa.Connection,
    draft: DraftRow,
    decision: RemoteDecision,
    text: str,
    public: tuple[Message, ...],
) -> DraftRow:
    unchanged = normalise(text) == normalise(draft.text or "")
    answers = _answered_message(draft, decision)
    changes: dict[str, Any] = {
        "approved_text": text,
        "decision": "accepted" if unchanged else "edited",
        "approved_at": decision.decided_at,
        "answers": answers,
        "seen": seen_by_edit(tuple(message.id for message in public), draft.seen, answers),
        "reason": "",
        "detail": "",
        **_approver(decision),
    }
    if turn.adapter.capabilities.sends is not Sends.BRIDGE:
        return drafts.take_step(transaction, turn.cipher, draft, DraftStep.HAND_OVER, **changes)
    step = DraftStep.ACCEPT if unchanged else DraftStep.EDIT
    sends = draft.sends + 1 if draft.state is DraftState.FAILED else draft.sends
    due = sa.func.clock_timestamp() + turn.known.policy.undo
    approved = drafts.take_step(transaction, turn.cipher, draft, step, send_after=due, sends=sends, **changes)
    found = open_flags(draft.content.flags, acknowledged=decision.acknowledged, drafted=draft.text or "", approved=text)
    if not found:
        return approved
    # The CRM could not ask for it, or did not: the reply waits for somebody who looks at the remarks.
    codes = ", ".join(dict.fromkeys(flag.code for flag in found))
    detail = f"These remarks have to be acknowledged first: {codes}."
    return drafts.take_step(transaction, turn.cipher, approved, DraftStep.FAIL, reason=NOT_ACKNOWLEDGED, detail=detail)


def _answered_message(draft: DraftRow, decision: RemoteDecision) -> str:
    """The message a reply answers: the one an edit names, when that is newer than what the draft saw."""
    named = decision.answers if decision.kind is DecisionKind.EDIT else None
    return named if named and named not in draft.seen else draft.answers


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
        acknowledged=decision.acknowledged,
    )
