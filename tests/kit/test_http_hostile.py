"""A CRM that misbehaves in every way we know: each call ends in time, small, and in an error of the contract."""

from __future__ import annotations

import gzip
import socket
import struct
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.contract import Ambiguous, OutboundError, Permanent, Reauthenticate, Retry
from crm_bridge.kit.http import Answer, Effect, HttpClient

TOTAL_S = 0.4
SLACK_S = 2.0  # for a busy machine; without a deadline these calls would never end
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Start = Callable[..., Any]


def says(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def answers(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Callable[[socket.socket], None]:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return says(b"\r\n".join(lines) + b"\r\n\r\n" + body)


def repeats(data: bytes, *, pause_s: float = 0.0, first: bytes = b"") -> Callable[[socket.socket], None]:
    """Never stops by itself: until the client hangs up."""

    def behaviour(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(data)
            time.sleep(pause_s)

    return behaviour


def hangs(connection: socket.socket) -> None:
    connection.recv(1)


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def resets_after(data: bytes) -> Callable[[socket.socket], None]:
    def behaviour(connection: socket.socket) -> None:
        connection.sendall(data)
        resets(connection)

    return behaviour


def hangs_after(data: bytes) -> Callable[[socket.socket], None]:
    def behaviour(connection: socket.socket) -> None:
        connection.sendall(data)
        hangs(connection)

    return behaviour


BOMB = gzip.compress(b"0" * 50_000_000)
LATER = b"a" * 16_000

# name -> (behaviour, code)
MISBEHAVIOURS: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "hangs before a word": (hangs, "timeout"),
    "drips its headers": (repeats(b"x", pause_s=0.05, first=b"HTTP/1.1 200 OK\r\nX: "), "timeout"),
    "drips its body": (repeats(b"x", pause_s=0.05, first=JSON + b"Content-Length: 999\r\n\r\n"), "timeout"),
    "drips chunks": (
        repeats(b"1\r\nx\r\n", pause_s=0.05, first=JSON + b"Transfer-Encoding: chunked\r\n\r\n"),
        "timeout",
    ),
    "says continue for ever": (repeats(b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0.01), "timeout"),
    "hangs after half a body": (hangs_after(JSON + b"Content-Length: 999\r\n\r\n{"), "timeout"),
    "closes after half a body": (says(JSON + b"Content-Length: 999\r\n\r\n{"), "connection_lost"),
    "closes after half a chunk": (says(JSON + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{"), "connection_lost"),
    "writes chunks of no size": (says(JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{"), "connection_lost"),
    "closes without a word": (says(b""), "connection_lost"),
    "resets": (resets, "connection_lost"),
    "resets after the headers": (resets_after(JSON + b"Content-Length: 999\r\n\r\n{"), "connection_lost"),
    "speaks another protocol": (says(b"SSH-2.0-OpenSSH_9.2\r\n" * 5), "connection_lost"),
    "sends NULs": (says(b"\x00" * 2000), "connection_lost"),
    "sends 500 headers": (
        says(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n{}"),
        "connection_lost",
    ),
    "sends an endless header": (repeats(LATER, first=b"HTTP/1.1 200 OK\r\nX: "), "connection_lost"),
    "sends endless chunks": (
        repeats(b"3e80\r\n" + LATER + b"\r\n", first=JSON + b"Transfer-Encoding: chunked\r\n\r\n"),
        "oversize",
    ),
    "sends an endless body": (repeats(LATER, first=JSON + b"\r\n"), "oversize"),
    "sends a gzip bomb": (answers(BOMB, b"Content-Encoding: gzip"), "oversize"),
    "sends a bomb in a bomb": (answers(gzip.compress(BOMB), b"Content-Encoding: gzip, gzip"), "unknown_encoding"),
    "sends an encoding not asked for": (answers(b"{}", b"Content-Encoding: br"), "unknown_encoding"),
    "sends gzip that is none": (answers(b"{}", b"Content-Encoding: gzip"), "broken_encoding"),
    "sends half a gzip": (answers(gzip.compress(b"{}" * 99)[:-9], b"Content-Encoding: gzip"), "truncated"),
    "sends junk behind the gzip": (answers(gzip.compress(b"{}") + LATER, b"Content-Encoding: gzip"), "broken_encoding"),
    "says HTML with 200": (answers(b"<html>Log in", b"Content-Type: text/html; charset=utf-8"), "html_answer"),
    "says 500": (answers(b"", status=b"500 Oops"), "http_500"),
    "says HTML with 503": (answers(b"<html>", b"Content-Type: text/html", status=b"503 Busy"), "http_503"),
    "says 999": (answers(b"", status=b"999 What"), "http_999"),
    "redirects": (answers(b"", b"Location: http://169.254.169.254/latest/", status=b"302 Found"), "redirected"),
}


@pytest.mark.parametrize("effect", list(Effect))
@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_every_misbehaviour_ends_in_time_and_is_named(name: str, effect: Effect, raw_server: Start) -> None:
    behaviour, code = MISBEHAVIOURS[name]
    server = raw_server(behaviour)
    client = HttpClient(server.url, total_s=TOTAL_S, max_bytes=1_000_000)
    began = time.monotonic()
    with pytest.raises(OutboundError) as failure:
        client.call("read_case", "POST", "/case", json={"a": 1}, effect=effect)
    assert time.monotonic() - began < TOTAL_S + SLACK_S
    assert failure.value.code == code
    unusable = Permanent if code == "oversize" else Retry
    assert type(failure.value) is {Effect.READ: unusable, Effect.IDEMPOTENT: Retry, Effect.ONCE: Ambiguous}[effect]
    assert effect is not Effect.ONCE or server.connections == 1
    client.close()


def test_the_deadline_also_bounds_a_server_that_does_not_read(raw_server: Start) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    client = HttpClient(f"http://127.0.0.1:{listener.getsockname()[1]}", total_s=TOTAL_S)
    began = time.monotonic()
    with listener, pytest.raises(Ambiguous):
        client.call("send", "POST", "/x", body=b"x" * 20_000_000, effect=Effect.ONCE)
    assert time.monotonic() - began < TOTAL_S + SLACK_S


def test_a_bomb_costs_little_memory(raw_server: Start) -> None:
    server = raw_server(answers(BOMB, b"Content-Encoding: gzip"))
    client = HttpClient(server.url, total_s=2, max_bytes=1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(Permanent):
            client.call("read_case", "GET", "/case", effect=Effect.READ)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_body_of_just_the_allowed_size_is_taken(raw_server: Start) -> None:
    body = b"x" * 1000
    server = raw_server(answers(body), answers(gzip.compress(body), b"Content-Encoding: gzip"), answers(body + b"x"))
    client = HttpClient(server.url, max_bytes=1000)
    assert client.call("get", "GET", "/", effect=Effect.READ).body == body
    assert client.call("get", "GET", "/", effect=Effect.READ).body == body
    with pytest.raises(Permanent) as failure:
        client.call("get", "GET", "/", effect=Effect.READ)
    assert failure.value.code == "oversize"


def test_a_redirect_is_not_followed_and_the_token_stays_here(raw_server: Start) -> None:
    elsewhere = raw_server(answers(b"{}"))
    server = raw_server(answers(b"", b"Location: " + elsewhere.url.encode(), status=b"307 Temporary Redirect"))
    client = HttpClient(server.url, headers={"Authorization": "Bearer canary"})
    with pytest.raises(Retry) as failure:
        client.call("get", "GET", "/", effect=Effect.READ)
    assert failure.value.code == "redirected"
    assert failure.value.after.total_seconds() >= 60
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{}", [b"Content-Type: text/plain"], "not_json"),
        (b"{}", [], "not_json"),
        (b"", [b"Content-Type: application/json"], "invalid_json"),
        (b'{"a": ', [b"Content-Type: application/json"], "invalid_json"),
        (b"[NaN]", [b"Content-Type: application/json"], "invalid_json"),
        (b"[" * 5000, [b"Content-Type: application/json"], "invalid_json"),
        (b"\xff\xfe{}", [b"Content-Type: application/json"], "invalid_json"),
    ],
)
def test_what_is_not_json_is_a_broken_answer(body: bytes, headers: list[bytes], code: str, raw_server: Start) -> None:
    client = HttpClient(raw_server(answers(body, *headers)).url)
    unusable = Permanent if code == "invalid_json" else Retry  # what has another type may be a page of a proxy
    for effect, kind in ((Effect.READ, unusable), (Effect.IDEMPOTENT, Retry), (Effect.ONCE, Ambiguous)):
        with pytest.raises(kind) as failure:
            client.call("get", "GET", "/", effect=effect).json()
        assert failure.value.code == code


def test_nothing_that_came_back_stands_in_an_error(raw_server: Start) -> None:
    canary = b"canary-1234"
    header = b"X-Canary: " + canary
    for status in (b"401 " + canary, b"403 " + canary, b"500 " + canary, b"302 " + canary):
        client = HttpClient(raw_server(answers(canary, header, b"Location: /" + canary, status=status)).url)
        with pytest.raises(OutboundError) as failure:
            client.call("get", "GET", "/", effect=Effect.ONCE)
        assert canary.decode() not in f"{failure.value!r}{failure.value.detail}"
        assert failure.value.__cause__ is None


def test_nobody_listening_means_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for effect in Effect:
        with pytest.raises(Retry) as failure:
            HttpClient(f"http://127.0.0.1:{port}", total_s=1).call("send", "POST", "/", effect=effect)
        assert failure.value.code == "connect_failed"


def test_a_server_without_tls_means_nothing_was_sent(raw_server: Start) -> None:
    url = raw_server(says(b"")).url.replace("http:", "https:")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        for target in (url, silent_url):
            began = time.monotonic()
            with pytest.raises(Retry) as failure:
                HttpClient(target, total_s=TOTAL_S).call("send", "POST", "/", effect=Effect.ONCE)
            assert failure.value.code in {"connect_failed", "tls_failed"}
            assert time.monotonic() - began < TOTAL_S + SLACK_S


def test_a_name_lookup_that_hangs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_kwargs: time.sleep(10))
    began = time.monotonic()
    with pytest.raises(Retry) as failure:
        HttpClient("http://crm.invalid", total_s=0.3).call("get", "GET", "/", effect=Effect.ONCE)
    assert failure.value.code == "connect_failed"
    assert time.monotonic() - began < 0.3 + SLACK_S


def test_an_unknown_name_is_a_connection_in_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", fail)
    with pytest.raises(Retry) as failure:
        HttpClient("http://crm.invalid", total_s=1).call("get", "GET", "/", effect=Effect.ONCE)
    assert failure.value.code == "connect_failed"


def test_refused_credentials_ask_for_new_ones(raw_server: Start) -> None:
    with pytest.raises(Reauthenticate):
        HttpClient(raw_server(answers(b"", status=b"401 No")).url).call("get", "GET", "/", effect=Effect.ONCE)


HEADS = st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", JSON, JSON + b"Transfer-Encoding: chunked\r\n"])
TAILS = st.sampled_from([b"", b"\r\n\r\n", b"\r\n\r\n{}"])


def test_no_bytes_raise_anything_foreign(raw_server: Start) -> None:
    said = [b""]
    server = raw_server(lambda connection: connection.sendall(said[0]))
    client = HttpClient(server.url, total_s=0.5)  # too short for a second attempt

    @settings(max_examples=100, deadline=None)
    @given(head=HEADS, junk=st.binary(max_size=60), tail=TAILS, effect=st.sampled_from(list(Effect)))
    def check(head: bytes, junk: bytes, tail: bytes, effect: Effect) -> None:
        said[0] = head + junk + tail
        try:
            answer = client.call("get", "GET", "/", effect=effect)
            assert isinstance(answer, Answer)
            answer.json()
        except OutboundError as error:
            assert not isinstance(error, Permanent) or error.code.startswith(("http_4", "invalid"))  # noqa: PT017 - both ends are fine

    check()
