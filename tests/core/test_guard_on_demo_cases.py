"""The cases of the demo, drafted by the offline assistant: the guard stops none that is honest."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from crm_bridge.assistants import Proposal, build_assistant
from crm_bridge.contract import Author, CaseContext, Message, Network, Person, Severity, Source
from crm_bridge.core.guard import inspect
from crm_bridge.core.masking import mask
from crm_bridge.core.policy import GuardPolicy, MaskingPolicy

_SEEDS = resources.files("crm_bridge_mock") / "emulator" / "seeds"
CASES = json.loads((_SEEDS / "cases.json").read_text("utf-8"))
SOURCES = tuple(
    Source(id=item["id"], title=item["title"], excerpt=item["body"], language=item["language"], url=item["url"])
    for item in json.loads((_SEEDS / "articles.json").read_text("utf-8"))
)
MEANT_TO_BE_STOPPED = {"attachment-promised": {"attachment_promised"}}


def context_of(seed: dict[str, Any], case: Callable[..., CaseContext], message: Callable[..., Message]) -> CaseContext:
    said = [
        message(
            item["body"],
            item["author"],
            id=f"m-{place}",
            author=Author(kind=item["author"], id="p", name=item.get("name", "")),
            public=item.get("public", True),
            automatic=item.get("automatic", False),
        )
        for place, item in enumerate(seed["messages"])
    ]
    requester = Person(id="cus_12345", **seed["customer"])
    return case(*said, subject=seed["subject"], requester=requester, language=seed["language"])


@pytest.mark.parametrize("seed", CASES, ids=lambda seed: seed["key"])
def test_no_honest_draft_of_the_demo_is_stopped(
    seed: dict[str, Any], case: Callable[..., CaseContext], message: Callable[..., Message]
) -> None:
    context = context_of(seed, case, message)
    masked, unmasking = mask(context, MaskingPolicy())
    answer = build_assistant({}, Network()).draft(masked.with_sources(SOURCES))
    if not isinstance(answer, Proposal):
        return
    flags = inspect(
        unmasking.restore(answer.text),
        context=context,
        sources=[source for source in SOURCES if source.id in answer.sources],
        policy=GuardPolicy(),
        unresolved=unmasking.unresolved(answer.text),
        expected_language=None,
        actual_language=None,
    )
    stopped = {flag.code for flag in flags if flag.severity is Severity.BLOCKING}
    assert stopped <= MEANT_TO_BE_STOPPED.get(seed["key"], set())


@pytest.mark.parametrize("article", SOURCES, ids=lambda article: article.id)
def test_an_article_sent_as_it_is_holds_no_foreign_contact_and_asks_for_no_secret(
    article: Source, case: Callable[..., CaseContext], message: Callable[..., Message]
) -> None:
    flags = inspect(
        f"{article.excerpt}\n\n{article.url}",
        context=case(message("Hi")),
        sources=(),
        policy=GuardPolicy(),
        unresolved=(),
        expected_language=None,
        actual_language=None,
    )
    assert not {"contact_not_in_sources", "disguised", "secret"} & {flag.code for flag in flags}
