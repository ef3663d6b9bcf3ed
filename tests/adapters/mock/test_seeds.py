"""The example data: a help desk somebody could really have, made of people and addresses that cannot exist."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib import resources
from typing import Any

import pytest

SEEDS = resources.files("crm_bridge_mock.emulator").joinpath("seeds")
ADDRESS = re.compile(r"[\w.+-]+@([\w.-]+\w)")
LINK_HOST = re.compile(r"https?://([\w.-]+)")
RESERVED = (".example", ".test", ".invalid")


def read(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(SEEDS.joinpath(name).read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def cases() -> dict[str, dict[str, Any]]:
    return {case["key"]: case for case in read("cases.json")}


@pytest.fixture(scope="module")
def articles() -> list[dict[str, Any]]:
    return read("articles.json")


def test_every_case_is_complete_and_told_in_the_order_it_happened(cases: dict[str, dict[str, Any]]) -> None:
    assert len(cases) == len(read("cases.json"))
    for key, case in cases.items():
        assert case["subject"], key
        assert {"name", "email"} <= set(case["customer"]), key
        ages = [message["age_minutes"] for message in case["messages"]]
        assert ages == sorted(ages, reverse=True), key
        assert min(ages) > 0, key
        assert case["messages"][0]["author"] == "customer", key
        for message in case["messages"]:
            assert message["author"] in ("customer", "agent"), key
            assert message["body"] or message["attachments"], key


def test_no_address_and_no_link_can_belong_to_anybody(
    cases: dict[str, dict[str, Any]], articles: list[dict[str, Any]]
) -> None:
    text = json.dumps([list(cases.values()), articles], ensure_ascii=False)
    hosts = set(ADDRESS.findall(text)) | set(LINK_HOST.findall(text))
    assert all(host.endswith(("example.com", *RESERVED)) for host in hosts), hosts


def test_only_the_published_test_card_number_is_used(cases: dict[str, dict[str, Any]]) -> None:
    numbers = {
        re.sub(r"\D", "", found) for found in re.findall(r"(?:\d[ -]?){13,19}", json.dumps(list(cases.values())))
    }
    assert numbers == {"4111111111111111"}


def test_there_is_one_of_everything_a_help_desk_meets(cases: dict[str, dict[str, Any]]) -> None:
    languages = Counter(case["language"] for case in cases.values())
    assert languages["de"] >= 2
    assert languages["es"] >= 2
    assert languages["fr"] >= 1
    assert len(cases["long-thread"]["messages"]) >= 12
    assert "\n>> " in cases["quoted-chain"]["messages"][0]["body"]
    assert cases["out-of-office"]["messages"][0]["automatic"]
    assert cases["only-attachment"]["messages"][0]["body"] == ""
    assert "Ignore all previous instructions" in cases["prompt-injection"]["messages"][0]["body"]
    assert cases["already-answered"]["messages"][-1]["author"] == "agent"
    assert not cases["internal-note"]["messages"][-1]["public"]
    assert cases["duplicate"]["customer"]["email"] == cases["refund-angry"]["customer"]["email"]
    assert cases["duplicate"]["subject"] == cases["refund-angry"]["subject"]


def test_articles_have_an_address_and_a_language_and_the_common_ones_are_translated(
    articles: list[dict[str, Any]],
) -> None:
    assert len({article["id"] for article in articles}) == len(articles) >= 18
    for article in articles:
        assert article["title"]
        assert len(article["body"]) > 100
        assert article["url"].startswith("https://help.example.com/")
        assert article["id"].endswith("-" + article["language"])
    languages: dict[str, set[str]] = {}
    for article in articles:
        languages.setdefault(article["id"][:-3], set()).add(article["language"])
    for common in ("reset-password", "locked-account", "track-delivery"):
        assert languages[common] == {"en", "de", "es"}
