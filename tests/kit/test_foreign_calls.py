"""Through somebody else's client library every promise of our own client holds: bounds, names, limits, the lease."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from crm_bridge.contract import (
    Ambiguous,
    Conflict,
    OutboundError,
    Permanent,
    Reauthenticate,
    Retry,
)
from crm_bridge.kit.foreign import Failure, ForeignCalls
from crm_bridge.kit.http import BoundedSession, Effect
from crm_bridge.kit.limits import Limit
from crm_bridge.kit.services import in_memory_services

Start = Callable[..., Any]

TOTAL_S = 1.0
LOCAL = frozenset({"127.0.0.1"})


class SdkError(Exception):
    """What the library raises for whatever was not a success."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body!r}")
        self.body = body


class Sdk:
    """A client library as they are: no timeout, follows redirects, raises its own errors, or those of requests."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self._url = url
        self._session = session

    def get(self) -> Any:
        response = self._session.get(self._url, headers={"Authorization": "Bearer canary"})
        if response.status_code >= 400:
            raise SdkError(response.status_code, response.content)
        return response.json()

    def pages(self, count: int) -> list[Any]:
        return [self.get() for _ in range(count)]


def says(status: str, body: bytes = b"{}", *headers: str) -> Callable[[Any], None]:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    head = "\r\n".join([*(line for line in lines if line), "", ""]).encode()
    return lambda connection: connection.sendall(head + body)


def hangs(_connection: Any) -> None:
    time.sleep(3)


def hangs_up(_connection: Any) -> None:
    pass


def calls_of(**more: Any) -> ForeignCalls:
    return ForeignCalls(in_memory_services(), raises=(SdkError,), total_s=TOTAL_S, **more)


def sdk_of(server: Any, **more: Any) -> Sdk:
    return Sdk(server.url, BoundedSession(allowed_hosts=LOCAL, **more))


@pytest.mark.parametrize(
    ("behaviour", "repeatable", "once", "code"),
    [
        (says("401 No"), Reauthenticate, Reauthenticate, "http_401"),
        (says("403 No"), Permanent, Permanent, "http_403"),
        (says("409 No"), Conflict, Conflict, "http_409"),
        (says("429 No", b"{}", "Retry-After: 9"), Retry, Retry, "http_429"),
        (says("500 No"), Retry, Ambiguous, "http_500"),
        (says("503 No"), Retry, Ambiguous, "http_503"),
        (says("200 OK", b"<html>"), Retry, Ambiguous, "unusable_answer"),
        (says("307 Elsewhere", b"", "Location: http://127.0.0.1:9/"), Retry, Ambiguous, "redirected"),
        (says("200 OK", b" " * 200_000), Permanent, Ambiguous, "oversize"),
        (hangs, Retry, Ambiguous, "timeout"),
        (hangs_up, Retry, Ambiguous, "connection_lost"),
    ],
)
def test_every_failure_of_a_library_is_named_in_time(
    behaviour: Any, repeatable: type[OutboundError], once: type[OutboundError], code: str, raw_server: Start
) -> None:
    server = raw_server(behaviour)
    sdk = sdk_of(server, max_bytes=100_000)
    for effect, kind in ((Effect.READ, repeatable), (Effect.ONCE, once)):
        began = time.monotonic()
        with pytest.raises(OutboundError) as failure:
            calls_of().call("read_case", sdk.get, effect=effect)
        assert time.monotonic() - began < TOTAL_S + 1
        assert (type(failure.value), failure.value.code) == (kind, code)
        assert failure.value.__cause__ is None
        assert "canary" not in str(failure.value)


def test_what_a_moment_heals_is_tried_again_and_counted(raw_server: Start) -> None:
    server = raw_server(says("503 Busy", b"{}", "Connection: close"), says("200 OK", b'{"ok": true}'))
    calls = calls_of()
    assert calls.call("read_case", sdk_of(server).get, effect=Effect.READ) == {"ok": True}
    assert dict(calls.calls) == {"read_case": 2}


def test_who_names_a_time_is_believed(raw_server: Start) -> None:
    server = raw_server(says("503 Busy", b"{}", "Retry-After: 5"))
    with pytest.raises(Retry) as failure:
        calls_of().call("read_case", sdk_of(server).get, effect=Effect.READ)
    assert (failure.value.after, len(server.requests)) == (timedelta(seconds=5), 1)


def test_a_judge_knows_the_crms_own_codes(raw_server: Start) -> None:
    def judge(failure: Failure) -> OutboundError:
        assert isinstance(failure.error, SdkError)
        if json.loads(failure.error.body)["errorCode"] == "REQUEST_LIMIT_EXCEEDED":
            return Retry("the daily limit", code="daily_limit", after=timedelta(minutes=15))
        return failure.by_status()

    server = raw_server(
        says("403 No", b'{"errorCode": "REQUEST_LIMIT_EXCEEDED"}'), says("403 No", b'{"errorCode": ""}')
    )
    calls = calls_of(judge=judge)
    with pytest.raises(Retry) as failure:
        calls.call("read_case", sdk_of(server).get, effect=Effect.ONCE)
    assert failure.value.after == timedelta(minutes=15)
    with pytest.raises(Permanent):
        calls.call("read_case", sdk_of(server).get, effect=Effect.ONCE)


def test_every_request_of_a_call_is_counted_and_taken_from_the_limits(raw_server: Start) -> None:
    server = raw_server(says("200 OK", b"{}", "Connection: close"))
    calls = calls_of(limits=[Limit(name="burst", calls=3, per_s=60)])
    assert calls.call("list", lambda: sdk_of(server).pages(2), effect=Effect.READ) == [{}, {}]
    with pytest.raises(Retry) as failure:
        calls.call("list", lambda: sdk_of(server).pages(2), effect=Effect.READ)
    assert failure.value.code == "rate_limited"
    assert (calls.calls["list"], len(server.requests)) == (3, 3)


def test_the_deadline_is_one_for_all_requests_of_a_call(raw_server: Start) -> None:
    def slow(connection: Any) -> None:
        time.sleep(0.3)
        says("200 OK", b"{}", "Connection: close")(connection)

    began = time.monotonic()
    with pytest.raises(Retry) as failure:
        calls_of().call("list", lambda: sdk_of(raw_server(slow)).pages(50), effect=Effect.READ)
    assert failure.value.code == "timeout"
    assert time.monotonic() - began < TOTAL_S + 1


def test_what_failed_later_may_have_happened_although_the_last_request_never_left(raw_server: Start) -> None:
    server = raw_server(says("200 OK", b"{}", "Connection: close"))

    def two() -> None:
        sdk_of(server).get()
        Sdk("http://127.0.0.1:9", BoundedSession(allowed_hosts=LOCAL)).get()

    with pytest.raises(Ambiguous):
        calls_of().call("send", two, effect=Effect.ONCE)


def test_nothing_was_sent_to_where_nobody_listens() -> None:
    sdk = Sdk("http://127.0.0.1:9", BoundedSession(allowed_hosts=LOCAL))
    with pytest.raises(Retry) as failure:
        calls_of().call("send", sdk.get, effect=Effect.ONCE)
    assert failure.value.code == "connect_failed"


@pytest.mark.parametrize("url", ["http://127.0.0.2:9", "http://u@127.0.0.1:9", "ftp://127.0.0.1", "http://[::1]:9"])
def test_a_library_reaches_no_other_host(url: str) -> None:
    with pytest.raises(Permanent) as failure:
        calls_of().call("read", Sdk(url, BoundedSession(allowed_hosts=LOCAL)).get, effect=Effect.READ)
    assert failure.value.code == "unsafe_host"


def test_no_effect_leaves_after_the_lease(raw_server: Start) -> None:
    server = raw_server(says("200 OK"))
    calls = ForeignCalls(in_memory_services(may_start=lambda: False), raises=(SdkError,))
    for effect in (Effect.IDEMPOTENT, Effect.ONCE):
        with pytest.raises(Retry) as failure:
            calls.call("send", sdk_of(server).get, effect=effect)
        assert failure.value.code == "lease_over"
    assert server.connections == 0
    calls.call("read", sdk_of(server).get, effect=Effect.READ)


def test_a_library_with_a_connection_of_its_own_is_never_believed_to_have_sent_nothing() -> None:
    def fails() -> None:
        raise SdkError(0, b"no channel")

    with pytest.raises(Ambiguous):
        calls_of().call("send", fails, effect=Effect.ONCE)
    with pytest.raises(Retry):
        calls_of().call("read", fails, effect=Effect.READ)


def test_a_mistake_in_the_adapter_stays_one() -> None:
    def wrong() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        calls_of().call("read", wrong, effect=Effect.READ)


def test_a_bounded_session_is_of_no_use_outside_of_a_call() -> None:
    with pytest.raises(RuntimeError):
        BoundedSession(allowed_hosts=LOCAL).get("http://127.0.0.1:9")
