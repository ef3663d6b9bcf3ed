from __future__ import annotations

import io
from typing import Any

import pytest

from crm_bridge.contract import InvalidDelivery
from crm_bridge.store.database import StoreUnavailable
from crm_bridge.web.deliveries import MAX_BODY_BYTES, raw_target

SIGNED_OUT = {"content_type": "application/json"}


def test_a_signed_delivery_reaches_the_pipeline_as_it_was_sent(stage: Any) -> None:
    answer = stage.webhook(b'[{"a": 1}]', path="/webhooks/demo/tok%2Den?x=%3A%2F")
    assert answer.status_code == 200
    assert answer.data == b'{"ok": true}'
    (_, name, delivery) = stage.asked[0]
    assert name == "demo"
    assert delivery.body == b'[{"a": 1}]'
    assert delivery.method == "POST"
    assert delivery.target == "/webhooks/demo/tok%2Den?x=%3A%2F"
    assert delivery.received_at.tzinfo is not None
    assert delivery.header("WEBHOOK-ID") == "msg_1"


@pytest.mark.parametrize(
    ("environ", "target"),
    [
        ({"REQUEST_URI": "/a%20b?x=%41", "PATH_INFO": "/a b"}, "/a%20b?x=%41"),
        ({"RAW_URI": "/a%20b?x=%41", "PATH_INFO": "/a b"}, "/a%20b?x=%41"),
        ({"REQUEST_URI": "http://evil.example/a?b#c", "PATH_INFO": "/a"}, "/a?b#c"),
        ({"REQUEST_URI": "HTTP://evil.example", "PATH_INFO": "/"}, "/"),
        ({"REQUEST_URI": "//double/slash", "PATH_INFO": "//double/slash"}, "//double/slash"),
        ({"PATH_INFO": "/a b", "QUERY_STRING": "x=%41"}, "/a%20b?x=%41"),
        ({"SCRIPT_NAME": "/bridge", "PATH_INFO": "/caf\xc3\xa9"}, "/bridge/caf%C3%A9"),
    ],
)
def test_the_raw_target_is_what_stood_on_the_request_line(environ: dict[str, str], target: str) -> None:
    assert raw_target(environ) == target


def test_an_unsigned_delivery_is_401_and_says_so_in_one_way(stage: Any) -> None:
    answer = stage.client.post("/webhooks/demo", data=b"{}", **SIGNED_OUT)
    assert (answer.status_code, answer.json["code"]) == (401, "not_verified")
    assert "WWW-Authenticate" in answer.headers
    assert not stage.asked


def test_an_unknown_connection_is_404(stage: Any) -> None:
    answer = stage.webhook(b"{}", path="/webhooks/nobody")
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_connection")


def test_a_signed_body_that_is_no_payload_is_400(stage: Any) -> None:
    assert stage.webhook(b"{").status_code == 400
    stage.fails_with = InvalidDelivery("the body names no events")
    answer = stage.webhook(b"{}")
    assert (answer.status_code, answer.json["detail"]) == (400, "the body names no events")


def test_a_store_that_cannot_take_it_is_503_with_retry_after(stage: Any) -> None:
    stage.fails_with = StoreUnavailable("OperationalError")
    answer = stage.webhook(b"{}")
    assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
def test_other_media_types_are_415(stage: Any, kind: str) -> None:
    answer = stage.client.post("/webhooks/demo", data=b"{}", headers={"Content-Type": kind})
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/cloudevents+json", "text/xml", "application/soap+xml"]
)
def test_payload_types_are_taken(stage: Any, kind: str) -> None:
    assert stage.client.post("/webhooks/demo", data=b"<a/>", headers={"Content-Type": kind}).status_code == 401


def test_bodies_beyond_the_bound_are_413_however_they_come(stage: Any) -> None:
    two_megabytes = b" " * 2_000_000
    assert stage.webhook(two_megabytes).status_code == 413
    assert stage.webhook(b" " * (MAX_BODY_BYTES + 1)).status_code == 413
    assert stage.webhook(b"1" + b" " * (MAX_BODY_BYTES - 1)).status_code == 200
    chunked = stage.client.post(
        "/webhooks/demo",
        input_stream=io.BytesIO(two_megabytes),
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
        **SIGNED_OUT,
    )
    assert (chunked.status_code, chunked.json["code"]) == (413, "body_too_large")


def test_a_length_that_lies_is_no_500(stage: Any) -> None:
    for length in ("10", "0", "-1", "x", "99999999999999999999", ""):
        answer = stage.client.post(
            "/webhooks/demo",
            input_stream=io.BytesIO(b"{}"),
            environ_overrides={"CONTENT_LENGTH": length},
            **SIGNED_OUT,
        )
        assert answer.status_code in {400, 401, 413}, length


def test_a_handshake_by_get_reaches_the_adapter(stage: Any) -> None:
    assert stage.client.get("/webhooks/demo?challenge=1").status_code == 401
