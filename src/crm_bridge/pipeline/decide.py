"""Decisions of named agents. Never waits for a lease: lock the case row, check revision and state, commit.

The same answer (agent, decision, revision, text) again gets the first result; anything else on something that has
moved on is a `DecisionConflict` that says who, when and what is new.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from crm_bridge.contract import Agent, Decider, DecisionKind
from crm_bridge.core.acknowledged import open_flags
from crm_bridge.core.lifecycle import DraftState, DraftStep, allows
from crm_bridge.core.textmatch import normalise
from crm_bridge.pipeline.locked import (
    DecisionConflict,
    FlagsNotAcknowledged,
    InvalidDecision,
    Locked,
    UnknownDraft,
    conflict,
    under_lock,
    wake,
)
from crm_bridge.pipeline.observe import newer_words, seen_by_edit
from crm_bridge.pipeline.panel import PanelView
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.store import cases, decisions, drafts
from crm_bridge.store.database import now
from crm_bridge.store.decisions import Said
from crm_bridge.store.drafts import DraftRow

__all__ = [
    "MAX_TEXT_CHARS",
    "DecisionConflict",
    "DecisionRequest",
    "FlagsNotAcknowledged",
    "InvalidDecision",
    "UnknownDraft",
    "decide",
    "settle",
    "undo",
]

MAX_TEXT_CHARS = 100_000
RESEND = "settle_resend"
"""The kind of decision of a person who says that an unproven reply shall be sent again."""

_STEPS = {
    DecisionKind.ACCEPT: DraftStep.ACCEPT,
    DecisionKind.EDIT: DraftStep.EDIT,
    DecisionKind.REJECT: DraftStep.REJECT,
    DecisionKind.RESPOND: DraftStep.RESPOND,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionRequest:
    """What the panel asks. `answers`: the newest public message the agent saw, to re-base an edit."""

    kind: DecisionKind
    revision: int
    text: str | None = None
    answers: str | None = None
    acknowledged: tuple[str, ...] = ()
    reason: str = ""
    comment: str = ""
    idempotency_key: str | None = None


def decide(runtime: Runtime, connection: str, draft_id: str, request: DecisionRequest, agent: Agent) -> PanelView:
    """Take a decision.

    Raises `UnknownConnection`, `UnknownDraft`, `InvalidDecision`, `FlagsNotAcknowledged`, `DecisionConflict`.
    """
    known = runtime.connection(connection)
    _check_request(known, request)

    def work(locked: Locked) -> None:
        if _already_said(runtime, locked, request, agent):
            return
        locked = _with_announced_write(runtime, locked)
        if request.kind is DecisionKind.RESPOND:
            _respond(runtime, locked, request, agent)
        elif request.kind is DecisionKind.REJECT:
            _reject(runtime, locked, request, agent)
        else:
            _approve(runtime, known, locked, request, agent)

    return under_lock(runtime, known, draft_id, agent, work)


def undo(
    runtime: Runtime,
    connection: str,
    draft_id: str,
    agent: Agent,
    *,
    revision: int | None = None,
    request_key: str | None = None,
) -> PanelView:
    """Take an approval back while its undo window is open. Raises as `decide`."""
    known = runtime.connection(connection)
    _check_decides(known)

    def work(locked: Locked) -> None:
        draft, moment = locked.draft, now(locked.transaction)
        if _heard_before(locked, request_key) or _undone_before(locked, agent):
            return
        wrong_revision = revision is not None and revision != draft.revision
        too_late = draft.send_after is None or draft.send_after <= moment
        if draft.state is not DraftState.APPROVED or wrong_revision or too_late:
            raise conflict(runtime, locked, "It is too late to undo: the reply is on its way.")
        before = decisions.of_draft(locked.transaction, draft.id)[0]
        said = Said(kind="undo", revision=draft.revision, agent=agent, source="panel", idempotency_key=request_key)
        decisions.record(locked.transaction, runtime.store.cipher, draft, said, moment)
        if before.kind == RESEND:
            _undo_resend(runtime, locked)
        else:
            drafts.take_back(locked.transaction, runtime.store.cipher, draft)
        wake(locked, moment)

    return under_lock(runtime, known, draft_id, agent, work)


def _undo_resend(runtime: Runtime, locked: Locked) -> None:
    """Back to the attempt nobody could prove, with its own key."""
    drafts.take_step(
        locked.transaction,
        runtime.store.cipher,
        locked.draft,
        DraftStep.UNDO_RESEND,
        sends=locked.draft.sends - 1,
        send_after=None,
    )


def settle(
    runtime: Runtime, connection: str, draft_id: str, sent: bool, agent: Agent, *, request_key: str | None = None
) -> PanelView:
    """A person settles an unconfirmed reply: it went out, or send it again as a new attempt. Raises as `decide`."""
    known = runtime.connection(connection)
    kind = "settle_sent" if sent else RESEND

    def work(locked: Locked) -> None:
        draft, moment = locked.draft, now(locked.transaction)
        if _heard_before(locked, request_key):
            return
        if draft.state is not DraftState.UNCONFIRMED:
            if _same_person_said(locked, agent, kind):
                return
            raise conflict(runtime, locked, "There is nothing to settle any more.")
        said = Said(kind=kind, revision=draft.revision, agent=agent, source="panel", idempotency_key=request_key)
        decisions.record(locked.transaction, runtime.store.cipher, draft, said, moment)
        if sent:
            drafts.end_attempt(locked.transaction, draft, "settled")
            drafts.take_step(locked.transaction, runtime.store.cipher, draft, DraftStep.SETTLE_SENT)
        else:
            drafts.end_attempt(locked.transaction, draft, "given_up")
            drafts.take_step(
                locked.transaction,
                runtime.store.cipher,
                draft,
                DraftStep.RESEND,
                sends=draft.sends + 1,
                send_after=moment + known.policy.undo,
                approver_id=agent.id,
                approver_name=agent.name,
                approved_at=moment,
            )
        wake(locked, moment, then=known.policy.undo)

    return under_lock(runtime, known, draft_id, agent, work)


# --- checks -------------------------------------------------------------------------------------------------------


def _check_request(known: ConnectionRuntime, request: DecisionRequest) -> None:
    _check_decides(known)
    if request.kind is DecisionKind.EDIT and not normalise(request.text or ""):
        raise InvalidDecision("an edit needs a text; to send nothing, reject the draft")
    if len(request.text or "") > MAX_TEXT_CHARS:
        raise InvalidDecision(f"a reply may have at most {MAX_TEXT_CHARS} characters")


def _check_decides(known: ConnectionRuntime) -> None:
    if Decider.BRIDGE not in known.adapter.capabilities.target.decides:
        raise InvalidDecision("on this connection decisions are taken in the CRM itself")
    if known.policy.mode == "shadow":
        raise InvalidDecision("this connection is only watched: nothing is sent from here")


def _already_said(runtime: Runtime, locked: Locked, request: DecisionRequest, agent: Agent) -> bool:
    """Looked at first: the same answer again changes nothing and is no conflict, whatever happened since."""
    text = request.text if request.kind is DecisionKind.EDIT else None
    wanted = (request.kind.value, request.revision, agent.id, decisions.text_hash(text))
    for row in decisions.of_draft(locked.transaction, locked.draft.id):
        if (row.kind, row.revision, row.agent_id, row.text_hash) == wanted:
            return True
        if request.idempotency_key is not None and row.idempotency_key == request.idempotency_key:
            raise conflict(runtime, locked, "This idempotency key was used for another decision.")
    return False


def _heard_before(locked: Locked, request_key: str | None) -> bool:
    """The very same request again, a retry or a replay: it says nothing new, whatever happened since."""
    if request_key is None:
        return False
    return any(row.idempotency_key == request_key for row in decisions.of_draft(locked.transaction, locked.draft.id))


def _undone_before(locked: Locked, agent: Agent) -> bool:
    """Undo pressed twice: the first one stands, and nothing was decided since."""
    said = decisions.of_draft(locked.transaction, locked.draft.id)
    return (
        bool(said)
        and said[0].kind == "undo"
        and said[0].agent_id == agent.id
        and locked.draft.state in {DraftState.WRITTEN, DraftState.READY, DraftState.UNCONFIRMED}
    )


def _same_person_said(locked: Locked, agent: Agent, kind: str) -> bool:
    said = decisions.of_draft(locked.transaction, locked.draft.id)
    return bool(said) and said[0].kind == kind and said[0].agent_id == agent.id


def _with_announced_write(runtime: Runtime, locked: Locked) -> Locked:
    """A draft whose write was announced may stand in the CRM before the answer is here: who decides has seen it."""
    draft = locked.draft
    if not draft.may_stand or draft.id != locked.newest.id:
        return locked
    written = drafts.take_step(locked.transaction, runtime.store.cipher, draft, DraftStep.WRITE)
    return replace(locked, draft=written, newest=written)


def _require_current(runtime: Runtime, locked: Locked, request: DecisionRequest) -> None:
    """The decision must be about the newest draft as it stands now."""
    step = _STEPS[request.kind]
    current = locked.newest.id == locked.draft.id and locked.draft.revision == request.revision
    if not current or not allows(locked.draft.state, step):
        raise conflict(runtime, locked, _why_not(locked))


def _why_not(locked: Locked) -> str:
    state = locked.draft.state
    if state in {DraftState.APPROVED, DraftState.ATTEMPTED, DraftState.SENT, DraftState.UNCONFIRMED}:
        return "Somebody has decided this draft already."
    if state is DraftState.SUPERSEDED or locked.newest.id != locked.draft.id:
        return "This draft is out of date: something new was said. Look at what is new and decide again."
    return "This draft has changed since you looked at it. Look at the current revision and decide again."


# --- what each decision does --------------------------------------------------------------------------------------


def _approve(
    runtime: Runtime, known: ConnectionRuntime, locked: Locked, request: DecisionRequest, agent: Agent
) -> None:
    draft = _rebase_target(runtime, locked, request)
    if draft is None:
        _require_current(runtime, locked, request)
        draft = locked.draft
    text = request.text if request.kind is DecisionKind.EDIT else draft.text
    assert text is not None
    for shown in {draft.id: draft, locked.draft.id: locked.draft}.values():
        _require_acknowledged(shown, request, text)
    moment = now(locked.transaction)
    # Recorded on the draft that was asked about: that is where the same answer is looked for.
    decisions.record(locked.transaction, runtime.store.cipher, locked.draft, _said(request, agent), moment)
    answers = _answered_message(locked, draft, request)
    known_ids = tuple(item.id for item in cases.messages(locked.transaction, runtime.store.cipher, locked.case.id))
    unchanged = normalise(text) == normalise(draft.text or "")
    drafts.take_step(
        locked.transaction,
        runtime.store.cipher,
        draft,
        _STEPS[request.kind],
        approved_text=text,
        answers=answers,
        # What the agent saw, who may have written on an older draft: never what only the newest one saw.
        seen=seen_by_edit(known_ids, locked.draft.seen, answers),
        decision="accepted" if unchanged else "edited",
        approver_id=agent.id,
        approver_name=agent.name,
        approved_at=moment,
        send_after=moment + known.policy.undo,
        sends=draft.sends + 1 if draft.state is DraftState.FAILED else draft.sends,
        reason="",
        detail="",
    )
    wake(locked, moment, then=known.policy.undo)


def _answered_message(locked: Locked, draft: DraftRow, request: DecisionRequest) -> str:
    """The message a reply answers: the one an edit names, when that is newer than what its author's draft saw."""
    named = request.answers if request.kind is DecisionKind.EDIT else None
    if named and (draft.id != locked.draft.id or named not in locked.draft.seen):
        return named
    return draft.answers


