"""A proposed reply, what it is grounded in, what was remarked on it, and what people decided of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from crm_bridge.contract.case import Addressing
from crm_bridge.contract.value import Value


class Severity(StrEnum):
    """`informing` is shown; `blocking` stops (a finding) or must be acknowledged by name (a flag)."""

    INFORMING = "informing"
    BLOCKING = "blocking"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding(Value):
    """A data-quality remark on the case, made before the model. `field` is what a person should repair."""

    code: str
    severity: Severity
    field: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag(Value):
    """A remark on a draft's text. `excerpt` is the part of the draft it is about."""

    code: str
    severity: Severity
    detail: str
    excerpt: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source(Value):
    """What a proposal is grounded in. `excerpt` is the passage used."""

    id: str
    title: str
    url: str = ""
    excerpt: str = ""
    language: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft(Value):
    """A proposed reply in plain text. Only the adapter turns it into the CRM's form.

    `answers` is the newest public message it replies to, `made_from` the ids of all public messages it saw.
    """

    id: str
    revision: int
    answers: str
    made_from: tuple[str, ...]
    text: str
    language: str
    sources: tuple[Source, ...] = ()
    findings: tuple[Finding, ...] = ()
    flags: tuple[Flag, ...] = ()
    addressing: Addressing


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint(Value):
    """What identifies a text standing in the CRM after the adapter's own normalising."""

    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftRef(Value):
    """A draft that stands in the CRM: the CRM's id of it and the fingerprint of what was written."""

    id: str
    fingerprint: Fingerprint


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent(Value):
    """A person of the support team, as the CRM vouches for them."""

    id: str
    name: str
    email: str = ""


class DecisionKind(StrEnum):
    """What a named agent says of a draft. `respond` = try again with this instruction."""

    ACCEPT = "accept"
    EDIT = "edit"
    REJECT = "reject"
    RESPOND = "respond"


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteDecision(Value):
    """A decision that was taken in the CRM itself, read back from the record.

    `answers`: the newest public message its author says they saw, to re-base an edit. `acknowledged`: codes of the
    blocking flags they looked at; where the CRM cannot ask for that, none are.
    """

    kind: DecisionKind
    agent: Agent
    revision: int
    text: str | None = None
    answers: str | None = None
    acknowledged: tuple[str, ...] = ()
    reason: str = ""
    comment: str = ""
    decided_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteDraft(Value):
    """What stands in the CRM now, whoever wrote it last."""

    ref: DraftRef
    revision: int
    status: str
    text: str
    decision: RemoteDecision | None = None
    changed_at: datetime | None = None
