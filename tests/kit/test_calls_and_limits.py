"""Calls are counted by operation, and taken from every limit they count against before they leave."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import Retry
from crm_bridge.kit.calls import CallCounter
from crm_bridge.kit.http import Effect, HttpClient
from crm_bridge.kit.limits import CallLimits, Limit
from crm_bridge.kit.services import MemoryLimits

Start = Callable[..., Any]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Budgets:
    """Remembers what was taken; `empty` names a budget that has nothing left."""

    def __init__(self, empty: str = "") -> None:
        self.empty = empty
        self.taken: list[tuple[str, int, float]] = []

    def acquire(self, name: str, *, limit: int, per_s: float) -> None:
        if name == self.empty:
            raise Retry("used up", code="rate_limited", after=timedelta(seconds=per_s))
        self.taken.append((name, limit, per_s))


def says(*answers: bytes) -> list[Callable[[Any], None]]:
    return [lambda connection, answer=answer: connection.sendall(answer) for answer in answers]


# --- counting -----------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["read", "write", "send"])))
def test_a_counter_reads_like_a_mapping(operations: list[str]) -> None:
    counter = CallCounter()
    for operation in operations:
        counter.count(operation)
    assert dict(counter) == {operation: operations.count(operation) for operation in set(operations)}
    assert (counter.total, sum(counter.values()), counter["never"]) == (len(operations), len(operations), 0)
    counter.clear()
    assert not counter


def test_what_happens_during_a_block_is_counted_apart_and_by_every_thread() -> None:
    counter = CallCounter()
    counter.count("read")
    with counter.during() as calls:
        threads = [threading.Thread(target=lambda: [counter.count("send") for _ in range(100)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counter.count("read")
    assert calls == {"send": 400}


def test_a_client_counts_every_attempt(raw_server: Start) -> None:
    counter = CallCounter()
    client = HttpClient(raw_server(*says(BUSY, OK)).url, calls=counter)
    client.call("read_case", "GET", "/", effect=Effect.READ)
    assert dict(counter) == dict(client.calls) == {"read_case": 2}
    client.close()


# --- limits -------------------------------------------------------------------------------------------------------


def test_each_attempt_is_taken_from_the_limits_it_counts_against_shortest_first(raw_server: Start) -> None:
    budgets = Budgets()
    limits = [
        Limit(name="daily", calls=1000, per_s=86_400),
        Limit(name="search", calls=5, per_s=1, operations=frozenset({"search"})),
        Limit(name="burst", calls=100, per_s=10),
    ]
    client = HttpClient(raw_server(*says(BUSY, OK)).url, limits=limits, budgets=budgets)
    client.call("read_case", "GET", "/", effect=Effect.READ)
    assert [name for name, *_ in budgets.taken] == ["burst", "daily"] * 2
    client.call("search", "GET", "/", effect=Effect.READ)
    assert budgets.taken[4:] == [("search", 5, 1), ("burst", 100, 10), ("daily", 1000, 86_400)]
    client.close()


def test_nothing_leaves_and_nothing_longer_is_taken_when_a_limit_is_used_up(raw_server: Start) -> None:
    server = raw_server(*says(OK))
    budgets = Budgets(empty="burst")
    limits = [Limit(name="daily", calls=1000, per_s=86_400), Limit(name="burst", calls=100, per_s=10)]
    client = HttpClient(server.url, limits=limits, budgets=budgets)
    for effect in Effect:
        with pytest.raises(Retry) as refusal:
            client.call("send", "POST", "/", effect=effect)
        assert (refusal.value.code, refusal.value.after) == ("rate_limited", timedelta(seconds=10))
    assert (server.connections, budgets.taken, client.calls.total) == (0, [], 0)
    client.close()


def test_limits_of_one_name_share_a_budget() -> None:
    budgets = MemoryLimits(monotonic=lambda: 0.0, sleep=lambda _s: None)
    limit = Limit(name="burst", calls=1, per_s=10)
    CallLimits([limit], budgets).acquire("read")
    with pytest.raises(Retry):
        CallLimits([limit], budgets).acquire("write")


def test_limits_without_budgets_are_a_mistake_of_the_author() -> None:
    with pytest.raises(ValueError):
        CallLimits([Limit(name="burst", calls=1, per_s=1)], None)
    CallLimits([], None).acquire("free")


@pytest.mark.parametrize("wrong", [{"name": ""}, {"calls": 0}, {"per_s": 0}, {"per_s": float("inf")}])
def test_a_limit_that_could_never_be_met_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Limit(**{"name": "burst", "calls": 1, "per_s": 1.0, **wrong})
