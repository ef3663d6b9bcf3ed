"""The real server over real sockets: bounds, the raw target, slow clients, a graceful end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from crm_bridge.settings import Listen
from crm_bridge.web.reception import MAX_KEPT_BYTES
from crm_bridge.web.server import MAX_BUFFERED_BODY, MAX_HEADER_BYTES, RECEIVED_WITHIN_S, build_server, run, serve

LOOPBACK = Listen(host="127.0.0.1", port=0)


class Running:
    def __init__(self, app: Any) -> None:
        self.server = build_server(app, LOOPBACK)
        self.port = self.server.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._stop = threading.Event()
        self.thread = threading.Thread(target=run, args=(self.server, self._stop), daemon=True)
        self.thread.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def stop(self) -> None:
        if not self._stop.is_set():
            # Said inside the loop, so that its descriptor is still its own when it is woken.
            with contextlib.suppress(OSError):
                self.server.trigger.pull_trigger(self._stop.set)


@pytest.fixture
def running() -> Iterator[Callable[[Any], Running]]:
    started: list[Running] = []

    def start(app: Any) -> Running:
        started.append(Running(app))
        return started[-1]

    yield start
    for server in started:
        server.stop()
        server.thread.join(timeout=15)
        assert not server.thread.is_alive()


def answered(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def test_two_megabytes_are_413_with_and_without_a_length(stage: Any, running: Any) -> None:
    url = f"{running(stage.app).url}/webhooks/demo"
    body = b" " * 2_000_000
    kind = {"Content-Type": "application/json"}
    for data in (body, iter([body[:1_000_000], body[1_000_000:]])):
        answer = requests.post(url, data=data, headers=kind, timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_what_the_server_itself_refuses_is_a_problem_too(stage: Any, running: Any) -> None:
    server = running(stage.app)
    for sent, status in [
        (b"POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MAX_BUFFERED_BODY + 1), b" 413 "),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", b" 400 "),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", b" 501 "),
        (b"GET http://[::1/healthz HTTP/1.1\r\nHost: x\r\n\r\n", b" 400 "),
        (b"GET http://exa\xff.example/ HTTP/1.1\r\nHost: x\r\n\r\n", b" 400 "),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n" % (b"9" * 5000), b" 400 "),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFF\r\n", b" 413 "),
        # Exactly the bound: what the server leaves unread it answers with a reset.
        (b"GET / HTTP/1.1\r\nX: ".ljust(MAX_HEADER_BYTES, b"a"), b" 431 "),
    ]:
        with server.connect() as connection:
            connection.sendall(sent)
            answer = answered(connection)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert status in head.split(b"\r\n")[0]
        assert b"application/problem+json" in head
        assert b"nosniff" in head
        assert b"waitress" not in answer.lower()
        assert {"type", "title", "status", "detail", "code"} <= set(json.loads(body))


def test_the_raw_target_survives_and_forwarded_headers_do_not(running: Any) -> None:
    from crm_bridge.web.deliveries import raw_target

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen = {
            "target": raw_target(environ),
            "scheme": environ["wsgi.url_scheme"],
            "forwarded": [key for key in environ if "FORWARDED" in key],
        }
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(seen).encode()]

    server = running(app)
    with server.connect() as connection:
        connection.sendall(
            b"GET /a%2fb/../c%20d?x=%3a%2F&y HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n"
            b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: host=evil\r\n\r\n"
        )
        head, _, body = answered(connection).partition(b"\r\n\r\n")
    assert json.loads(body) == {"target": "/a%2fb/../c%20d?x=%3a%2F&y", "scheme": "http", "forwarded": []}
    assert b"\r\nserver:" not in head.lower()


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds, with patience for a slow machine."""
    ends, pause = time.monotonic() + 60, threading.Event()
    while not condition():
        assert time.monotonic() < ends, "it never came to hold"
        pause.wait(0.02)


def test_of_a_body_that_is_too_long_only_its_length_is_kept(stage: Any, running: Any) -> None:
    server = running(stage.app)
    head = b"POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with server.connect() as connection:
        connection.sendall(head + b"Content-Length: 3900000\r\n\r\n" + b" " * 3_800_000)

        def received() -> list[Any]:
            found = [channel.request for channel in list(server.server.active_channels.values())]
            return [request for request in found if request and request.body_bytes_received == 3_800_000]

        wait_for(lambda: bool(received()))
        buffer = received()[0].body_rcv.getbuf()
        assert (len(buffer), len(buffer.get())) == (3_800_000, MAX_KEPT_BYTES)
        connection.sendall(b" " * 100_000)
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_request_that_never_ends_is_ended(running: Any) -> None:
    server = running(lambda _environ, _start: [])
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")

        def receiving() -> list[Any]:
            return [channel for channel in list(server.server.active_channels.values()) if channel.request]

        wait_for(lambda: bool(receiving()))
        channel = receiving()[0]
        begun = channel.last_activity
        for number in range(1, 4):
            connection.sendall(b"x")
            wait_for(lambda so_far=number: channel.request.body_bytes_received >= so_far)  # type: ignore[misc]
        wait_for(lambda: channel.last_activity == begun)
        server.server.trigger.pull_trigger(lambda: server.server.maintenance(begun + RECEIVED_WITHIN_S + 1))
        assert answered(connection) == b""


def test_dribbling_sockets_do_not_keep_others_from_an_answer(stage: Any, running: Any) -> None:
    server = running(stage.app)
    slow = [server.connect() for _ in range(60)]
    try:
        for number, connection in enumerate(slow):
            length = b"Content-Length: 900000\r\n\r\n{" if number % 2 else b"X-Slow: "
            connection.sendall(b"POST /webhooks/demo HTTP/1.1\r\nHost: x\r\n" + length)
        for _ in range(5):
            assert requests.get(f"{server.url}/healthz", timeout=5).status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_a_stop_finishes_what_is_being_answered_and_refuses_what_is_new(running: Any) -> None:
    inside, release = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        inside.set()
        release.wait(10)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
        return [b"done"]

    server = running(app)
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert inside.wait(10)
        server.stop()
        deadline = threading.Event()
        for _ in range(200):
            try:
                server.connect().close()
            except OSError:
                break
            deadline.wait(0.02)
        else:
            pytest.fail("new connections are still accepted")
        release.set()
        assert answered(connection).endswith(b"done")


def test_sigterm_ends_the_process_cleanly(tmp_path: Any) -> None:
    script = textwrap.dedent(
        """
        from crm_bridge.settings import Listen
        from crm_bridge.telemetry import configure_logging
        from crm_bridge.web.server import serve

        def app(environ, start_response):
            start_response("200 OK", [("Content-Length", "0")])
            return []

        configure_logging()
        serve(app, Listen(host="127.0.0.1", port=0), on_listening=lambda bound: print(bound.port, flush=True))
        print("returned", flush=True)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert requests.get(f"http://127.0.0.1:{port}/", timeout=5).status_code == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=15)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "returned\n")
    assert [json.loads(line)["event"] for line in err.splitlines()] == ["web_listening", "web_stopped"]


def test_an_address_in_use_is_an_error_at_once(stage: Any, running: Any) -> None:
    server = running(stage.app)
    with pytest.raises(OSError, match="in use"):
        serve(stage.app, Listen(host="127.0.0.1", port=server.port))
