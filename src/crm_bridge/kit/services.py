"""In-memory services for adapters: enough for tests, tools and the first steps of an adapter.

One process, several threads; nothing outlives it. The PostgreSQL ones of the store keep the same promises across
processes.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from crm_bridge.contract import Clock, Network, Retry, Services, Token

MAX_LIMIT_SLEEP_S = 2.0
"""No worker sleeps longer than this in a limiter, in all; then the connection is told to come back."""

MAX_CACHE_ENTRIES = 1_000


class SystemClock:
    """The machine's time, aware UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SettableClock:
    """A time that only moves when told to; for tests and emulators. Safe to use from several threads."""

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._now = _utc(start) if start else datetime.now(UTC)

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def set(self, at: datetime) -> None:
        """Jump to a time, also backwards. Raises `ValueError` for a naive one."""
        with self._lock:
            self._now = _utc(at)

    def advance(self, by: timedelta) -> None:
        """Move on by `by`."""
        with self._lock:
            self._now += by


class MemoryTokens:
    """Tokens of one process. `refresh` is single-flight per name: one thread fetches, the others get its token."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def get(self, name: str) -> Token | None:
        with self._guard:
            return self._tokens.get(name)

    def refresh(self, name: str, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        """See `contract.Tokens.refresh`. What `fetch` raises goes to its own caller; the next waiter tries itself."""
        with self._guard:
            lock = self._locks[name]
        with lock:
            stored = self.get(name)
            if stored is not None and stored != stale:
                return stored
            fresh = fetch(stored)
            with self._guard:
                self._tokens[name] = fresh
            return fresh


class MemoryLimits:
    """Sliding windows of one process, by the monotonic clock. A call taken is never given back."""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._taken: defaultdict[str, deque[float]] = defaultdict(deque)

    def acquire(self, name: str, *, limit: int, per_s: float) -> None:
        """See `contract.Limits.acquire`. Raises `ValueError` for a limit that could never be met."""
        if limit < 1 or not per_s > 0 or not math.isfinite(per_s):
            raise ValueError("a limit needs at least one call per a positive number of seconds")
        give_up_at = self._monotonic() + MAX_LIMIT_SLEEP_S
        while (wait_s := self._take(name, limit, per_s)) > 0:
            if self._monotonic() + wait_s > give_up_at:
                raise Retry(f"the limit {name} is used up", code="rate_limited", after=timedelta(seconds=wait_s))
            self._sleep(min(wait_s, MAX_LIMIT_SLEEP_S))

    def _take(self, name: str, limit: int, per_s: float) -> float:
        """Take one call and return 0, or return the seconds until one may be free."""
        with self._lock:
            now = self._monotonic()
            taken = self._taken[name]
            while taken and taken[0] <= now - per_s:
                taken.popleft()
            if len(taken) < limit:
                taken.append(now)
                return 0.0
            # Oldest that must leave first; a microsecond more, so that rounding never wakes us too early.
            return taken[len(taken) - limit] + per_s - now + 1e-6


class MemoryCache:
    """A bounded cache of one process; the entry unused for longest makes room."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            ends_at, value = found
            if self._monotonic() >= ends_at:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return value

    def put(self, key: str, value: bytes, *, ttl_s: float) -> None:
        with self._lock:
            self._entries[key] = (self._monotonic() + ttl_s, value)
            self._entries.move_to_end(key)
            while len(self._entries) > MAX_CACHE_ENTRIES:
                self._entries.popitem(last=False)

    def drop(self, key: str) -> None:
        with self._lock:
            self._entries.pop(key, None)


def in_memory_services(
    connection: str = "test",
    public_url: str = "http://127.0.0.1",
    *,
    clock: Clock | None = None,
    may_start: Callable[[], bool] | None = None,
    network: Network | None = None,
) -> Services:
    """Services for one connection that live and die with this process."""
    return Services(
        connection=connection,
        public_url=public_url,
        tokens=MemoryTokens(),
        limits=MemoryLimits(),
        cache=MemoryCache(),
        clock=clock or SystemClock(),
        network=network or Network(),
        may_start=may_start or (lambda: True),
    )


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a clock needs an aware datetime")
    return at.astimezone(UTC)
