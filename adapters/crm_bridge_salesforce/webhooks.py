"""What Salesforce sends to the bridge: verify, parse, acknowledge. Pure, no I/O.

Two kinds of delivery. Outbound Messages are not signed and carry no usable credential any more, so they are hints: who
knows the secret in the path may say that a record changed, and of one org only. The notices of our own Apex code about
a decision are signed over time and body, and are hints too: what was decided is read from the record.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from crm_bridge.contract import (
    CaseRef,
    Delivery,
    Event,
    EventKind,
    ForeignRef,
    InvalidDelivery,
    Receipt,
    Response,
    VerificationFailed,
    VerifiedDelivery,
)
from crm_bridge.kit.parsing import parse_json
from crm_bridge.kit.signing import TOLERANCE
from crm_bridge_salesforce import ids, soap

SIGNATURE, TIMESTAMP = "x-crm-bridge-signature", "x-crm-bridge-timestamp"
MAX_NOTICE_BYTES = 10_000
NO_RECORD = "Notification"
"""The kind of ref of a notification whose record was deleted: kept, resolved to nothing; a poll finds which it was."""
_TOKEN = re.compile(r"/webhooks/[a-z0-9-]+/([A-Za-z0-9_-]{22,200})(?:\?.*)?", re.DOTALL)
_SIGNED_TO = re.compile(r"/webhooks/[a-z0-9-]+/?(?:\?.*)?", re.DOTALL)
_SIGNATURE = re.compile(r"v1=([0-9a-f]{64})")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
XML = "text/xml; charset=utf-8"


def verify(
    delivery: Delivery, *, path_tokens: Sequence[str], apex_secrets: Sequence[str], public_url: str
) -> VerifiedDelivery:
    """Prove who sent it. Raises `VerificationFailed` and nothing else."""
    target = delivery.target.removeprefix(urlsplit(public_url).path.rstrip("/"))
    found = _TOKEN.fullmatch(target)
    if found is not None:
        _match_token(found[1], path_tokens)
        return VerifiedDelivery(delivery=delivery, signed_body=False)
    if _SIGNED_TO.fullmatch(target) is None:
        raise VerificationFailed("no_path_token")
    return VerifiedDelivery(
        delivery=delivery, signed_body=True, delivery_id=f"apex:{_signature_of(delivery, apex_secrets)}"
    )


def parse(verified: VerifiedDelivery, *, organization: str) -> list[Event]:
    """The events of a delivery; those of another org are refused. Raises `InvalidDelivery` and nothing else."""
    if verified.signed_body:
        return [_decision(verified, organization)]
    message = soap.parse(verified.delivery.body)
    if not ids.same(message.organization, organization):
        raise InvalidDelivery("the message is of another organization")
    return [_hint(one) for one in message.notifications]


def acknowledge(delivery: Delivery, receipt: Receipt | None) -> Response:
    """Outbound Messages are repeated until they hear this Ack; the status alone says nothing to Salesforce."""
    if _SIGNED_TO.fullmatch("/webhooks/" + delivery.target.rpartition("/webhooks/")[2]) and receipt is not None:
        return Response(status=200, body=b'{"events": %d, "new": %d}' % (receipt.events, receipt.new))
    return Response(status=200, body=soap.ACK if receipt is not None else soap.NO_ACK, content_type=XML)


# --- proofs -------------------------------------------------------------------------------------------------------


def sign(secret: str, *, timestamp: str, body: bytes) -> str:
    """The value of the signature's header, as the Apex code makes it."""
    return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _match_token(given: str, tokens: Sequence[str]) -> None:
    matches = [hmac.compare_digest(token.encode(), given.encode()) for token in tokens]
    if not any(matches):
        raise VerificationFailed("wrong_path_token")


def _signature_of(delivery: Delivery, secrets: Sequence[str]) -> str:
    timestamp = _only(delivery, TIMESTAMP, _TIMESTAMP)
    given = _only(delivery, SIGNATURE, _SIGNATURE)
    if abs(delivery.received_at.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        raise VerificationFailed("stale_timestamp")
    expected = [sign(secret, timestamp=timestamp, body=delivery.body) for secret in secrets]
    if not any([hmac.compare_digest(one.encode(), given.encode()) for one in expected]):  # noqa: C419 - all are tried
        raise VerificationFailed("wrong_signature")
    return given.removeprefix("v1=")


def _only(delivery: Delivery, name: str, shape: re.Pattern[str]) -> str:
    """The one value of a header that security rests on."""
    values = [value for key, value in delivery.headers.items() if key.lower() == name]
    if len(values) != 1:
        raise VerificationFailed("missing_header" if not values else "repeated_header")
    if not shape.fullmatch(values[0]):
        raise VerificationFailed("malformed_header")
    return values[0]


# --- events -------------------------------------------------------------------------------------------------------


def _hint(one: soap.Notification) -> Event:
    """The key is the notification's id with the record's: repeated until it hears an Ack, it keeps its id."""
    if not one.record:
        return Event(kind=EventKind.UNKNOWN, about=ForeignRef(kind=NO_RECORD, id=one.id), key=one.id)
    key = f"{one.id}:{one.record}"
    if one.kind == "Case" and ids.is_id(one.record, ids.CASE):
        return Event(kind=EventKind.CASE_CHANGED, about=CaseRef(id=one.record), key=key)
    kind = _KINDS.get(one.kind, EventKind.UNKNOWN)
    if kind is not EventKind.UNKNOWN and ids.is_id(one.parent, ids.CASE):
        return Event(kind=kind, about=CaseRef(id=str(one.parent)), key=key)
    return Event(kind=kind, about=ForeignRef(kind=one.kind, id=one.record), key=key)


_KINDS: Mapping[str, EventKind] = {"EmailMessage": EventKind.MESSAGE_ADDED, "CaseComment": EventKind.MESSAGE_ADDED}


def _decision(verified: VerifiedDelivery, organization: str) -> Event:
    document = parse_json(verified.delivery.body, max_bytes=MAX_NOTICE_BYTES, max_depth=8)
    if not isinstance(document, dict) or not ids.is_id(document.get("caseId"), ids.CASE):
        raise InvalidDelivery("a notice names a case")
    if not ids.same(str(document.get("organizationId")), organization):
        raise InvalidDelivery("the notice is of another organization")
    kind = EventKind.DRAFT_CHANGED if document.get("type") == "decision" else EventKind.UNKNOWN
    return Event(kind=kind, about=CaseRef(id=ids.full(str(document["caseId"]))), key=verified.delivery_id, raw=document)
