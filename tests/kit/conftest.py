"""A server on a raw socket, for answers no HTTP library would give."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

Behaviour = Callable[[socket.socket], None]


class RawServer:
    """Reads whole requests, records them, and lets a behaviour write whatever it wants; then hangs up."""

    def __init__(self, *behaviours: Behaviour, serve: Behaviour | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._behaviours = behaviours
        self._handle = serve or self._serve
        self._stopping = threading.Event()
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._socket.accept()
                connection.settimeout(2)
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            received = b""
            while (whole := _whole_request(received)) is None:
                part = connection.recv(65536)
                if not part:
                    return
                received += part
            self.requests.append(whole)
            position = min(len(self.requests), len(self._behaviours)) - 1
            self._behaviours[position](connection)

    def stop(self) -> None:
        self._stopping.set()
        self._socket.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.close()
        self._thread.join(2)

    @property
    def stopping(self) -> threading.Event:
        return self._stopping


def _whole_request(received: bytes) -> bytes | None:
    head, separator, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    if not separator or len(body) < int(length[1] if length else 0):
        return None
    return received


@pytest.fixture
def raw_tls() -> Iterator[Callable[[Behaviour], RawServer]]:
    """`raw_tls(behaviour)`: a server that leaves every connection to the behaviour from its first byte on."""
    servers: list[RawServer] = []

    def start(behaviour: Behaviour) -> RawServer:
        def serve(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                behaviour(connection)

        servers.append(RawServer(serve=serve))
        servers[-1].url = servers[-1].url.replace("http:", "https:")
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    """`raw_server(behaviour, …)`: the n-th request meets the n-th behaviour, later ones the last."""
    servers: list[RawServer] = []

    def start(*behaviours: Behaviour) -> RawServer:
        servers.append(RawServer(*behaviours))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
