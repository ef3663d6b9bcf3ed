"""The in-memory services keep the promises of the contract, also between threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.contract import Retry, Token
from crm_bridge.kit.services import (
    MAX_CACHE_ENTRIES,
    MAX_LIMIT_SLEEP_S,
    MemoryCache,
    MemoryLimits,
    MemoryTokens,
    SettableClock,
    SystemClock,
    in_memory_services,
)


class FakeTime:
    """A monotonic clock that sleeping moves on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def together(work: Callable[[], None], threads: int) -> None:
    start = threading.Barrier(threads, timeout=5)

    def run() -> None:
        start.wait()
        work()

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(5)


# --- tokens ---------------------------------------------------------------------------------------------------


def test_one_thread_refreshes_and_the_others_get_its_token() -> None:
    tokens, stale = MemoryTokens(), Token(value="old")
    tokens.refresh("access", None, lambda _stored: stale)
    fetched: list[Token | None] = []
    got: list[Token] = []

    def fetch(stored: Token | None) -> Token:
        fetched.append(stored)
        time.sleep(0.05)  # long enough for the others to arrive meanwhile
        return Token(value=f"new {len(fetched)}")

    together(lambda: got.append(tokens.refresh("access", stale, fetch)), 8)
    assert fetched == [stale]
    assert got == [Token(value="new 1")] * 8
    assert tokens.get("access") == Token(value="new 1")


def test_who_comes_late_with_a_stale_token_gets_the_stored_one() -> None:
    tokens = MemoryTokens()
    tokens.refresh("access", None, lambda _stored: Token(value="new"))
    assert tokens.refresh("access", Token(value="old"), lambda _stored: pytest.fail("fetched")).value == "new"
    assert tokens.refresh("access", None, lambda _stored: pytest.fail("fetched")).value == "new"


def test_a_failed_refresh_changes_nothing_and_the_next_one_tries() -> None:
    tokens, stale = MemoryTokens(), Token(value="old")
    tokens.refresh("access", None, lambda _stored: stale)

    def fail(_stored: Token | None) -> Token:
        raise Retry("down", code="connect_failed")

    with pytest.raises(Retry):
        tokens.refresh("access", stale, fail)
    assert tokens.get("access") == stale
    assert tokens.refresh("access", stale, lambda _stored: Token(value="new")).value == "new"


def test_names_do_not_wait_for_each_other() -> None:
    tokens = MemoryTokens()

    def fetch(_stored: Token | None) -> Token:
        return Token(value=tokens.refresh("inner", None, lambda _inner: Token(value="deep")).value)

    assert tokens.refresh("outer", None, fetch).value == "deep"


# --- limits ---------------------------------------------------------------------------------------------------


def test_calls_within_the_limit_do_not_wait() -> None:
    fake = FakeTime()
    limits = MemoryLimits(monotonic=fake.monotonic, sleep=fake.sleep)
    for _ in range(5):
        limits.acquire("api", limit=5, per_s=60)
    assert fake.slept == []


def test_a_short_wait_is_slept_and_a_long_one_is_told() -> None:
    fake = FakeTime()
    limits = MemoryLimits(monotonic=fake.monotonic, sleep=fake.sleep)
    for _ in range(3):
        limits.acquire("api", limit=1, per_s=1)
    assert sum(fake.slept) == pytest.approx(2, abs=0.01)
    limits.acquire("daily", limit=1, per_s=3600)
    with pytest.raises(Retry) as failure:
        limits.acquire("daily", limit=1, per_s=3600)
    assert failure.value.code == "rate_limited"
    assert failure.value.after.total_seconds() == pytest.approx(3600, abs=0.01)
    limits.acquire("other", limit=1, per_s=3600)


@settings(max_examples=50)
@given(
    limit=st.integers(1, 4),
    per_s=st.floats(0.1, 5),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=30),
)
def test_no_window_ever_holds_more_than_the_limit_and_no_call_sleeps_long(
    limit: int, per_s: float, pauses: list[float]
) -> None:
    fake = FakeTime()
    limits = MemoryLimits(monotonic=fake.monotonic, sleep=fake.sleep)
    taken: list[float] = []
    for pause in pauses:
        fake.now += pause
        before = len(fake.slept)
        try:
            limits.acquire("api", limit=limit, per_s=per_s)
        except Retry as refusal:
            wait_s = refusal.after.total_seconds()
            assert 0 < wait_s <= per_s + 0.01
        else:
            taken.append(fake.now)
        assert sum(fake.slept[before:]) <= MAX_LIMIT_SLEEP_S + 1e-6
    for position in range(len(taken) - limit):
        assert taken[position + limit] - taken[position] >= per_s - 1e-6


def test_threads_share_a_limit() -> None:
    limits, refused = MemoryLimits(), []

    def work() -> None:
        try:
            limits.acquire("api", limit=5, per_s=3600)
        except Retry:
            refused.append(1)

    together(work, 12)
    assert len(refused) == 7


@pytest.mark.parametrize(("limit", "per_s"), [(0, 1), (-1, 1), (1, 0), (1, -1), (1, float("nan")), (1, float("inf"))])
def test_a_limit_that_could_never_be_met_is_an_error(limit: int, per_s: float) -> None:
    with pytest.raises(ValueError):
        MemoryLimits().acquire("api", limit=limit, per_s=per_s)


# --- cache and clocks -----------------------------------------------------------------------------------------


def test_cached_values_end() -> None:
    fake = FakeTime()
    cache = MemoryCache(monotonic=fake.monotonic)
    cache.put("a", b"1", ttl_s=10)
    fake.now += 9.9
    assert cache.get("a") == b"1"
    fake.now += 0.1
    assert cache.get("a") is None
    cache.put("a", b"2", ttl_s=10)
    cache.drop("a")
    cache.drop("a")
    assert cache.get("a") is None


def test_the_cache_is_bounded_and_keeps_what_is_used() -> None:
    cache = MemoryCache()
    for number in range(MAX_CACHE_ENTRIES + 10):
        cache.put(str(number), b"x", ttl_s=60)
        assert cache.get("0") == b"x"
    assert cache.get("1") is None


def test_clocks_are_aware_and_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
    start = datetime(2026, 11, 2, 12, tzinfo=timezone(timedelta(hours=2)))
    clock = SettableClock(start)
    assert (clock.now(), clock.now().tzinfo) == (start, UTC)
    clock.advance(timedelta(minutes=6))
    assert clock.now() == start + timedelta(minutes=6)
    clock.set(start)
    assert clock.now() == start
    with pytest.raises(ValueError):
        clock.set(datetime(2026, 11, 2))  # noqa: DTZ001 - the point of it


def test_services_are_complete_and_not_shared() -> None:
    clock = SettableClock()
    one, two = in_memory_services("one", clock=clock, may_start=lambda: False), in_memory_services()
    assert (one.connection, one.clock, one.may_start(), two.may_start()) == ("one", clock, False, True)
    one.cache.put("a", b"1", ttl_s=60)
    assert two.cache.get("a") is None
    assert (two.connection, two.public_url) == ("test", "http://127.0.0.1")
