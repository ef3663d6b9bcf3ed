"""Where a worker can die, sleep or be overtaken: before and after every call of its adapter and every commit.

It owns the places and their names; what happens there is a `Fate` that a story sets. A place that is not reached
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import getclosurevars
from typing import Any, TypeVar

import sqlalchemy as sa

from crm_bridge.contract import Adapter
from crm_bridge.store.database import Store
from crm_bridge.store.queue import Lease

T = TypeVar("T")

CALLS = (
    *("read_case", "read_draft", "write_draft", "show", "send_reply", "find_reply"),
    *("withdraw_draft", "resolve", "changed_since"),
)
WRITES = frozenset({"write_draft", "withdraw_draft", "show", "send_reply"})
COMMITS = (
    *("claim", "read", "begin", "may_ask", "keep", "announce", "written", "note_written", "keep_out", "show"),
    *("attempt", "end", "absent", "unknown", "rest", "resolve", "store_found", "pause", "count_failure"),
)


class Death(BaseException):
    """The worker's process is gone: nothing may catch it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Right before or right after a call of the adapter, or a commit."""

    when: str
    name: str

    def __str__(self) -> str:
        thing = f"the commit {self.name.rstrip('.')!r}" if self.name.endswith(".") else self.name
        return f"right {self.when} {thing}"


PLACES = tuple(
    Place(when=when, name=name) for name in (*CALLS, *(f"{name}." for name in COMMITS)) for when in ("before", "after")
)
"""Commits are written with a dot, since a call and a commit may share a name."""


@dataclass(kw_only=True)
class Fate:
    """What happens the next time a worker comes to a place, or to so many places, whichever they are."""

    place: Place | int
    happens: Callable[[Place], None]

    def strikes(self, here: Place) -> bool:
        if isinstance(self.place, Place):
            return self.place == here
        self.place -= 1
        return self.place < 0


@dataclass(kw_only=True)
class Watch:
    """The worker under observation. `before_call` looks at every call of the adapter that is about to leave."""

    fate: Fate | None = None
    working: bool = False
    lease: Lease | None = None
    before_call: Callable[[str, str, tuple[Any, ...]], None] = field(
        default=lambda _connection, _name, _arguments: None
    )

    def reach(self, when: str, name: str) -> None:
        fate, here = self.fate, Place(when=when, name=name)
        if not self.working or fate is None or not fate.strikes(here):
            return
        self.fate, self.working = None, False
        try:
            fate.happens(here)
        finally:
            self.working = True


class WatchedAdapter:
    """An adapter whose calls are places. Everything else is the adapter's own."""

    def __init__(self, adapter: Adapter, connection: str, watch: Watch) -> None:
        self._adapter, self._connection, self._watch = adapter, connection, watch

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._adapter, name)
        if name not in CALLS:
            return real

        def call(*arguments: Any, **more: Any) -> Any:
            self._watch.before_call(self._connection, name, arguments)
            self._watch.reach("before", name)
            answer = real(*arguments, **more)
            self._watch.reach("after", name)
            return answer

        return call


@dataclass(frozen=True, kw_only=True)
class WatchedStore(Store):
    """A store whose transactions are places."""

    watch: Watch

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        name = f"{_name_of(work)}." if self.watch.working else ""
        if name.rstrip(".") not in COMMITS:
            return super().run(work)
        self.watch.reach("before", name)
        result = super().run(work)
        self.watch.reach("after", name)
        return result


def _name_of(work: Callable[..., Any]) -> str:
    """The function a transaction belongs to: `Turn.commit` only carries another one."""
    names = work.__qualname__.split(".<locals>")[0]
    if names == "Turn.commit":
        return _name_of(getclosurevars(work).nonlocals["work"])
    return names.rpartition(".")[2].lstrip("_")