def _rebase_target(runtime: Runtime, locked: Locked, request: DecisionRequest) -> DraftRow | None:
    """The draft an edit is re-based to: its author named the newest public message, so nothing newer is missed.

    None: not a re-based edit, the ordinary rule decides. Raises `DecisionConflict` when the named message is not
    the newest one known.
    """
    draft, newest = locked.draft, locked.newest
    moved_on = newest.id != draft.id or draft.revision != request.revision or draft.state is DraftState.SUPERSEDED
    if request.kind is not DecisionKind.EDIT or not request.answers or not moved_on:
        return None
    if request.revision > newest.revision:
        raise conflict(runtime, locked, "There is no such revision yet.")
    said = cases.messages(locked.transaction, runtime.store.cipher, locked.case.id)
    if newer_words(said, request.answers):
        raise conflict(runtime, locked, "Something newer was said than the message your edit answers.")
    if newest.live:
        if not allows(newest.state, DraftStep.EDIT):
            raise conflict(runtime, locked, "Somebody has decided the newest draft already.")
        return newest
    if newest.state not in {DraftState.SUPERSEDED, DraftState.REFUSED}:
        raise conflict(runtime, locked, _why_not(locked))
    return drafts.begin(
        locked.transaction,
        runtime.store.cipher,
        name=draft.connection,
        case_id=draft.case_id,
        episode_id=newest.episode_id,
        answers=request.answers,
        seen=draft.seen,
        previous_id=newest.id,
    )


