"""Signatures over raw bytes: Standard Webhooks for events, and request signatures for calls with a target.

Owns making and checking them, and what a usable secret is. Pure: the time is the delivery's own. It neither parses
bodies nor remembers ids; a replayed delivery verifies and is recognised later by the keys of its events.

Standard Webhooks (https://www.standardwebhooks.com) signs `id.timestamp.body`. The `standardwebhooks` library is the
oracle of the tests but is not called here, because wrapping it cannot meet the rules: it compares with its own clock
instead of the delivery's, decodes signatures leniently (changed signature bytes still pass), signs an aware time of
another zone as if it were UTC, cannot sign bytes that are no UTF-8, and stops with a `ValueError` at a malformed
signature that stands before the good one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets as random_source
from collections.abc import Sequence
from datetime import datetime, timedelta

from crm_bridge.contract import Delivery, InvalidConfig, VerificationFailed

TOLERANCE = timedelta(seconds=300)
"""How far a signed time may lie from the time of receipt, on either side (the Standard Webhooks figure)."""

SECRET_PREFIX = "whsec_"  # noqa: S105 - only what every secret starts with
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 16, 128
"""Standard Webhooks advises 24 to 64 bytes; fewer than 16 could be guessed."""

MAX_SIGNATURES = 16
_EXPECTED_SECRET = f"{SECRET_PREFIX}<base64 of {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes>"

# No full stop: it separates the signed parts. No comma: proxies join repeated headers with one.
_MESSAGE_ID = re.compile(r"[!-+\-/-~]{1,200}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURES = re.compile(r"[!-~ ]{1,4096}")
_SIGNATURE = re.compile(r"(v[0-9a-z]{1,8}),([A-Za-z0-9+/=]{1,200})")
_METHOD = re.compile(r"[A-Z]{1,16}")
_TARGET = re.compile(r"/[!-~]{0,8191}")


def new_secret() -> str:
    """A fresh secret of 32 random bytes, as `whsec_<base64>`."""
    return SECRET_PREFIX + base64.b64encode(random_source.token_bytes(32)).decode("ascii")


def check_secret(secret: str, *, path: str = "secret") -> bytes:
    """The key inside `whsec_<base64>` (padding optional). Raises `InvalidConfig` naming `path`, never the secret."""
    if not isinstance(secret, str) or not secret.startswith(SECRET_PREFIX):
        raise InvalidConfig(path, _EXPECTED_SECRET)
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidConfig(path, _EXPECTED_SECRET) from None
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise InvalidConfig(path, _EXPECTED_SECRET)
    return key


def sign_webhook(secret: str, *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three Standard Webhooks headers of `body`.

    `message_id`: 1 to 200 visible ASCII characters without `.` and `,`, the same at every retry. Raises `ValueError`
    for another id or a naive time, `InvalidConfig` for an unusable secret.
    """
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("message_id must be 1 to 200 visible ASCII characters without '.' and ','")
    timestamp = _timestamp(at)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": _signature(check_secret(secret), _webhook_content(message_id, timestamp, body)),
    }


def verify_webhook(delivery: Delivery, secrets: Sequence[str], *, tolerance: timedelta = TOLERANCE) -> str:
    """The `webhook-id` of a delivery signed with any of `secrets`, close to its `received_at`.

    Raises `VerificationFailed` and nothing else, whatever the bytes. One signature that matches one secret is enough;
    all are tried, each in constant time.
    """
    message_id = _only_header(delivery, "webhook-id", _MESSAGE_ID)
    timestamp = _fresh_timestamp(delivery, "webhook-timestamp", tolerance)
    given = _given_signatures(delivery, "webhook-signature")
    _match(given, secrets, _webhook_content(message_id, timestamp, delivery.body))
    return message_id


