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

_REPLACEABLE = frozenset({DraftState.SUPERSEDED, DraftState.REFUSED})
"""Where no draft is live, an edit may still be sent: nothing was sent or decided since."""

_LOOKED_AT = frozenset({DraftState.WRITTEN, DraftState.FAILED, DraftState.SUPERSEDED, DraftState.APPROVED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The draft written last, and the record of it in the CRM: None when it is gone."""

    draft_id: str
    remote: RemoteDraft | None


def read_standing(turn: Turn) -> Standing | None:
    """What stands in the CRM, where decisions are taken there and one may have been taken.

    A superseded draft is looked at as well: somebody may have decided on it before they could see that. An approved
    one: somebody may have taken that back.
    """
    if Decider.CRM not in turn.adapter.capabilities.target.decides or turn.known.policy.mode != "suggest":
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
    if live is not None and live.id == standing.draft_id and allows(live.state, DraftStep.ACCEPT):
        if standing.remote is None:
            return drafts.take_step(transaction, turn.cipher, live, DraftStep.VANISH)
        if decision is None or _known(transaction, live, decision):
            return live
        if decision.revision == live.revision and not _is_empty(decision, standing.remote):
            return _take(turn, transaction, live, standing.remote, decision, context)
    if live is not None and live.id == standing.draft_id and live.state is DraftState.APPROVED:
        if standing.remote is not None and decision is None and _decided_there(transaction, live):
            return drafts.take_back(transaction, turn.cipher, live)
        return live
    about = drafts.get(transaction, turn.cipher, standing.draft_id) if decision is not None else None
    if about is None or decision is None or _known(transaction, about, decision):
        return live
    if _answers_the_newest(turn, transaction, live, decision, context):
        return _take_rebased(turn, transaction, live, about, decision, context)
    _record_late(turn, transaction, about, decision)
    return live


def _known(transaction: sa.Connection, draft: DraftRow, decision: RemoteDecision) -> bool:
    """This very decision was heard before: at the same moment, or the same words on the same revision.

    By the moment alone, since some CRMs know only the revision that stands there now, which a failure has raised.
    """
    said = (decision.revision, decisions.text_hash(decision.text))
    return any(
        (row.kind, row.agent_id) == (decision.kind.value, decision.agent.id)
        and (row.decided_at == decision.decided_at or (row.revision, row.text_hash) == said)
        for row in decisions.of_draft(transaction, draft.id)
    )


def _is_empty(decision: RemoteDecision, remote: RemoteDraft) -> bool:
    """An approval of nothing: there is no reply in it."""
    approves = decision.kind in {DecisionKind.ACCEPT, DecisionKind.EDIT}
    return approves and not normalise(decision.text if decision.text is not None else remote.text)


def _decided_there(transaction: sa.Connection, draft: DraftRow) -> bool:
    """The approval that stands was taken in the CRM, where it can be taken back as well."""
    said = decisions.of_draft(transaction, draft.id)
    return bool(said) and said[0].source == "crm"


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
    return _approve(turn, transaction, draft, draft, decision, text, context.public_messages)


def _answers_the_newest(
    turn: Turn, transaction: sa.Connection, live: DraftRow | None, decision: RemoteDecision, context: CaseContext
) -> bool:
    """Its author saw all that was said, whatever became of the draft they had before them."""
    ids = {message.id for message in context.public_messages}
    latest = live or drafts.latest(transaction, turn.cipher, turn.case_id)
    return (
        decision.kind is DecisionKind.EDIT
        and bool(normalise(decision.text or ""))
        and decision.answers in ids
        and not newer_words(context.public_messages, decision.answers or "")
        and turn.adapter.capabilities.sends is Sends.BRIDGE
        and latest is not None
        and (allows(latest.state, DraftStep.EDIT) if latest.live else latest.state in _REPLACEABLE)
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
    return _approve(turn, transaction, live, about, decision, text, context.public_messages)


def _approve(
    turn: Turn,
    transaction: sa.Connection,
    draft: DraftRow,
    about: DraftRow,
    decision: RemoteDecision,
    text: str,
    public: tuple[Message, ...],
) -> DraftRow:
    """`about`: the draft its author had before them, whose remarks are theirs to look at too."""
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
    step = DraftStep.ACCEPT if unchanged and allows(draft.state, DraftStep.ACCEPT) else DraftStep.EDIT
    sends = draft.sends + 1 if draft.state is DraftState.FAILED else draft.sends
    due = sa.func.clock_timestamp() + turn.known.policy.undo
    approved = drafts.take_step(transaction, turn.cipher, draft, step, send_after=due, sends=sends, **changes)
    found = [
        flag
        for shown in {draft.id: draft, about.id: about}.values()
        for flag in open_flags(
            shown.content.flags, acknowledged=decision.acknowledged, drafted=shown.text or "", approved=text
        )
    ]
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
