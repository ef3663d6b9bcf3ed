"""Verify, parse, acknowledge and identify are pure, and fail in one way each whatever the bytes."""

from __future__ import annotations

import base64
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.contract import (
    CaseRef,
    Delivery,
    EventKind,
    ForeignRef,
    InvalidConfig,
    InvalidDelivery,
    Receipt,
    VerificationFailed,
    VerifiedDelivery,
)
from crm_bridge.kit.inbound import path_token
from crm_bridge.kit.services import in_memory_services
from crm_bridge.kit.signing import sign_request, sign_webhook
from crm_bridge_mock.adapter import MockAdapter, build


def secret_of(byte: bytes) -> str:
    return "whsec_" + base64.b64encode(byte * 32).decode()


NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECRETS, STRANGER = [secret_of(b"a"), secret_of(b"b")], secret_of(b"c")


def adapter(profile: str = "native", **more: Any) -> MockAdapter:
    config = {"base_url": "http://127.0.0.1:9", "webhook_secrets": SECRETS, "profile": profile, **more}
    return build(config, in_memory_services("demo", "https://bridge.example.com/pre"))


def webhook(body: bytes, *, secret: str = SECRETS[0], at: datetime = NOW, target: str = "/webhooks/demo") -> Delivery:
    headers = sign_webhook(secret, message_id="msg_1", at=at, body=body)
    return Delivery(method="POST", target=target, headers=headers, body=body, received_at=NOW)


def panel(target: str, *, body: bytes = b"{}", secret: str = SECRETS[0]) -> Delivery:
    headers = sign_request(secret, method="POST", target=target, at=NOW, body=body)
    return Delivery(method="POST", target=target, headers=headers, body=body, received_at=NOW)


EVENT = {"id": "evt_1", "type": "message.created", "occurred_at": "2026-11-01T11:59:59+00:00", "case": "case_1"}


def test_a_signed_batch_becomes_events() -> None:
    entries = [EVENT, {**EVENT, "id": "evt_2", "type": "from.the.future"}, {"id": "evt_3", "type": "nothing"}]
    verified = adapter().verify(webhook(json.dumps(entries).encode()))
    events = adapter().parse(verified)
    assert (verified.signed_body, verified.delivery_id) == (True, "msg_1")
    assert [(event.kind, event.about, event.key) for event in events] == [
        (EventKind.MESSAGE_ADDED, CaseRef(id="case_1"), "evt_1"),
        (EventKind.UNKNOWN, CaseRef(id="case_1"), "evt_2"),
        (EventKind.UNKNOWN, ForeignRef(kind="event", id="evt_3"), "evt_3"),
    ]


@pytest.mark.parametrize("secret", SECRETS)
def test_every_secret_verifies(secret: str) -> None:
    assert adapter().verify(webhook(b"[]", secret=secret)).signed_body


@pytest.mark.parametrize(
    "delivery",
    [
        webhook(b"[]", secret=STRANGER),
        webhook(b"[]", at=NOW - timedelta(minutes=6)),
        webhook(b"[]", at=NOW + timedelta(minutes=6)),
        Delivery(method="POST", target="/webhooks/demo", headers={}, body=b"[]", received_at=NOW),
    ],
)
def test_a_wrong_stale_future_or_missing_signature_fails(delivery: Delivery) -> None:
    with pytest.raises(VerificationFailed):
        adapter().verify(delivery)


def test_a_hint_is_believed_only_for_its_ref() -> None:
    hints = adapter("hints")
    target = f"/pre/webhooks/demo/{path_token(SECRETS[1])}"
    delivery = Delivery(method="POST", target=target, headers={}, body=json.dumps([EVENT]).encode(), received_at=NOW)
    verified = hints.verify(delivery)
    (event,) = hints.parse(verified)
    assert not verified.signed_body
    assert (event.kind, event.about, event.key, event.raw) == (
        EventKind.CASE_CHANGED,
        CaseRef(id="case_1"),
        None,
        {},
    )
    with pytest.raises(VerificationFailed):
        hints.identify(verified)


