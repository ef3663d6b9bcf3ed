"""Only exactly what was signed verifies, and everything else fails in one way."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import standardwebhooks
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import Delivery, InvalidConfig, VerificationFailed
from crm_bridge.kit.signing import (
    check_secret,
    new_secret,
    sign_request,
    sign_webhook,
    verify_request,
    verify_webhook,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of some length").decode()
AT = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
BODY = b'[{"id": "evt_1"}]'
TARGET = "/panel/demo/cases/7?agent_id=a%2Fb&agent_name=%C3%84"


def webhook(body: bytes = BODY, *, at: datetime = AT, secret: str = SECRET, message_id: str = "msg_1") -> Delivery:
    headers = sign_webhook(secret, message_id=message_id, at=at, body=body)
    return Delivery(method="POST", target="/webhooks/demo", headers=headers, body=body, received_at=AT)


def request(method: str = "POST", target: str = TARGET, body: bytes = BODY, at: datetime = AT) -> Delivery:
    headers = sign_request(SECRET, method=method, target=target, at=at, body=body)
    return Delivery(method=method, target=target, headers=headers, body=body, received_at=AT)


def with_header(delivery: Delivery, name: str, value: str) -> Delivery:
    return replace(delivery, headers={**delivery.headers, name: value})


def refused_as(delivery: Delivery, *secrets: str) -> str:
    check = verify_request if "crm-signature" in delivery.headers else verify_webhook
    with pytest.raises(VerificationFailed) as failure:
        check(delivery, secrets or (SECRET,))
    return failure.value.reason


# --- agreement with others ------------------------------------------------------------------------------------


def test_the_published_example_of_standard_webhooks_verifies() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    delivery = Delivery(method="POST", target="/", headers=headers, body=b'{"test": 2432232314}', received_at=at)
    assert verify_webhook(delivery, [SECRET]) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_the_reference_library_accepts_what_we_sign() -> None:
    with time_machine.travel(AT, tick=False):
        headers = webhook().headers
        assert standardwebhooks.Webhook(SECRET).verify(BODY, dict(headers)) == json.loads(BODY)


def test_we_accept_what_the_reference_library_signs() -> None:
    signature = standardwebhooks.Webhook(SECRET).sign("msg_1", AT, BODY.decode())
    assert verify_webhook(with_header(webhook(), "webhook-signature", signature), [SECRET]) == "msg_1"


def test_a_time_of_another_zone_signs_as_the_same_moment() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=9)))
    assert webhook(at=elsewhere).headers == webhook().headers


# --- what passes ----------------------------------------------------------------------------------------------


@given(body=st.binary(max_size=200), message_id=st.from_regex(r"[A-Za-z0-9_-]{1,50}", fullmatch=True))
def test_whatever_was_signed_verifies(body: bytes, message_id: str) -> None:
    assert verify_webhook(webhook(body, message_id=message_id), [SECRET]) == message_id


@given(body=st.binary(max_size=200), path=st.from_regex(r"/[!-~]{0,100}", fullmatch=True))
def test_whatever_request_was_signed_verifies(body: bytes, path: str) -> None:
    verify_request(request("PUT", path, body), [SECRET])


def test_every_secret_of_a_rotation_verifies() -> None:
    assert verify_webhook(webhook(secret=OTHER), [SECRET, OTHER]) == "msg_1"
    assert verify_webhook(webhook(secret=SECRET), [SECRET, OTHER]) == "msg_1"


def test_one_good_signature_among_others_is_enough() -> None:
    good = webhook().headers["webhook-signature"]
    other = webhook(secret=OTHER).headers["webhook-signature"]
    assert verify_webhook(with_header(webhook(), "webhook-signature", f"v1a,AAAA {other} {good}"), [SECRET])


def test_header_names_are_taken_in_any_case() -> None:
    delivery = webhook()
    assert verify_webhook(replace(delivery, headers={k.title(): v for k, v in delivery.headers.items()}), [SECRET])


@pytest.mark.parametrize("off_s", [-300, -299, 0, 299, 300])
def test_times_within_the_tolerance_verify(off_s: int) -> None:
    assert verify_webhook(webhook(at=AT + timedelta(seconds=off_s)), [SECRET])
    verify_request(request(at=AT + timedelta(seconds=off_s)), [SECRET])


# --- what does not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off_s", [-301, 301, -86_400, 315_360_000])
def test_times_beyond_the_tolerance_are_refused_on_both_sides(off_s: int) -> None:
    assert refused_as(webhook(at=AT + timedelta(seconds=off_s))) == "stale_timestamp"
    assert refused_as(request(at=AT + timedelta(seconds=off_s))) == "stale_timestamp"


@pytest.mark.parametrize("text", ["nan", "inf", "1e9", "-1", "+1762077600", "1762077600.0", " 1762077600", "", "٣"])
def test_a_timestamp_that_is_no_plain_number_is_refused(text: str) -> None:
    assert refused_as(with_header(webhook(), "webhook-timestamp", text)) == "malformed_header"


@pytest.mark.parametrize(
    "signature",
    ["", "v1", "v1,", "v1,a", "v1,a,b", ",", "a b c", "v1,é", "v1,\ud800", "v1,\x00", "v1,AAAA\tv1,AAAA", "v1 " * 40],
)
def test_a_malformed_signature_is_refused_and_nothing_else_is_raised(signature: str) -> None:
    refused_as(with_header(webhook(), "webhook-signature", signature))
    refused_as(with_header(request(), "crm-signature", signature))


def test_a_malformed_signature_spoils_the_good_one_behind_it() -> None:
    good = webhook().headers["webhook-signature"]
    assert refused_as(with_header(webhook(), "webhook-signature", f"junk {good}")) == "malformed_signature"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_arrived_twice_is_refused(name: str) -> None:
    delivery = webhook()
    value = delivery.headers[name]
    refused_as(with_header(delivery, name, f"{value},{value}"))
    refused_as(with_header(delivery, name, f"{value}, {value}"))
    assert refused_as(with_header(delivery, name.upper(), value)) == "repeated_header"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused(name: str) -> None:
    delivery = webhook()
    headers = {key: value for key, value in delivery.headers.items() if key != name}
    assert refused_as(replace(delivery, headers=headers)) == "missing_header"


@pytest.mark.parametrize("version", ["v0", "v1a", "v2", "V1"])
def test_the_right_hash_under_another_version_is_refused(version: str) -> None:
    signature = webhook().headers["webhook-signature"].replace("v1", version)
    refused_as(with_header(webhook(), "webhook-signature", signature))


def test_other_spellings_of_the_same_signature_bytes_are_refused() -> None:
    signature = webhook().headers["webhook-signature"]
    # The last character before "=" holds two unused bits; decoders ignore them, and ignore missing padding.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(signature[-2]) ^ 1]
    for spelling in (signature[:-2] + last + "=", signature.rstrip("="), signature + "="):
        assert refused_as(with_header(webhook(), "webhook-signature", spelling)) == "wrong_signature"


@given(where=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_any_flipped_bit_of_the_body_is_refused(where: int, bit: int) -> None:
    body = bytearray(BODY)
    body[where % len(body)] ^= 1 << bit
    assert refused_as(replace(webhook(), body=bytes(body))) == "wrong_signature"
    assert refused_as(replace(request(), body=bytes(body))) == "wrong_signature"


@given(
    name=st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]),
    where=st.integers(min_value=0),
    bit=st.integers(min_value=0, max_value=7),
)
def test_any_flipped_bit_of_a_header_is_refused(name: str, where: int, bit: int) -> None:
    value = webhook().headers[name]
    position = where % len(value)
    changed = value[:position] + chr(ord(value[position]) ^ 1 << bit) + value[position + 1 :]
    refused_as(with_header(webhook(), name, changed))


@given(
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "Webhook-Id"]), st.text(max_size=60)
    ),
    body=st.binary(max_size=50),
    target=st.text(max_size=30),
)
def test_no_bytes_raise_anything_but_verification_failed(headers: dict[str, str], body: bytes, target: str) -> None:
    delivery = Delivery(method="POST", target=target, headers=headers, body=body, received_at=AT)
    with pytest.raises(VerificationFailed):
        verify_webhook(delivery, [SECRET])
    crm = {key.lower().replace("webhook", "crm"): value for key, value in headers.items()}
    with pytest.raises(VerificationFailed):
        verify_request(replace(delivery, headers=crm), [SECRET])


def test_parts_cannot_be_shifted_across_the_separator() -> None:
    # id "msg" + body "5.x" signs the same bytes as id "msg.<time>" + … would, so an id with a full stop is refused.
    assert refused_as(with_header(webhook(), "webhook-id", "msg.1")) == "malformed_header"
    with pytest.raises(ValueError):
        sign_webhook(SECRET, message_id="msg.1", at=AT, body=BODY)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "GET"},
        {"target": TARGET.replace("cases/7", "cases/8")},
        {"target": TARGET.replace("%2F", "%2f")},
        {"target": TARGET.replace("%2F", "/")},
        {"target": TARGET + "&x=1"},
        {"target": TARGET.partition("?")[0]},
    ],
)
def test_a_request_signature_covers_method_and_raw_target(changes: dict[str, str]) -> None:
    assert refused_as(replace(request(), **changes)) == "wrong_signature"


@pytest.mark.parametrize("target", ["", "x", "/a b", "/\n", "/é", "http://x/", "/" + "a" * 9000])
def test_a_target_that_cannot_stand_on_a_request_line_is_refused(target: str) -> None:
    assert refused_as(replace(request(), target=target)) == "malformed_target"
    with pytest.raises(ValueError):
        sign_request(SECRET, method="GET", target=target, at=AT, body=b"")


def test_a_signed_request_never_passes_as_a_webhook() -> None:
    signed = request()
    disguised = {
        "webhook-id": "crm-request",
        "webhook-timestamp": signed.headers["crm-timestamp"],
        "webhook-signature": signed.headers["crm-signature"],
    }
    assert refused_as(replace(signed, headers=disguised)) == "wrong_signature"


# --- secrets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_é", "whsec_!!!!", "whsec_ " + "A" * 40],
)
def test_an_unusable_secret_stops_the_start_and_opens_no_door(secret: str) -> None:
    with pytest.raises(InvalidConfig) as failure:
        check_secret(secret, path="webhook_secrets.0")
    assert failure.value.path == "webhook_secrets.0"
    assert not secret.removeprefix("whsec_") or secret not in str(failure.value)
    assert refused_as(webhook(), secret) == "unusable_secret"


def test_no_secret_at_all_verifies_nothing() -> None:
    with pytest.raises(VerificationFailed):
        verify_webhook(webhook(), [])


def test_new_secrets_are_usable_and_differ() -> None:
    assert len(check_secret(new_secret())) == 32
    assert new_secret() != new_secret()
