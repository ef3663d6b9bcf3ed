"""What a call sends, when it tries again, and what it keeps to itself."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.contract import Ambiguous, Conflict, Delivery, Network, Permanent, Retry
from crm_bridge.kit.http import Effect, HttpClient, join_path
from crm_bridge.kit.signing import sign_request, verify_request

Start = Callable[..., Any]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def says(status: str = "200 OK", body: str = '{"a": 1}', *headers: str) -> Callable[[socket.socket], None]:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return lambda connection: connection.sendall("\r\n".join([*lines, "", body]).encode())


def hangs_up(connection: socket.socket) -> None:
    connection.close()


def request_line(request: bytes) -> tuple[str, str]:
    method, target, _version = request.split(b"\r\n", 1)[0].decode("ascii").split(" ")
    return method, target


def headers_of(request: bytes) -> dict[str, str]:
    head = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in head)}


def test_an_answer_carries_status_headers_and_json(raw_server: Start) -> None:
    server = raw_server(says("201 Created", '{"id": "7"}', "X-Request-Id: r1"))
    answer = HttpClient(server.url + "/base/").call(
        "create", "post", "cases", params={"q": "ä b", "l": ["1", "2"]}, json={"x": "ü"}, effect=Effect.IDEMPOTENT
    )
    assert (answer.status, answer.headers["x-request-id"], answer.json()) == (201, "r1", {"id": "7"})
    assert request_line(server.requests[0]) == ("POST", "/base/cases?q=%C3%A4%20b&l=1&l=2")
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) == {"x": "ü"}
    assert headers_of(server.requests[0])["content-type"] == "application/json"


def test_a_call_without_content_needs_none_back(raw_server: Start) -> None:
    server = raw_server(says("204 No Content", ""))
    assert HttpClient(server.url).call("delete", "DELETE", "/x", effect=Effect.IDEMPOTENT).body == b""


# --- trying again ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [Effect.READ, Effect.IDEMPOTENT])
@pytest.mark.parametrize("trouble", [hangs_up, says("502 Bad"), says("503 Busy"), says("504 Late")])
def test_a_passing_trouble_is_tried_again(
    trouble: Callable[[socket.socket], None], effect: Effect, raw_server: Start
) -> None:
    server = raw_server(trouble, says())
    assert HttpClient(server.url).call("get", "GET", "/", effect=effect).json() == {"a": 1}
    assert len(server.requests) == 2


@pytest.mark.parametrize("trouble", [hangs_up, says("503 Busy")])
def test_what_must_happen_once_is_sent_once(trouble: Callable[[socket.socket], None], raw_server: Start) -> None:
    server = raw_server(trouble, says())
    with pytest.raises(Ambiguous):
        HttpClient(server.url).call("send", "POST", "/", effect=Effect.ONCE)
    assert len(server.requests) == 1


def test_at_most_three_attempts_are_made(raw_server: Start) -> None:
    server = raw_server(says("503 Busy"))
    with pytest.raises(Retry) as failure:
        HttpClient(server.url).call("get", "GET", "/", effect=Effect.READ)
    assert (len(server.requests), failure.value.code) == (3, "http_503")


@pytest.mark.parametrize("status", ["500 Oops", "429 Slow down", "409 Conflict", "404 Gone", "302 Found"])
def test_other_failures_are_not_tried_again(status: str, raw_server: Start) -> None:
    server = raw_server(says(status))
    with pytest.raises((Retry, Permanent, Conflict)):
        HttpClient(server.url).call("get", "GET", "/", effect=Effect.READ)
    assert len(server.requests) == 1


def test_a_gateway_that_says_when_is_believed(raw_server: Start) -> None:
    server = raw_server(says("503 Busy", "", "Retry-After: 120"))
    with pytest.raises(Retry) as failure:
        HttpClient(server.url).call("get", "GET", "/", effect=Effect.READ)
    assert (len(server.requests), failure.value.after.total_seconds()) == (1, 120)


def test_a_limit_is_never_ambiguous(raw_server: Start) -> None:
    server = raw_server(says("429 Slow down", "", "Retry-After: 7"))
    with pytest.raises(Retry) as failure:
        HttpClient(server.url).call("send", "POST", "/", effect=Effect.ONCE)
    assert failure.value.after.total_seconds() == 7


def test_statuses_the_caller_expects_come_back(raw_server: Start) -> None:
    server = raw_server(says("404 Not Found", '{"why": "merged"}'))
    answer = HttpClient(server.url).call("get", "GET", "/", effect=Effect.READ, accept=(404,))
    assert (answer.status, answer.json()) == (404, {"why": "merged"})


def test_an_idle_connection_is_used_again_but_never_for_what_must_happen_once(raw_server: Start) -> None:
    def serves_on(connection: socket.socket) -> None:
        for _ in range(3):
            says()(connection)
            if not connection.recv(65536):
                return

    server = raw_server(serves_on)
    client = HttpClient(server.url)
    client.call("get", "GET", "/", effect=Effect.READ)
    client.call("get", "GET", "/", effect=Effect.READ)
    assert server.connections == 1
    client.call("send", "POST", "/", effect=Effect.ONCE)
    assert server.connections == 2


# --- leases ---------------------------------------------------------------------------------------------------


def test_no_effect_leaves_after_the_lease(raw_server: Start) -> None:
    server = raw_server(says())
    client = HttpClient(server.url, may_start=lambda: False)
    for effect in (Effect.IDEMPOTENT, Effect.ONCE):
        with pytest.raises(Retry) as failure:
            client.call("send", "POST", "/", effect=effect)
        assert failure.value.code == "lease_over"
    assert server.requests == []
    assert client.call("get", "GET", "/", effect=Effect.READ).status == 200


def test_the_lease_is_asked_again_before_a_second_attempt(raw_server: Start) -> None:
    server = raw_server(says("503 Busy"), says())
    answers = iter([True, False])
    with pytest.raises(Retry) as failure:
        HttpClient(server.url, may_start=lambda: next(answers)).call("write", "PUT", "/", effect=Effect.IDEMPOTENT)
    assert (failure.value.code, len(server.requests)) == ("lease_over", 1)


# --- signing --------------------------------------------------------------------------------------------------


def test_what_is_signed_is_what_stands_on_the_wire(raw_server: Start) -> None:
    now = datetime(2026, 11, 2, tzinfo=UTC)
    server = raw_server(says())
    client = HttpClient(
        server.url + "/api",
        sign=lambda method, target, body: sign_request(SECRET, method=method, target=target, at=now, body=body),
    )

    @settings(max_examples=40, deadline=None)
    @given(
        segment=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
            lambda text: text not in (".", "..")
        ),
        params=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.text("aä /%&=+?#")),
        body=st.binary(max_size=50),
    )
    def check(segment: str, params: dict[str, str], body: bytes) -> None:
        client.call("write", "PUT", join_path("cases", segment), params=params, body=body, effect=Effect.ONCE)
        received = server.requests[-1]
        method, target = request_line(received)
        delivery = Delivery(
            method=method,
            target=target,
            headers=headers_of(received),
            body=received.partition(b"\r\n\r\n")[2],
            received_at=now,
        )
        verify_request(delivery, [SECRET])

    check()


# --- what stays here ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["http://evil.example/x", "//evil.example/x", "/../admin", "/a/%2e%2E/b", "/a b", "/a?b", "/a#b", "/\\evil"]
)
def test_a_path_that_leaves_the_base_is_refused_before_anything_is_sent(path: str, raw_server: Start) -> None:
    server = raw_server(says())
    with pytest.raises(Permanent) as failure:
        HttpClient(server.url).call("get", "GET", path, effect=Effect.READ)
    assert (failure.value.code, server.connections) == ("unsafe_path", 0)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "\x00", "\u2603", "\ud800"])
def test_a_header_that_cannot_be_sent_is_refused(value: str, raw_server: Start) -> None:
    server = raw_server(says())
    with pytest.raises(Permanent) as failure:
        HttpClient(server.url).call("get", "GET", "/", headers={"X-Name": value}, effect=Effect.ONCE)
    assert (failure.value.code, server.requests) == ("unsendable_request", [])


def test_a_signature_that_cannot_be_sent_is_refused(raw_server: Start) -> None:
    server = raw_server(says())
    client = HttpClient(server.url, sign=lambda *_request: {"X-Signature": "a\r\nX-Evil: 1"})
    with pytest.raises(Permanent):
        client.call("get", "GET", "/", effect=Effect.ONCE)
    assert server.requests == []


@pytest.mark.parametrize("value", [float("nan"), {"a": object()}, {"a": {1, 2}}])
def test_a_body_that_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(Permanent) as failure:
        HttpClient("http://127.0.0.1:9").call("get", "POST", "/", json=value, effect=Effect.ONCE)
    assert failure.value.code == "unsendable_request"


def test_cookies_are_not_kept(raw_server: Start) -> None:
    server = raw_server(says("200 OK", "{}", "Set-Cookie: session=canary; Path=/"))
    client = HttpClient(server.url)
    for _ in range(2):
        client.call("get", "GET", "/", effect=Effect.READ)
    assert "cookie" not in headers_of(server.requests[1])


def test_the_environment_changes_nothing(
    raw_server: Start, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / ".netrc").write_text("machine 127.0.0.1 login canary password canary\n")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / ".netrc"))
    server = raw_server(says())
    HttpClient(server.url).call("get", "GET", "/", effect=Effect.READ)
    assert "authorization" not in headers_of(server.requests[0])


def test_the_proxy_of_the_settings_is_used_except_where_it_is_not_wanted(raw_server: Start) -> None:
    proxy, server = raw_server(says()), raw_server(says())
    HttpClient("http://crm.invalid/api", network=Network(proxy=proxy.url)).call("get", "GET", "/x", effect=Effect.READ)
    assert request_line(proxy.requests[0]) == ("GET", "http://crm.invalid/api/x")
    direct = Network(proxy=proxy.url, no_proxy="localhost, 127.0.0.0/8")
    HttpClient(server.url, network=direct).call("get", "GET", "/x", effect=Effect.READ)
    assert (len(proxy.requests), len(server.requests)) == (1, 1)


def test_a_proxy_that_refuses_the_tunnel_means_nothing_was_sent(raw_server: Start) -> None:
    proxy = raw_server(says("407 Who are you"))
    client = HttpClient("https://crm.invalid", network=Network(proxy=proxy.url), total_s=1)
    with pytest.raises(Retry) as failure:
        client.call("send", "POST", "/", effect=Effect.ONCE)
    assert failure.value.code == "connect_failed"


def test_a_missing_ca_bundle_is_trouble_of_the_connection() -> None:
    client = HttpClient("https://127.0.0.1:9", network=Network(ca_bundle="/nonexistent.pem"), total_s=1)
    with pytest.raises(Retry):
        client.call("get", "GET", "/", effect=Effect.READ)


# --- threads --------------------------------------------------------------------------------------------------


def test_threads_do_not_share_connections_and_closing_closes_them_all(raw_server: Start) -> None:
    server = raw_server(lambda connection: (says()(connection), connection.recv(1)))
    client = HttpClient(server.url)
    together = threading.Barrier(4, timeout=5)
    statuses: list[int] = []

    def work() -> None:
        together.wait()
        statuses.append(client.call("get", "GET", "/", effect=Effect.READ).status)
        together.wait()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert (statuses, server.connections) == ([200] * 4, 4)
    client.close()
    with pytest.raises(RuntimeError):
        client.call("get", "GET", "/", effect=Effect.READ)
