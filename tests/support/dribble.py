"""Clients that never finish: sockets that send one byte of a request now and then, and probes beside them."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType

import requests


class Dribbling:
    """`count` sockets to one address, each sending a header for ever, a byte every `every_s`."""

    def __init__(self, port: int, *, count: int, every_s: float = 0.2) -> None:
        self._port, self._count, self._every_s = port, count, every_s
        self._sockets: list[socket.socket] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dribbling")

    def __enter__(self) -> Dribbling:
        for number in range(self._count):
            made = socket.create_connection(("127.0.0.1", self._port), timeout=10)
            self._sockets.append(made)
            # Half of them have announced a body that will not come, half never end their headers.
            length = b"Content-Length: 100000\r\n\r\n" if number % 2 else b"X-Dribble: "
            made.sendall(b"POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + length)
            made.setblocking(False)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()
        for made in self._sockets:
            made.close()

    @property
    def held(self) -> int:
        """How many of them the server has not closed."""
        with selectors.DefaultSelector() as selector:
            for made in self._sockets:
                selector.register(made, selectors.EVENT_READ)
            readable = {key.fileobj for key, _ in selector.select(0)}
        return sum(made not in readable for made in self._sockets)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            for made in self._sockets:
                with suppress(OSError):  # closed by the server, or its buffer is full
                    made.send(b"a")


def probe(url: str, times: int) -> list[float]:
    """Ask `url` so often, on a new connection each time; how long each 200 took, in seconds."""
    taken = []
    for _ in range(times):
        started = time.monotonic()
        answer = requests.get(url, timeout=10)
        taken.append(time.monotonic() - started)
        assert answer.status_code == 200, answer.text
    return taken
