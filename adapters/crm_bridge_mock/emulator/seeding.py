"""Example cases and articles: reads `seeds/*.json` into an empty CRM, as if they had happened just now.

It owns loading; the content is data. Ages are minutes before the start, so the inbox always looks alive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from importlib import resources
from typing import Any

from crm_bridge_mock.emulator.state import CrmState
from crm_bridge_mock.emulator.views import customer_author


def seed(state: CrmState) -> int:
    """Load the examples unless something is there already; how many cases were made."""
    if state.records.owned("case", limit=1) or state.records.owned("article", limit=1):
        return 0
    articles, cases = _read("articles.json"), _read("cases.json")
    with state.records.transaction():
        for article in articles:
            put_article(state, article)
        for case in sorted(cases, key=lambda item: -item.get("age_minutes", 0)):
            _open(state, case)
    return len(cases)


def put_article(state: CrmState, article: Mapping[str, Any]) -> None:
    """Publish or change an article: {id, title, body, language, url?, deleted?}."""
    record = {"url": "", "deleted": False, **article, "updated_at": state.stamp()}
    state.records.put("article", record["id"], record)


def _open(state: CrmState, wanted: Mapping[str, Any]) -> None:
    ages = [message.get("age_minutes", 0) for message in wanted["messages"]]
    case = state.open_case(wanted, ago=timedelta(minutes=max([wanted.get("age_minutes", 0), *ages])))
    for message in wanted["messages"]:
        author = customer_author(case)
        if message["author"] != "customer":
            author = {"kind": "agent", **state.agent(message.get("name") or "Alex Morgan")}
        state.add_message(case, message, author=author, ago=timedelta(minutes=message.get("age_minutes", 0)))
    if wanted.get("status") == "closed":
        state.close(case, by="system")


def _read(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        resources.files("crm_bridge_mock.emulator").joinpath("seeds", name).read_text("utf-8")
    )
    return found
