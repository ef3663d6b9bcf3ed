"""What an agent is shown of a case, for the panel's requests and for states written into the CRM. No CRM call but
`may_see`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from crm_bridge.contract import (
    Agent,
    BridgeError,
    CaseRef,
    Message,
    NoDraftReason,
    OutboundError,
    PanelState,
    StateKind,
    Visibility,
)
from crm_bridge.core import visible
from crm_bridge.core.lifecycle import DraftState
from crm_bridge.pipeline.observe import open_question, own_answer
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.store import cases, connections, decisions, drafts, inbox
from crm_bridge.store.cases import CaseRow
from crm_bridge.store.codec import to_json
from crm_bridge.store.drafts import DraftRow


class UnknownCase(BridgeError):
    """This connection has no such case, or this agent may not see it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelView:
    """A case's state, its newest draft, and what was said since that draft."""

    case: str
    sequence: int
    state: PanelState
    draft: DraftRow | None
    new_messages: tuple[Message, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "sequence": self.sequence,
            "state": to_json(self.state),
            "draft": None if self.draft is None or self.draft.text is None else draft_json(self.draft),
            "new_messages": [message_json(message) for message in self.new_messages],
        }


def draft_json(draft: DraftRow) -> dict[str, Any]:
    return {
        "id": draft.id,
        "revision": draft.revision,
        "status": draft.shown_state.value,
        "text": draft.text,
        "approved_text": draft.approved_text,
        "working_text": draft.working_text,
        "answers": draft.answers,
        "made_from": list(draft.seen),
        "language": draft.language,
        **to_json(draft.content),
    }


def message_json(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "author": message.author.name or message.author.kind,
        "direction": message.direction,
        "text": message.text,
        "sent_at": message.sent_at.isoformat(),
    }


def panel_view(runtime: Runtime, connection: str, case_id: str, agent: Agent) -> PanelView:
    """Raises `UnknownConnection`, `UnknownCase`."""
    known = runtime.connection(connection)
    require_visible(known, agent, case_id)

    def work(transaction: sa.Connection) -> PanelView:
        case = cases.find(transaction, connection, case_id)
        if case is None:
            raise UnknownCase("this case is not known here yet")
        return build_view(runtime, transaction, case)

    view = runtime.store.run(work)
    return _shadowed(view) if known.policy.mode == "shadow" else view


def _shadowed(view: PanelView) -> PanelView:
    """A connection that is only watched shows agents nothing of what it drafts."""
    words = visible.no_draft_words(NoDraftReason.NOT_IN_ROLLOUT.value)
    state = PanelState(
        kind=StateKind.NO_DRAFT,
        sentence=words.sentence,
        action=words.action,
        reason=NoDraftReason.NOT_IN_ROLLOUT.value,
        sequence=view.sequence,
    )
    return PanelView(case=view.case, sequence=view.sequence, state=state, draft=None)


def require_visible(known: ConnectionRuntime, agent: Agent, case_id: str) -> None:
    """The CRM vouched for the agent; where it also says who may see the case, that is respected."""
    try:
        seen = known.adapter.may_see(agent, CaseRef(id=case_id))
    except OutboundError:
        seen = Visibility.CANNOT_TELL
    if seen is Visibility.NO:
        raise UnknownCase("this case is not known here yet")


def build_view(runtime: Runtime, transaction: sa.Connection, case: CaseRow) -> PanelView:
    """The view of a case inside a transaction."""
    draft = drafts.latest(transaction, runtime.store.cipher, case.id)
    said = cases.messages(transaction, runtime.store.cipher, case.id)
    seen = set(draft.seen) if draft else set()
    new = tuple(message for message in said if draft and message.id not in seen and message.id != draft.sent_id)
    return PanelView(
        case=case.ref,
        sequence=case.sequence,
        state=build_state(transaction, case, draft, said),
        draft=draft,
        new_messages=new,
    )


def build_state(
    transaction: sa.Connection, case: CaseRow, draft: DraftRow | None, said: Sequence[Message] = ()
) -> PanelState:
    """One of the closed list, with its sentence and its one action. `said`: the public messages as last read."""
    late = _late_decision(transaction, case, draft)
    if late is not None and draft is not None:
        return _late_state(case, draft, late)
    stopped = connections.status(transaction, case.connection)
    if (
        stopped is not None
        and stopped.stopped_by is not None
        and (draft is None or draft.state in {DraftState.DRAFTING, DraftState.REGENERATED, DraftState.SUPERSEDED})
    ):
        return _paused_state(case, stopped.stopped_by)
    if draft is None:
        return _state_without_draft(transaction, case, said)
    answer = own_answer(said) if visible.VISIBLE[draft.state] in visible.ENDS_WITH_OWN_REPLY else None
    return draft_state(case, draft) if answer is None else _answered_state(case, draft, answer)


