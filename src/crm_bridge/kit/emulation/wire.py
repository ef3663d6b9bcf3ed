"""What happens to an answer on its way: cut off, dripped, endless, or a connection that is reset.

It owns the last step to the socket. Our `Server` puts a `Wire` into every request; in a process without one a reset is
a `ConnectionResetError`, and the rest works in any WSGI server.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.task import WSGITask

from crm_bridge.kit.emulation.answers import Environ, HttpAnswer, StartResponse

LOST_BYTES = 64
"""So many bytes more than come are announced for an answer that is cut off: the caller sees it break."""

ENDLESS_BYTES = 256_000_000
LONGEST_S = 120.0
"""Even an endless answer ends: no test should hang on its own emulator."""

_CHUNK = b" " * 16_384
_KEY = "crm_bridge.wire"
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """The connection a request came in on."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def reset(self) -> None:
        """Hang up with a TCP reset and without a word. Does not return."""
        self._channel.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        raise ClientDisconnected

    def flush(self) -> None:
        """Send what was said so far now."""
        self._channel.server.pull_trigger()


class _Task(WSGITask):  # type: ignore[misc]  # waitress has no types
    def get_environment(self) -> Environ:
        environ: Environ = super().get_environment()
        environ[_KEY] = Wire(self.channel)
        return environ


class WiredChannel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection whose requests know it."""

    task_class = _Task


def reset(environ: Environ) -> None:
    """Reset the connection of a request. Does not return."""
    wire: Wire | None = environ.get(_KEY)
    if wire is None:
        raise ConnectionResetError("a fault was asked for")
    wire.reset()


def whole(answer: HttpAnswer, start: StartResponse) -> Iterable[bytes]:
    """The answer as it is."""
    start(answer.status_line, [*_without_length(answer), ("Content-Length", str(len(answer.body)))])
    return [answer.body]


def cut_off(answer: HttpAnswer, start: StartResponse, after: int) -> Iterable[bytes]:
    """The first `after` bytes; more are announced than come."""
    announced = max(len(answer.body), after) + LOST_BYTES
    start(answer.status_line, [*_without_length(answer), ("Content-Length", str(announced))])
    return iter((answer.body[:after],))


def dripped(
    answer: HttpAnswer, start: StartResponse, environ: Environ, every_s: float, pause: Callable[[float], Any]
) -> Iterable[bytes]:
    """One byte every `every_s` seconds, for two minutes at most."""
    start(answer.status_line, [*_without_length(answer), ("Content-Length", str(len(answer.body)))])
    wire: Wire | None = environ.get(_KEY)

    def drops() -> Iterator[bytes]:
        ends_at = time.monotonic() + LONGEST_S
        for position in range(len(answer.body)):
            yield answer.body[position : position + 1]
            if wire is not None:
                wire.flush()
            if pause(every_s) or time.monotonic() > ends_at:
                return

    return drops()


def endless(answer: HttpAnswer, start: StartResponse, pause: Callable[[float], Any]) -> Iterable[bytes]:
    """The body, and then blanks (which JSON allows) until the caller has enough; 256 MB or two minutes at most."""
    start(answer.status_line, _without_length(answer))

    def parts() -> Iterator[bytes]:
        ends_at = time.monotonic() + LONGEST_S
        yield answer.body
        for _ in range(ENDLESS_BYTES // len(_CHUNK)):
            yield _CHUNK
            if pause(0) or time.monotonic() > ends_at:
                return

    return parts()


def _without_length(answer: HttpAnswer) -> list[tuple[str, str]]:
    return [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
