"""Contexts to draft from, and servers that behave as badly as the real ones do."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from crm_bridge.contract import Source
from crm_bridge.core.masking import MaskedContext, MaskedMessage

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

PASSWORD = Source(
    id="a-password",
    title="Reset your password",
    url="https://help.example.com/password",
    excerpt=(
        "Open the sign-in page and choose “Forgot password”. Enter the e-mail address of your account. "
        "We send you a link that is valid for 30 minutes. Choose a new password of at least 12 characters."
    ),
    language="en",
)
DELIVERY = Source(
    id="a-delivery",
    title="Delivery times",
    url="https://help.example.com/delivery",
    excerpt="We deliver within 3 to 5 working days. You can follow your parcel in your account.",
    language="en",
)
HOURS = Source(
    id="a-hours", title="Opening hours", excerpt="Our shop is open Monday to Friday, 9:00 to 18:00.", language="en"
)
GERMAN_PASSWORD = Source(
    id="a-passwort",
    title="Passwort zurücksetzen",
    excerpt="Öffnen Sie die Anmeldeseite und wählen Sie „Passwort vergessen“. Der Link ist 30 Minuten gültig.",
    language="de",
)
SOURCES = (PASSWORD, DELIVERY, HOURS, GERMAN_PASSWORD)

MakeContext = Callable[..., MaskedContext]


def context_of(question: str = "How do I reset my password?", **changes: Any) -> MaskedContext:
    message = MaskedMessage(id="m1", author="customer", text=question, sent_at=AT, internal=False)
    values: dict[str, Any] = {
        "subject": "A question",
        "channel": "email",
        "language": None,
        "messages": (message,),
        "fields": (("product", "Lamp"),),
        "sources": SOURCES,
        "context_id": "c0ffee",
    }
    return MaskedContext(**(values | changes))


@pytest.fixture
def make_context() -> MakeContext:
    return context_of


Handle = Callable[[socket.socket, threading.Event], None]


@pytest.fixture
def raw_server() -> Iterator[Callable[[Handle], str]]:
    """Start servers that speak through a bare socket; `handle(connection, over)` runs per connection."""
    over = threading.Event()
    servers: list[socketserver.ThreadingTCPServer] = []

    def start(handle: Handle) -> str:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(5)
                # The client hangs up in the middle of most of these.
                with contextlib.suppress(OSError):
                    handle(self.request, over)

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def hang(connection: socket.socket, over: threading.Event) -> None:
    """Take the request and say nothing."""
    connection.recv(65_536)
    over.wait(30)


def drip(connection: socket.socket, over: threading.Event) -> None:
    """Answer one byte at a time, for ever."""
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while not over.wait(0.05):
        connection.sendall(b" ")


def drip_headers(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not over.wait(0.05):
        connection.sendall(b"x")


def cut(connection: socket.socket, over: threading.Event) -> None:
    """Promise more than is sent."""
    connection.recv(65_536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"ver')


_BAD = {"hang": hang, "drip": drip, "drip_headers": drip_headers, "cut": cut}


@pytest.fixture
def bad_server(raw_server: Callable[[Handle], str]) -> Callable[[str], str]:
    """The base URL of a server with one of the bad habits above, by name."""
    return lambda habit: raw_server(_BAD[habit])


@pytest.fixture
def closed_url() -> str:
    """A URL where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