def _state_without_draft(transaction: sa.Connection, case: CaseRow, said: Sequence[Message]) -> PanelState:
    """Nothing was drafted: because it is still to come, it failed, it is none of ours, or nobody waits."""
    reason = ""
    if inbox.waiting(transaction, case.id):
        kind = StateKind.DRAFTING
    elif case.observed_at is None:
        kind, reason = StateKind.NO_DRAFT, NoDraftReason.TECHNICAL.value
    elif open_question(said) is not None:
        kind, reason = StateKind.NO_DRAFT, NoDraftReason.NOT_IN_ROLLOUT.value
    else:
        kind = StateKind.ANSWERED_OTHERWISE
    words = visible.no_draft_words(reason) if reason else visible.kind_words(kind)
    return PanelState(kind=kind, sentence=words.sentence, action=words.action, reason=reason, sequence=case.sequence)


def _answered_state(case: CaseRow, draft: DraftRow, answer: Message) -> PanelState:
    """There was no draft to send, and somebody has answered in the CRM since."""
    words = visible.kind_words(StateKind.ANSWERED_OTHERWISE)
    return PanelState(
        kind=StateKind.ANSWERED_OTHERWISE,
        sentence=words.sentence,
        action=words.action,
        sequence=case.sequence,
        revision=draft.revision,
        since=answer.sent_at,
        draft_id=draft.id,
        draft_status=draft.state.value,
        by=answer.author.name or "",
    )


def draft_state(case: CaseRow, draft: DraftRow) -> PanelState:
    """What a draft's own state looks like to an agent."""
    shown = draft.shown_state
    kind = visible.VISIBLE[shown]
    words = visible.words(shown, draft.reason)
    reason = draft.reason
    if kind is StateKind.NO_DRAFT:
        settled = visible.SETTLED_REASONS.get(draft.state)
        reason = settled.value if settled else draft.reason
    sentence = f"{words.sentence} {draft.detail}".strip() if draft.detail else words.sentence
    return PanelState(
        kind=kind,
        sentence=sentence,
        action=words.action,
        reason=reason,
        sequence=case.sequence,
        revision=draft.revision,
        since=draft.created_at if kind is StateKind.DRAFTING else draft.state_since,
        undo_until=draft.send_after if draft.state is DraftState.APPROVED else None,
        draft_id=draft.id,
        draft_status=shown.value,
        by=draft.approver_name or "",
        findings=draft.content.findings,
    )


def _late_decision(transaction: sa.Connection, case: CaseRow, draft: DraftRow | None) -> decisions.DecisionRow | None:
    """A decision the CRM took on an older revision, until something newer is decided or said."""
    newest = decisions.newest_of_case(transaction, case.id)
    if newest is None or not newest.late or draft is None:
        return None
    if draft.shown_state in {DraftState.DRAFTING, DraftState.READY}:
        return newest if newest.draft_id == draft.previous_id else None
    said_of_this = newest.decided_at >= draft.created_at or newest.draft_id == draft.id
    return newest if draft.shown_state is DraftState.WRITTEN and said_of_this else None


def _late_state(case: CaseRow, draft: DraftRow, late: decisions.DecisionRow) -> PanelState:
    """Of the newest draft once it stands in the CRM; until then of the one that was decided."""
    words = visible.kind_words(StateKind.DECIDED_TOO_LATE)
    stands = draft.shown_state is DraftState.WRITTEN
    return PanelState(
        kind=StateKind.DECIDED_TOO_LATE,
        sentence=words.sentence,
        action=words.action,
        sequence=case.sequence,
        revision=draft.revision if stands else late.revision,
        since=late.decided_at,
        draft_id=draft.id if stands else late.draft_id,
        draft_status=draft.shown_state.value if stands else DraftState.SUPERSEDED.value,
        by=late.agent_name,
    )


def _paused_state(case: CaseRow, by: str) -> PanelState:
    words = visible.no_draft_words(NoDraftReason.PAUSED.value)
    return PanelState(
        kind=StateKind.NO_DRAFT,
        sentence=f"No draft: drafting is paused by {by}.",
        action=words.action,
        reason=NoDraftReason.PAUSED.value,
        sequence=case.sequence,
        by=by,
    )
