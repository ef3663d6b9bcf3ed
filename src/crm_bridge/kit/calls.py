"""How many calls went out, or came in, by operation: the budget of calls an adapter declares is asserted against it.

It counts and nothing else; which operation a call is says whoever counts it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class CallCounter(Mapping[str, int]):
    """Calls by operation, readable as a mapping; an operation never called counts 0. Safe from several threads.

    ::

        with counter.during() as calls:
            adapter.read_case(case)
        assert sum(calls.values()) <= 2
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def count(self, operation: str) -> None:
        """One more call of an operation."""
        with self._lock:
            self._counts[operation] += 1

    def clear(self) -> None:
        """Start at 0 again."""
        with self._lock:
            self._counts.clear()

    @property
    def total(self) -> int:
        """All calls of all operations."""
        with self._lock:
            return self._counts.total()

    @contextmanager
    def during(self) -> Iterator[Mapping[str, int]]:
        """What is called while the block runs, by whichever thread; complete when the block ends."""
        before = self._snapshot()
        meanwhile: dict[str, int] = {}
        try:
            yield meanwhile
        finally:
            meanwhile.update(self._snapshot() - before)

    def __getitem__(self, operation: str) -> int:
        with self._lock:
            return self._counts[operation]

    def __iter__(self) -> Iterator[str]:
        return iter(self._snapshot())

    def __len__(self) -> int:
        with self._lock:
            return len(self._counts)

    def __repr__(self) -> str:
        return f"CallCounter({dict(self._snapshot())!r})"

    def _snapshot(self) -> Counter[str]:
        with self._lock:
            return self._counts.copy()
