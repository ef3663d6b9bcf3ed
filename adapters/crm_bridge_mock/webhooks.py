"""What the embedded CRM sends to the bridge: verify, parse, acknowledge. Pure, no I/O.

Two kinds of delivery: webhooks (Standard Webhooks, a signature over the whole request, or a secret in the path where
the profile cannot sign) and calls of the desk to the panel (signed over method, target, time and body). Nothing of an
unsigned body but a ref is believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from crm_bridge.contract import (
    CaseRef,
    Delivery,
    DeliveryAuth,
    Event,
    EventKind,
    ForeignRef,
    InvalidDelivery,
    Receipt,
    Ref,
    Response,
    VerifiedDelivery,
)
from crm_bridge.kit.inbound import is_panel_call, usable_id, verify_panel_call, verify_path_token
from crm_bridge.kit.parsing import JsonValue, parse_json
from crm_bridge.kit.signing import verify_request, verify_webhook

MAX_EVENTS = 1_000
EVENT_KINDS: Mapping[str, EventKind] = MappingProxyType(
    {
        "case.created": EventKind.CASE_CREATED,
        "message.created": EventKind.MESSAGE_ADDED,
        "case.updated": EventKind.CASE_CHANGED,
        "case.closed": EventKind.CASE_CLOSED,
        "case.reopened": EventKind.CASE_REOPENED,
        "case.merged": EventKind.CASE_MERGED,
        "case.deleted": EventKind.CASE_DELETED,
        "draft.changed": EventKind.DRAFT_CHANGED,
    }
)
NO_REF = "event"
"""The kind of ref of an event that names no case: it is kept, and resolves to nothing."""


def verify(delivery: Delivery, secrets: Sequence[str], *, auth: DeliveryAuth, public_url: str) -> VerifiedDelivery:
    """Prove who sent it. Raises `VerificationFailed` and nothing else."""
    if is_panel_call(delivery, public_url=public_url):
        return verify_panel_call(delivery, secrets)
    if auth.is_hint:
        return verify_path_token(delivery, secrets, public_url=public_url)
    if "target" in auth.covers:
        verify_request(delivery, secrets)
        return VerifiedDelivery(delivery=delivery, signed_body=True)
    return VerifiedDelivery(delivery=delivery, signed_body=True, delivery_id=verify_webhook(delivery, secrets))


def parse(verified: VerifiedDelivery) -> list[Event]:
    """The events of a webhook. Raises `InvalidDelivery` and nothing else."""
    document = parse_json(verified.delivery.body)
    entries = document if isinstance(document, list) else [document]
    if len(entries) > MAX_EVENTS:
        raise InvalidDelivery(f"a delivery holds at most {MAX_EVENTS} events")
    read = _event if verified.signed_body else _hint
    return [read(entry) for entry in entries]


def acknowledge(_delivery: Delivery, receipt: Receipt | None) -> Response:
    """This CRM only looks at the status; the counts are for people who watch."""
    if receipt is None:
        return Response(status=200, body=b"{}")
    return Response(status=200, body=b'{"events": %d, "new": %d}' % (receipt.events, receipt.new))


def _event(entry: JsonValue) -> Event:
    if not isinstance(entry, dict) or not usable_id(entry.get("id")):
        raise InvalidDelivery("every event is an object with an id")
    return Event(
        kind=EVENT_KINDS.get(str(entry.get("type")), EventKind.UNKNOWN),
        about=_ref(entry) or ForeignRef(kind=NO_REF, id=str(entry["id"])),
        key=str(entry["id"]),
        occurred_at=_time(entry.get("occurred_at")),
        raw=entry,
    )


def _hint(entry: JsonValue) -> Event:
    ref = _ref(entry) if isinstance(entry, dict) else None
    if ref is None:
        raise InvalidDelivery("every event names a case or a thread")
    return Event(kind=EventKind.CASE_CHANGED, about=ref, key=None)


def _ref(entry: Mapping[str, Any]) -> Ref | None:
    case, thread = entry.get("case"), entry.get("thread")
    if usable_id(case):
        return CaseRef(id=str(case))
    return ForeignRef(kind="thread", id=str(thread)) if usable_id(thread) else None


def _time(value: object) -> datetime | None:
    """An aware time, or None for anything else: the time of an event decides nothing."""
    try:
        moment = datetime.fromisoformat(str(value))
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
