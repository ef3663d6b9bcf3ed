"""`FaultyWire`: a TCP proxy between adapter and emulator that breaks the n-th request in any way a network can.

It owns sockets and which request is struck; what is played there are the `forms`. It needs no words of any CRM: the
suite breaks the first request of a call, then the second, and so on, until the call makes no more of them.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

MAX_REQUEST_BYTES = 5_000_000
FORWARD_S = 30.0

Play = Callable[["Struck"], None]
"""What is done to one request. What it returns is not looked at; the connection is closed afterwards."""


@dataclass(frozen=True, kw_only=True)
class Struck:
    """One request under a fault: the adapter's side of the connection, and the way on to the emulator."""

    client: socket.socket = field(repr=False)
    request: bytes = field(repr=False)
    forward: Callable[[], bytes] = field(repr=False)
    wire: FaultyWire = field(repr=False)

    def send(self, content: bytes) -> bool:
        """Answer some bytes; False when the adapter hung up."""
        try:
            self.client.sendall(content)
        except OSError:
            return False
        self.wire.count_sent(len(content))
        return True


class FaultyWire:
    """Listens on loopback and passes everything on to `target` (an http base URL), one request a connection."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._path = parts.path
        self._lock = threading.Lock()
        self._play: Play | None = None
        self._window = (0, 0)
        self.requests = 0
        self.struck = 0
        self.sent_bytes = 0
        self.closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, name="faulty-wire", daemon=True).start()

    @property
    def base_url(self) -> str:
        """What stands in for the emulator's own base URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._path}"

    def strike(self, play: Play, *, at: int = 0, times: int | None = 1) -> None:
        """Play this on `times` requests (None: all) from the `at`-th from now on; counters start again."""
        with self._lock:
            self._play = play
            self._window = (at, at + times if times is not None else 2**62)
            self.requests = self.struck = self.sent_bytes = 0

    def spare(self) -> None:
        """Pass everything on from now on."""
        with self._lock:
            self._play = None

    def count_sent(self, count: int) -> None:
        """Bytes that were answered under a fault."""
        with self._lock:
            self.sent_bytes += count

    def stop(self) -> None:
        """Stop listening, and end what still hangs."""
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(FORWARD_S)
            request = read_message(client)
            if not request:
                return
            play = self._next_play()
            if play is None:
                client.sendall(self._forward(request))
            else:
                play(Struck(client=client, request=request, forward=lambda: self._forward(request), wire=self))

    def _next_play(self) -> Play | None:
        with self._lock:
            number, self.requests = self.requests, self.requests + 1
            if self._play is None or not self._window[0] <= number < self._window[1]:
                return None
            self.struck += 1
            return self._play

    def _forward(self, request: bytes) -> bytes:
        """The emulator's whole answer."""
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        with socket.create_connection(self._target, timeout=FORWARD_S) as server:
            server.sendall(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
            parts = []
            while part := server.recv(65_536):
                parts.append(part)
            return b"".join(parts)


class Elsewhere:
    """A host nobody should ever call: it counts who does, and answers nothing."""

    def __init__(self) -> None:
        self.visits = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        threading.Thread(target=self._accept, name="elsewhere", daemon=True).start()

    @property
    def base_url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def stop(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.visits += 1
            client.close()


def read_message(connection: socket.socket) -> bytes:
    """One whole HTTP request with a content length; empty when the other side hung up before."""
    received = bytearray()
    while b"\r\n\r\n" not in received and len(received) < MAX_REQUEST_BYTES:
        part = connection.recv(65_536)
        if not part:
            return b""
        received += part
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    missing = min(_content_length(head), MAX_REQUEST_BYTES) - len(body)
    while missing > 0:
        part = connection.recv(min(missing, 65_536))
        if not part:
            return b""
        received += part
        missing -= len(part)
    return bytes(received)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def reset(client: Any) -> None:
    """Close so that the other side sees a reset instead of an end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()