def sign_request(secret: str, *, method: str, target: str, at: datetime, body: bytes) -> dict[str, str]:
    """`crm-timestamp` and `crm-signature` of one HTTP request, covering method, raw target, time and body.

    `target` is path and query exactly as they stand on the request line. Raises `ValueError` when it (or the method)
    is not what may stand there, `InvalidConfig` for an unusable secret.
    """
    if not (_METHOD.fullmatch(method.upper()) and _TARGET.fullmatch(target)):
        raise ValueError("method and target must stand as on the request line: visible ASCII, target from '/'")
    timestamp = _timestamp(at)
    content = _request_content(method, target, timestamp, body)
    return {"crm-timestamp": timestamp, "crm-signature": _signature(check_secret(secret), content)}


def verify_request(delivery: Delivery, secrets: Sequence[str], *, tolerance: timedelta = TOLERANCE) -> None:
    """Prove that method, raw target, time and body are what a holder of one of `secrets` signed.

    Raises `VerificationFailed` and nothing else, whatever the bytes.
    """
    if not (_METHOD.fullmatch(delivery.method.upper()) and _TARGET.fullmatch(delivery.target)):
        raise VerificationFailed("malformed_target")
    timestamp = _fresh_timestamp(delivery, "crm-timestamp", tolerance)
    given = _given_signatures(delivery, "crm-signature")
    _match(given, secrets, _request_content(delivery.method, delivery.target, timestamp, delivery.body))


# --- what is signed -----------------------------------------------------------------------------------------------


def _webhook_content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode("ascii") + body


def _request_content(method: str, target: str, timestamp: str, body: bytes) -> bytes:
    # Every part but the last is free of newlines, and no webhook id holds one: nothing signed as one passes as another.
    return f"crm-request\n{timestamp}\n{method.upper()}\n{target}\n".encode("ascii") + body


def _signature(key: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode("ascii")


def _timestamp(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError("the time of a signature must be aware")
    return str(int(at.timestamp()))


# --- what is accepted ---------------------------------------------------------------------------------------------


def _only_header(delivery: Delivery, name: str, shape: re.Pattern[str]) -> str:
    """The one value of a header that security rests on; a repeated or oddly shaped one is refused."""
    values = [value for key, value in delivery.headers.items() if key.lower() == name]
    if not values:
        raise VerificationFailed("missing_header")
    if len(values) > 1:
        raise VerificationFailed("repeated_header")
    if not shape.fullmatch(values[0]):
        raise VerificationFailed("malformed_header")
    return values[0]


def _fresh_timestamp(delivery: Delivery, name: str, tolerance: timedelta) -> str:
    text = _only_header(delivery, name, _TIMESTAMP)
    distance_s = abs(delivery.received_at.timestamp() - int(text))
    if distance_s > tolerance.total_seconds():
        raise VerificationFailed("stale_timestamp")
    return text


def _given_signatures(delivery: Delivery, name: str) -> list[bytes]:
    """All `v1` signatures of a header `v1,<base64> v1,<base64> v1a,<base64>`; other versions are passed over."""
    tokens = _only_header(delivery, name, _SIGNATURES).split(" ")
    matches = [_SIGNATURE.fullmatch(token) for token in tokens]
    if len(tokens) > MAX_SIGNATURES or not all(matches):
        raise VerificationFailed("malformed_signature")
    return [found[0].encode("ascii") for found in matches if found and found[1] == "v1"]


def _match(given: Sequence[bytes], secrets: Sequence[str], content: bytes) -> None:
    """Compare every signature with what every secret would give: as text, so only one spelling passes."""
    matched = False
    for secret in secrets:
        try:
            key = check_secret(secret)
        except InvalidConfig:
            # Refused when the adapter is built; here it must never open a door, nor break the promise of `verify`.
            raise VerificationFailed("unusable_secret") from None
        expected = _signature(key, content).encode("ascii")
        for signature in given:
            matched |= hmac.compare_digest(expected, signature)
    if not matched:
        raise VerificationFailed("wrong_signature")
