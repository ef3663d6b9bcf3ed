"""Rate limits of an emulated CRM as data: counted by its own clock, in windows that begin on the round second.

It owns the counting. What a CRM says of it (headers, the form of its refusal) is the emulator's.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RateLimit:
    """At most `calls` in every window of `per_s` seconds (86400: until midnight UTC).

    `operations`: only these count; empty: all of them do.
    """

    name: str
    calls: int
    per_s: float
    operations: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.calls < 1 or self.per_s <= 0:
            raise ValueError("a rate limit needs at least one call per a positive number of seconds")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """How far a limit is used up, and when its window ends."""

    limit: RateLimit
    used: int
    resets_in_s: float

    @property
    def remaining(self) -> int:
        """Calls that are left in this window."""
        return max(0, self.limit.calls - self.used)

    @property
    def retry_after_s(self) -> int:
        """Whole seconds until the next window, at least one."""
        return max(1, math.ceil(self.resets_in_s))


class RateLimits:
    """The windows of one emulated CRM; usable from several threads. A refused call is not counted."""

    def __init__(self, limits: Sequence[RateLimit], now: Callable[[], datetime]) -> None:
        self._limits = tuple(limits)
        self._now = now
        self._lock = threading.Lock()
        self._used: dict[str, tuple[float, int]] = {}

    def take(self, operation: str) -> tuple[tuple[Usage, ...], Usage | None]:
        """The usages this call counts against, itself included, and the one that refuses it."""
        with self._lock:
            usages = [self._usage(limit) for limit in self._limits if operation in (limit.operations or {operation})]
            refusing = next((usage for usage in usages if not usage.remaining), None)
            if refusing is not None:
                return tuple(usages), refusing
            return tuple(self._taken(usage) for usage in usages), None

    def used_up(self, name: str) -> Usage:
        """The usage of a limit as if it were used up; of one that nobody declared too."""
        unknown = RateLimit(name=name or "rate_limit", calls=1, per_s=10)
        limit = next((limit for limit in self._limits if limit.name == name), unknown)
        return Usage(limit=limit, used=limit.calls, resets_in_s=self._window(limit)[1])

    def _usage(self, limit: RateLimit) -> Usage:
        began, resets_in_s = self._window(limit)
        window, used = self._used.get(limit.name, (began, 0))
        return Usage(limit=limit, used=used if window == began else 0, resets_in_s=resets_in_s)

    def _taken(self, usage: Usage) -> Usage:
        began, _ = self._window(usage.limit)
        self._used[usage.limit.name] = (began, usage.used + 1)
        return Usage(limit=usage.limit, used=usage.used + 1, resets_in_s=usage.resets_in_s)

    def _window(self, limit: RateLimit) -> tuple[float, float]:
        now = self._now().timestamp()
        began = math.floor(now / limit.per_s) * limit.per_s
        return began, began + limit.per_s - now