@pytest.mark.parametrize("token", ["", "/", "/" + "0" * 64, "/" + "Ω" * 64, "/" + path_token(STRANGER)])
def test_a_hint_without_the_secret_fails(token: str) -> None:
    target = f"/pre/webhooks/demo{token}"
    with pytest.raises(VerificationFailed):
        adapter("hints").verify(Delivery(method="POST", target=target, headers={}, body=b"[]", received_at=NOW))


def test_the_agent_is_who_the_signed_query_says() -> None:
    target = "/pre/panel/demo/drafts/d1/decision?agent_id=agent_1&agent_name=J%C3%BCrgen%20M"
    agent = adapter().identify(adapter().verify(panel(target)))
    assert (agent.id, agent.name) == ("agent_1", "Jürgen M")


@pytest.mark.parametrize(
    "query",
    ["", "?agent_id=a", "?agent_id=a&agent_name=", "?agent_id=a&agent_id=b&agent_name=n", "?agent_id=%00&agent_name=n",
     "?agent_id=%FF&agent_name=n", f"?agent_id={'a' * 201}&agent_name=n"],
)  # fmt: skip
def test_a_signed_request_without_one_usable_agent_decides_nothing(query: str) -> None:
    verified = adapter().verify(panel(f"/pre/panel/demo/drafts/d1/decision{query}"))
    with pytest.raises(VerificationFailed):
        adapter().identify(verified)


def test_a_webhook_names_no_agent() -> None:
    with pytest.raises(VerificationFailed):
        adapter().identify(adapter().verify(webhook(b"[]", target="/webhooks/demo?agent_id=a&agent_name=b")))


def test_a_signed_webhook_is_no_panel_request() -> None:
    delivery = webhook(b"{}", target="/pre/panel/demo/drafts/d/decision?agent_id=a&agent_name=b")
    with pytest.raises(VerificationFailed):
        adapter().verify(delivery)


@settings(deadline=None)
@given(
    target=st.text(max_size=80) | st.sampled_from(["/panel/demo/", "/pre/panel/demo/x", "/webhooks/demo/"]),
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "crm-signature", "crm-timestamp"]),
        st.text(max_size=60) | st.sampled_from(["v1,", "v1,a", ",,", "1793534400"]),
    ),
    body=st.binary(max_size=60),
    profile=st.sampled_from(["native", "hints"]),
)
def test_verify_fails_in_one_way(target: str, headers: dict[str, str], body: bytes, profile: str) -> None:
    delivery = Delivery(method="POST", target=target, headers=headers, body=body, received_at=NOW)
    with pytest.raises(VerificationFailed):
        adapter(profile).verify(delivery)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "type", "case", "thread", "occurred_at", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), signed=st.booleans())
def test_parse_fails_in_one_way(body: bytes, signed: bool) -> None:
    delivery = Delivery(method="POST", target="/webhooks/demo", headers={}, body=body, received_at=NOW)
    with contextlib.suppress(InvalidDelivery):
        for event in adapter().parse(VerifiedDelivery(delivery=delivery, signed_body=signed)):
            assert event.about.id
            assert (event.key is not None) is signed


def test_too_many_events_are_refused() -> None:
    with pytest.raises(InvalidDelivery):
        adapter().parse(adapter().verify(webhook(json.dumps([EVENT] * 1001).encode())))


def test_the_receipt_is_answered() -> None:
    answer = adapter().acknowledge(webhook(b"[]"), Receipt(events=3, new=1))
    assert (answer.status, json.loads(answer.body)) == (200, {"events": 3, "new": 1})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"webhook_secrets": []}, "webhook_secrets"),
        ({"webhook_secrets": [SECRETS[0], "plain"]}, "webhook_secrets.1"),
        ({"base_url": "ftp://x"}, "base_url"),
        ({"profile": "none-such"}, "profile"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        adapter(**change)
    assert refused.value.path == path
