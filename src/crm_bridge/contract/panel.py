"""What an agent can ever see about a draft: a closed list of states and of reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from crm_bridge.contract.draft import Finding
from crm_bridge.contract.value import Value


class StateKind(StrEnum):
    """Everything an agent can ever see about a draft: a closed list."""

    DRAFTING = "drafting"
    READY = "ready"
    NO_DRAFT = "no_draft"
    SUPERSEDED = "superseded"
    SENDING = "sending"
    HANDED_OVER = "handed_over"
    SENT = "sent"
    COULD_NOT_SEND = "could_not_send"
    UNCONFIRMED = "unconfirmed"
    REJECTED = "rejected"
    ANSWERED_OTHERWISE = "answered_otherwise"
    DECIDED_TOO_LATE = "decided_too_late"


class NoDraftReason(StrEnum):
    """Why there is no draft: a closed list."""

    DATA = "data"
    NO_SOURCE = "no_source"
    POLICY = "policy"
    NOT_IN_ROLLOUT = "not_in_rollout"
    MEASURED_WITHOUT_AI = "measured_without_ai"
    BUDGET = "budget"
    PAUSED = "paused"
    TECHNICAL = "technical"


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelState(Value):
    """What the agent sees: one of the closed list, its sentence, and the one thing to do.

    `sequence` grows with every change of the case: a receiver ignores what is older than what it has.
    `since` is when this state began; `undo_until` ends the undo window; `draft_status` is the draft's own state.
    """

    kind: StateKind
    sentence: str
    action: str = ""
    reason: str = ""
    sequence: int
    revision: int = 0
    since: datetime | None = None
    undo_until: datetime | None = None
    draft_id: str | None = None
    draft_status: str = ""
    by: str = ""
    findings: tuple[Finding, ...] = ()
