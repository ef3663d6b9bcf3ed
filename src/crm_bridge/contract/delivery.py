"""What comes in: a raw request, what an adapter vouches for, the events in it and the refs they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from crm_bridge.contract.value import Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery(Value):
    """One inbound HTTP request, raw. `target` is the raw path and query exactly as it stood on the request line."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime

    def header(self, name: str) -> str | None:
        """The value of a header whatever its case, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedDelivery(Value):
    """A delivery an adapter vouches for. `signed_body` is False for hints: only refs are taken from those."""

    delivery: Delivery
    signed_body: bool
    delivery_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseRef(Value):
    """A case of this connection by the CRM's own id."""

    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignRef(Value):
    """Something an event is about that is no case yet: a thread, a comment. `resolve` finds its case."""

    kind: str
    id: str


Ref = CaseRef | ForeignRef


class EventKind(StrEnum):
    """What a CRM says happened. Only a hint: the truth is read. Unknown kinds are kept, never an error."""

    CASE_CREATED = "case_created"
    MESSAGE_ADDED = "message_added"
    CASE_CHANGED = "case_changed"
    CASE_CLOSED = "case_closed"
    CASE_REOPENED = "case_reopened"
    CASE_MERGED = "case_merged"
    CASE_DELETED = "case_deleted"
    DRAFT_CHANGED = "draft_changed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event(Value):
    """One canonical hint that a ref may need attention.

    `key` is what makes the same change the same event however often it is delivered; None where the CRM gives
    nothing to build one from (then every delivery is a new hint, which does no harm).
    """

    kind: EventKind
    about: Ref
    key: str | None
    occurred_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt(Value):
    """What became of a delivery once it was committed: how many events it held, how many were new."""

    events: int
    new: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Response(Value):
    """What this CRM wants to hear."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
