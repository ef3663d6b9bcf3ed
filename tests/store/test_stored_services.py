"""Tokens, limits and cache that all processes share; articles people search."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import refreshing_process
from storing import register

from crm_bridge.contract import Article, Network, Retry, Token
from crm_bridge.store import articles
from crm_bridge.store.database import Store
from crm_bridge.store.encryption import new_key
from crm_bridge.store.services import MAX_SLEEP_S, StoredCache, StoredLimits, StoredTokens, services_for

KEY = new_key()

# --- tokens -------------------------------------------------------------------------------------------------------


def test_eight_threads_with_one_stale_token_refresh_it_once(store: Store) -> None:
    tokens, fetched = StoredTokens(store=store, connection="demo"), []

    def fetch(held: Token | None) -> Token:
        fetched.append(held)
        time.sleep(0.02)
        return Token(value=f"fresh-{len(fetched)}", expires_at=datetime.now(UTC) + timedelta(hours=1))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: tokens.refresh("access", None, fetch), range(8)))
    assert {token.value for token in found} == {"fresh-1"}
    assert fetched == [None]
    again = tokens.refresh("access", found[0], fetch)
    assert again.value == "fresh-2"
    assert fetched[-1] == found[0]


def test_two_processes_refresh_once(database_url: str) -> None:
    script = Path(refreshing_process.__file__)
    processes = [
        subprocess.Popen(
            [sys.executable, script, database_url, KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [line for process in processes for line in process.communicate(timeout=60)[0].split()]
    assert sorted(said) == ["fetched", "shared", "shared"]


def test_a_refresh_that_fails_changes_nothing(store: Store) -> None:
    tokens = StoredTokens(store=store, connection="demo")
    first = tokens.refresh("access", None, lambda _held: Token(value="one"))

    def fail(_held: Token | None) -> Token:
        raise Retry("no", code="down")

    with pytest.raises(Retry):
        tokens.refresh("access", first, fail)
    assert tokens.get("access") == first


# --- limits -------------------------------------------------------------------------------------------------------


def test_a_budget_lets_so_many_calls_through_at_once_and_then_names_the_wait(store: Store) -> None:
    slept: list[float] = []
    limits = StoredLimits(store=store, connection="demo", sleep=slept.append)
    for _ in range(3):
        limits.acquire("api", limit=3, per_s=3600)
    with pytest.raises(Retry) as refused:
        limits.acquire("api", limit=3, per_s=3600)
    assert refused.value.code == "budget"
    assert timedelta(minutes=10) < refused.value.after <= timedelta(minutes=20)
    assert slept == []


def test_a_worker_never_sleeps_more_than_two_seconds_in_a_limit(store: Store) -> None:
    slept: list[float] = []
    limits = StoredLimits(store=store, connection="demo", sleep=slept.append)
    limits.acquire("api", limit=1, per_s=0.9)
    # Sleeping takes no time here, so the budget never comes back.
    with pytest.raises(Retry, match="used up"):
        limits.acquire("api", limit=1, per_s=1.9)
    assert 0 < sum(slept) <= MAX_SLEEP_S


def test_budgets_of_sixteen_threads_are_one_budget(store: Store) -> None:
    limits = StoredLimits(store=store, connection="demo", sleep=lambda _s: None)

    def take(_: int) -> bool:
        try:
            limits.acquire("api", limit=5, per_s=36_000)
        except Retry:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(take, range(40))) == 5


def test_a_budget_refills(store: Store) -> None:
    limits = StoredLimits(store=store, connection="demo")
    for _ in range(12):
        limits.acquire("api", limit=10, per_s=0.2)


# --- cache --------------------------------------------------------------------------------------------------------


def test_a_cache_is_its_connections_own(store: Store) -> None:
    one, two = (StoredCache(store=store, connection=name) for name in ("one", "two"))
    one.put("k", b"\x00\xff", ttl_s=60)
    assert one.get("k") == b"\x00\xff"
    assert two.get("k") is None
    two.put("k", b"other", ttl_s=60)
    assert one.get("k") == b"\x00\xff"
    one.drop("k")
    assert (one.get("k"), two.get("k")) == (None, b"other")


def test_what_is_over_is_not_found(store: Store) -> None:
    cache = StoredCache(store=store, connection="one")
    cache.put("k", b"1", ttl_s=-1)
    assert cache.get("k") is None


def test_services_are_scoped_to_one_connection(store: Store) -> None:
    one, two = (
        services_for(store, connection=name, public_url="https://x", network=Network()) for name in ("one", "two")
    )
    one.tokens.refresh("access", None, lambda _held: Token(value="mine"))
    assert two.tokens.get("access") is None
    for _ in range(2):
        one.limits.acquire("api", limit=2, per_s=3600)
    two.limits.acquire("api", limit=2, per_s=3600)
    assert one.clock.now().tzinfo is not None


# --- articles -----------------------------------------------------------------------------------------------------

PASSWORD = Article(
    id="a1", title="Reset your password", body="Open settings and choose a new password.", language="en", version="1"
)
DELIVERY = Article(id="a2", title="Delivery times", body="Parcels arrive within three days.", language="en")
GERMAN = Article(id="a3", title="Passwort zurücksetzen", body="Öffnen Sie die Einstellungen.", language="de")


@pytest.fixture
def library(store: Store) -> Store:
    register(store, "demo", "other")
    store.run(lambda c: articles.upsert(c, "demo", [PASSWORD, DELIVERY, GERMAN]))
    return store


def found(store: Store, question: str, language: str | None = "en", name: str = "demo") -> list[str]:
    return [hit.id for hit in store.run(lambda c: articles.search(c, name, question, language=language))]


def test_a_whole_mail_finds_what_shares_some_of_its_words(library: Store) -> None:
    mail = "Dear team, since yesterday my passwords do not work on the train to work. How can I be resetting it? Bye"
    assert found(library, mail) == ["a1"]


def test_each_language_has_its_own_word_forms(library: Store) -> None:
    assert found(library, "Ich habe meine Passwörter und Einstellung vergessen", "de-AT".partition("-")[0]) == ["a3"]
    assert found(library, "settings", "en") == ["a1"]
    assert found(library, "settings", "de") == []


def test_what_fits_more_of_the_question_comes_first(library: Store) -> None:
    assert found(library, "delivery of parcels, and my password")[0] == "a2"


def test_a_changed_article_is_found_by_its_new_words_only(library: Store) -> None:
    changed = Article(id="a1", title="Sign in with a passkey", body="Choose passkey.", language="en", version="2")
    library.run(lambda c: articles.upsert(c, "demo", [changed]))
    assert found(library, "passkey") == ["a1"]
    assert found(library, "password") == []


def test_a_deleted_article_is_gone(library: Store) -> None:
    gone = Article(id="a1", title="-", body="-", language="en", deleted=True)
    library.run(lambda c: articles.upsert(c, "demo", [gone]))
    assert found(library, "password") == []


def test_articles_are_their_connections_own(library: Store) -> None:
    assert found(library, "password", name="other") == []


@pytest.mark.parametrize(
    "question",
    [
        "",
        "   ",
        "'; drop table articles; --",
        "a & b | !c <-> d:*",
        "\\'\\\\",
        "http://x.example/a\\b'c",
        "((((",
        "🙂",
        "'''",
    ],
)
def test_no_question_breaks_the_search(library: Store, question: str) -> None:
    found(library, question)
    found(library, question, None)
    assert found(library, "password") == ["a1"]


def test_a_hit_says_how_much_of_the_question_it_shares(library: Store) -> None:
    hit = library.run(lambda c: articles.search(c, "demo", "password delivery", language="en"))[0]
    assert (hit.terms, hit.asked) == (1, 2)
