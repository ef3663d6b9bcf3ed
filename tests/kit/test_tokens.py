"""A token is fetched once for everybody, replaced before it ends, and once more when it is refused."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import Permanent, Reauthenticate, Retry, Services, Token
from crm_bridge.kit.services import SettableClock, in_memory_services
from crm_bridge.kit.tokens import TokenProvider, bearer, refused_grant

START = datetime(2026, 3, 1, tzinfo=UTC)
LIFETIME = timedelta(minutes=30)


class Endpoint:
    """Grants t1, t2, …; `error` is raised instead while it is set."""

    def __init__(self) -> None:
        self.clock = SettableClock(START)
        self.services: Services = in_memory_services(clock=self.clock)
        self.error: Exception | None = None
        self.stored: list[Token | None] = []
        self.monotonic = 0.0

    def fetch(self, stored: Token | None) -> Token:
        self.stored.append(stored)
        if self.error is not None:
            raise self.error
        number = len(self.stored)
        return Token(value=f"t{number}", expires_at=self.clock.now() + LIFETIME, extra=f"r{number}")

    def provider(self) -> TokenProvider:
        return TokenProvider(self.services, self.fetch, monotonic=lambda: self.monotonic)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@given(st.lists(st.integers(0, 3600), max_size=20))
def test_no_token_is_used_after_its_end_nor_fetched_more_often_than_it_ends(steps_s: list[int]) -> None:
    endpoint = Endpoint()
    provider = endpoint.provider()
    for step_s in steps_s:
        endpoint.clock.advance(timedelta(seconds=step_s))
        token = provider.token()
        assert token.expires_at is not None
        assert token.expires_at > endpoint.clock.now()
    assert len(endpoint.stored) <= 1 + sum(steps_s) // (LIFETIME - timedelta(minutes=1)).total_seconds()


def test_a_fetch_gets_what_was_kept_such_as_a_rotated_refresh_token(endpoint: Endpoint) -> None:
    provider = endpoint.provider()
    provider.token()
    endpoint.clock.advance(LIFETIME)
    provider.token()
    assert [stored.extra if stored else None for stored in endpoint.stored] == [None, "r1"]


def test_while_the_old_token_is_good_a_token_endpoint_in_trouble_stops_nothing(endpoint: Endpoint) -> None:
    provider = endpoint.provider()
    first = provider.token()
    endpoint.clock.advance(LIFETIME - timedelta(seconds=30))
    endpoint.error = Retry("down", code="http_503")
    assert [provider.token() for _ in range(5)] == [first] * 5
    assert len(endpoint.stored) == 2
    endpoint.monotonic += 11
    provider.token()
    assert len(endpoint.stored) == 3
    endpoint.clock.advance(timedelta(seconds=30))
    with pytest.raises(Retry):
        provider.token()


def test_refused_credentials_are_never_hidden_by_a_token_that_is_still_good(endpoint: Endpoint) -> None:
    provider = endpoint.provider()
    provider.token()
    endpoint.clock.advance(LIFETIME - timedelta(seconds=30))
    endpoint.error = refused_grant(Permanent("x", code="http_400"))
    with pytest.raises(Reauthenticate):
        provider.token()


def test_a_refused_token_is_replaced_once_for_all_threads(endpoint: Endpoint) -> None:
    provider = endpoint.provider()
    provider.token()
    together = threading.Barrier(8)
    used: list[str] = []

    def attempt(token: Token) -> str:
        used.append(token.value)
        if token.value == "t1":
            together.wait(10)
            raise Reauthenticate("expired", code="http_401")
        return token.value

    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(provider.call(attempt))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (results, sorted(used)) == (["t2"] * 8, ["t1"] * 8 + ["t2"] * 8)
    assert len(endpoint.stored) == 2


def test_refused_again_it_stays_refused(endpoint: Endpoint) -> None:
    used: list[str] = []

    def attempt(token: Token) -> None:
        used.append(token.value)
        raise Reauthenticate("refused", code="http_401")

    with pytest.raises(Reauthenticate):
        endpoint.provider().call(attempt)
    assert used == ["t1", "t2"]


def test_a_crm_that_gives_out_what_it_refuses_is_asked_no_further() -> None:
    used: list[str] = []

    def attempt(token: Token) -> None:
        used.append(token.value)
        raise Reauthenticate("refused", code="http_401")

    provider = TokenProvider(in_memory_services(), lambda _stored: Token(value="same"))
    with pytest.raises(Reauthenticate):
        provider.call(attempt)
    assert used == ["same"]


@pytest.mark.parametrize("error", [Retry("x", code="y"), Permanent("x", code="y")])
def test_other_failures_cost_no_token(endpoint: Endpoint, error: Exception) -> None:
    def attempt(_token: Token) -> None:
        raise error

    with pytest.raises(type(error)):
        endpoint.provider().call(attempt)
    assert len(endpoint.stored) == 1


def test_tokens_of_two_names_do_not_meet(endpoint: Endpoint) -> None:
    one = TokenProvider(endpoint.services, endpoint.fetch, name="one").token()
    two = TokenProvider(endpoint.services, endpoint.fetch, name="two").token()
    assert one != two
    assert bearer(one) == {"Authorization": "Bearer t1"}
