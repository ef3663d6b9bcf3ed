"""A CRM's limits as data: so many calls per so many seconds, of every operation or of some.

An adapter lists them; whoever makes a call takes it from `services.limits` first, which all processes of a connection
share. No adapter writes a limiter, and none sleeps: waiting, at most 2 s in all, is the service's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from crm_bridge.contract import Limits


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """At most `calls` per `per_s` seconds. `operations`: only these count against it; empty: every call does.

    `name` is the budget's name in the services of the connection: two limits of one name share one budget.
    """

    name: str
    calls: int
    per_s: float
    operations: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.name or self.calls < 1 or not (math.isfinite(self.per_s) and self.per_s > 0):
            raise ValueError("a limit needs a name and at least one call per a positive number of seconds")

    def covers(self, operation: str) -> bool:
        """Whether a call of this operation counts against it."""
        return not self.operations or operation in self.operations


class CallLimits:
    """The limits of one connection, ready to be taken from. Without limits every call is free."""

    def __init__(self, limits: Iterable[Limit], budgets: Limits | None) -> None:
        # The shortest window first: when it is used up, nothing was taken of the daily one.
        self._limits = tuple(sorted(limits, key=lambda limit: limit.per_s))
        if self._limits and budgets is None:
            raise ValueError("limits need the budgets of the connection: pass services.limits")
        self._budgets = budgets

    def acquire(self, operation: str) -> None:
        """Take one call from every limit it counts against. Raises `Retry` with the time to wait, like the service."""
        for limit in self._limits:
            if self._budgets is not None and limit.covers(operation):
                self._budgets.acquire(limit.name, limit=limit.calls, per_s=limit.per_s)
