"""An approved text on its way to the customer and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_bridge.contract.case import Addressing
from crm_bridge.contract.delivery import CaseRef
from crm_bridge.contract.draft import Agent
from crm_bridge.contract.value import Value


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovedReply(Value):
    """A text a named person approved, on its way to the customer.

    `seen` are the ids of every public message the approver answers: anything else public that stands in the
    CRM when it is sent is a `Conflict`.
    """

    draft_id: str
    revision: int
    case: CaseRef
    text: str
    language: str
    addressing: Addressing
    approver: Agent
    answers: str
    seen: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SentRef(Value):
    """The message a reply became."""

    id: str
    sent_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Found(Value):
    """The reply stands in the CRM."""

    ref: SentRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvenAbsent(Value):
    """The reply is certain not to have gone out, and an attempt of ours can no longer arrive."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown(Value):
    """The CRM cannot tell. `look_again_after`: worth asking once more (an index that lags), None: never."""

    reason: str
    look_again_after: timedelta | None = None


FindResult = Found | ProvenAbsent | Unknown
