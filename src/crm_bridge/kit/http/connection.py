"""Connections that keep a total deadline down to the socket, and know whether a request may have left.

The timeout of requests is per read, so a server that sends a byte now and then holds a call as long as it likes
(measured: 29.8 s with a timeout of 2). Here every read gets only what is left of the deadline, headers and the answer
of a proxy included; name lookup and connecting are bounded as well.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

MAX_CONNECT_S = 5.0


class Attempt:
    """One try of one call: when it must be over, and whether its request may have left.

    A foreign library may make several requests within one: each after the first asks `on_further_request`, and the
    last answer's `status` is kept. `fresh`: on connections that were never idle.
    """

    def __init__(
        self, ends_at: float, *, fresh: bool = False, on_further_request: Callable[[], None] = lambda: None
    ) -> None:
        self.ends_at = ends_at
        self.fresh = fresh
        self.left = False
        self._left_earlier = False
        self.used = False
        self.status: int | None = None
        self.retry_after: str | None = None
        self._on_further_request = on_further_request

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.ends_at

    @property
    def may_have_left(self) -> bool:
        """Whether this request, or one before it in the same attempt, may have left."""
        return self.left or self._left_earlier

    def begins_request(self) -> None:
        """Another request begins; nothing is known of its answer yet."""
        if self.used:
            self._on_further_request()
        self.used = True
        self._left_earlier = self.may_have_left
        self.left = False
        self.status = self.retry_after = None

    def remaining_s(self) -> float:
        """Seconds until the deadline. Raises `TimeoutError` when there are none."""
        remaining = self.ends_at - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the deadline of the call is over")
        return remaining


_running = threading.local()


@contextmanager
def running(attempt: Attempt) -> Iterator[None]:
    """Connections used by this thread belong to this attempt meanwhile."""
    outer = getattr(_running, "attempt", None)
    _running.attempt = attempt
    try:
        yield
    finally:
        _running.attempt = outer


def current_attempt() -> Attempt:
    """The attempt this thread is in. Raises `RuntimeError` outside of one."""
    attempt: Attempt | None = getattr(_running, "attempt", None)
    if attempt is None:
        raise RuntimeError("a bounded session is used outside of a call")
    return attempt


class _DeadlineReader(io.RawIOBase):
    """A socket's reading end that gives every read only what is left of the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(current_attempt().remaining_s())
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        # The socket lives until both its connection and its last reader are closed.
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock))


class _DeadlineMixin:
    """What both kinds of connection share. Uses the same hook as urllib3's own SOCKS support: `_new_conn`."""

    response_class: Any = _DeadlineResponse
    sock: Any

    def _new_conn(self) -> socket.socket:
        connection: Any = self
        host = connection._dns_host
        give_up_at = time.monotonic() + min(MAX_CONNECT_S, current_attempt().remaining_s())
        try:
            return _connect(host, connection.port, give_up_at, connection.socket_options or ())
        except TimeoutError:
            raise ConnectTimeoutError(connection, "connecting took too long") from None
        except OSError as error:
            raise NewConnectionError(connection, type(error).__name__) from error

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        finally:
            # What was said to a proxy to get here is not the request.
            current_attempt().left = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(current_attempt().remaining_s())
        current_attempt().left = True
        super().send(data)  # type: ignore[misc]


class _DeadlineHTTPConnection(_DeadlineMixin, HTTPConnection):
    pass


class _DeadlineHTTPSConnection(_DeadlineMixin, HTTPSConnection):
    pass


class _DeadlineHTTPPool(HTTPConnectionPool):
    ConnectionCls = _DeadlineHTTPConnection


class _DeadlineHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _DeadlineHTTPSConnection


_POOLS = {"http": _DeadlineHTTPPool, "https": _DeadlineHTTPSPool}


class DeadlineTransport(HTTPAdapter):
    """The transport of a session: our connections, directly or through a proxy, and no retries of its own."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _connect(host: str, port: int, give_up_at: float, options: Any) -> socket.socket:
    """The first address of a host that takes us; each gets an equal share of the time that is left."""
    addresses = _look_up(host, port, give_up_at)
    last: OSError = OSError("the name has no address")
    for position, (family, kind, protocol, _name, address) in enumerate(addresses):
        remaining = give_up_at - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            sock.settimeout(remaining / (len(addresses) - position))
            sock.connect(address)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise last


def _look_up(host: str, port: int, give_up_at: float) -> list[Any]:
    """`getaddrinfo` has no timeout: it gets a thread, which is left behind when it takes too long."""
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=look_up, name="look-up", daemon=True)
    thread.start()
    thread.join(max(0.0, give_up_at - time.monotonic()))
    if not found:
        raise TimeoutError
    if isinstance(found[0], Exception):
        raise OSError("the name cannot be looked up")
    addresses: list[Any] = found[0]
    return addresses
