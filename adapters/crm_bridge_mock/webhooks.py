"""What the embedded CRM sends to the bridge: verify, parse, acknowledge, identify. Pure, no I/O.

Two kinds of delivery: webhooks (Standard Webhooks, or a secret in the path where the profile cannot sign) and calls of
the desk to the panel (signed over method, target, time and body). Nothing of an unsigned body but a ref is believed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from crm_bridge.contract import (
    Agent,
    CaseRef,
    Delivery,
    Event,
    EventKind,
    ForeignRef,
    InvalidDelivery,
    Receipt,
    Ref,
    Response,
    VerificationFailed,
    VerifiedDelivery,
)
from crm_bridge.contract.value import MAX_ID_LENGTH
from crm_bridge.kit.parsing import JsonValue, parse_json
from crm_bridge.kit.signing import check_secret, verify_request, verify_webhook

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

_PANEL = re.compile(r"/panel/[a-z0-9][a-z0-9-]*/")
_TOKEN = re.compile(r"/webhooks/[a-z0-9-]+/([0-9a-f]{64})(?:\?.*)?", re.DOTALL)
_PANEL_REQUEST = "panel:"
_AGENT_FIELDS = ("agent_id", "agent_name")


def path_token(secret: str) -> str:
    """The secret of a webhook path, derived so that the signing secret never stands in a URL."""
    return hmac.new(check_secret(secret), b"crm-bridge mock: path of webhooks", hashlib.sha256).hexdigest()


def verify(delivery: Delivery, secrets: Sequence[str], *, signs_bodies: bool, prefix: str = "") -> VerifiedDelivery:
    """Prove who sent it. `prefix` is the path of the public URL, below which our routes lie.

    Raises `VerificationFailed` and nothing else.
    """
    if _PANEL.match(delivery.target.removeprefix(prefix)):
        verify_request(delivery, secrets)
        signature = hashlib.sha256((delivery.header("crm-signature") or "").encode()).hexdigest()
        return VerifiedDelivery(delivery=delivery, signed_body=True, delivery_id=f"{_PANEL_REQUEST}{signature}")
    if signs_bodies:
        return VerifiedDelivery(delivery=delivery, signed_body=True, delivery_id=verify_webhook(delivery, secrets))
    _verify_path(delivery.target.removeprefix(prefix), secrets)
    return VerifiedDelivery(delivery=delivery, signed_body=False)


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


def identify(verified: VerifiedDelivery) -> Agent:
    """The agent behind a panel request, from its signed query. Raises `VerificationFailed` and nothing else."""
    target = verified.delivery.target
    # Only what was verified as a panel request covers its target, and the agent stands there.
    if not (verified.delivery_id or "").startswith(_PANEL_REQUEST):
        raise VerificationFailed("not_a_panel_request")
    try:
        pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise VerificationFailed("malformed_query") from None
    given = {name: [value for key, value in pairs if key == name] for name in _AGENT_FIELDS}
    if not all(len(values) == 1 and _usable(values[0]) for values in given.values()):
        raise VerificationFailed("no_agent")
    return Agent(id=given["agent_id"][0], name=given["agent_name"][0])


def _verify_path(target: str, secrets: Sequence[str]) -> None:
    found = _TOKEN.fullmatch(target)
    if found is None:
        raise VerificationFailed("no_path_secret")
    given = found[1].encode()
    matches = [hmac.compare_digest(path_token(secret).encode(), given) for secret in secrets]
    if not any(matches):
        raise VerificationFailed("wrong_path_secret")


def _event(entry: JsonValue) -> Event:
    if not isinstance(entry, dict) or not _usable(entry.get("id")):
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
    if _usable(case):
        return CaseRef(id=str(case))
    return ForeignRef(kind="thread", id=str(thread)) if _usable(thread) else None


def _usable(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and value.isprintable()


def _time(value: object) -> datetime | None:
    """An aware time, or None for anything else: the time of an event decides nothing."""
    try:
        moment = datetime.fromisoformat(str(value))
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