def _require_acknowledged(draft: DraftRow, request: DecisionRequest, text: str) -> None:
    """Blocking flags that still apply to the text being approved."""
    found = open_flags(draft.content.flags, acknowledged=request.acknowledged, drafted=draft.text or "", approved=text)
    if found:
        raise FlagsNotAcknowledged(found)


def _reject(runtime: Runtime, locked: Locked, request: DecisionRequest, agent: Agent) -> None:
    _require_current(runtime, locked, request)
    moment = now(locked.transaction)
    decisions.record(locked.transaction, runtime.store.cipher, locked.draft, _said(request, agent), moment)
    drafts.take_step(
        locked.transaction,
        runtime.store.cipher,
        locked.draft,
        DraftStep.REJECT,
        reason=request.reason or "other",
        approver_id=agent.id,
        approver_name=agent.name,
    )
    wake(locked, moment)


def _respond(runtime: Runtime, locked: Locked, request: DecisionRequest, agent: Agent) -> None:
    _require_current(runtime, locked, request)
    moment = now(locked.transaction)
    decisions.record(locked.transaction, runtime.store.cipher, locked.draft, _said(request, agent), moment)
    old = drafts.take_step(locked.transaction, runtime.store.cipher, locked.draft, DraftStep.RESPOND)
    drafts.begin_again(locked.transaction, runtime.store.cipher, old, request.comment)
    wake(locked, moment)


def _said(request: DecisionRequest, agent: Agent) -> Said:
    return Said(
        kind=request.kind.value,
        revision=request.revision,
        agent=agent,
        source="panel",
        text=request.text if request.kind is DecisionKind.EDIT else None,
        reason=request.reason,
        comment=request.comment,
        acknowledged=request.acknowledged,
        idempotency_key=request.idempotency_key,
    )
