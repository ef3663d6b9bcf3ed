"""Data is remarked on before the model; only what makes a good answer impossible blocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from crm_bridge.contract import Addressing, CaseContext, CaseField, CaseRef, Message, Severity, Unreadable
from crm_bridge.core.policy import QualityPolicy
from crm_bridge.core.quality import MAX_FINDINGS, check

Make = Callable[..., CaseContext]
Say = Callable[..., Message]
FROM_ELSEWHERE = Addressing(channel="email", sender="help@shop.test", to=("other@else.test",), in_reply_to="m-1")
TO_NOBODY = Addressing(channel="email", sender="help@shop.test", to=(), in_reply_to="m-1")


def found(context: CaseContext, now: datetime, **policy: Any) -> list[tuple[str, str, str]]:
    return [(item.code, item.severity.value, item.field) for item in check(context, QualityPolicy(**policy), now)]


def test_a_good_case_has_no_finding(case: Make, message: Say, now: datetime) -> None:
    assert found(case(message("Where is my chair?")), now) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"requester": None}, ("no_requester", "informing", "requester")),
        ({"addressing": None}, ("no_address", "blocking", "requester.email")),
        ({"addressing": TO_NOBODY}, ("no_address", "blocking", "requester.email")),
        ({"addressing": FROM_ELSEWHERE}, ("contradictory", "informing", "requester.email")),
        ({"duplicates": (CaseRef(id="case-2"),)}, ("duplicate_case", "informing", "case")),
        ({"status": "Closed"}, ("contradictory", "informing", "status")),
        ({"status": "new", "open": False}, ("contradictory", "informing", "status")),
        (
            {"unreadable": (Unreadable(name="contact", reason="no permission"),)},
            ("unreadable:contact", "informing", "contact"),
        ),
        (
            {"fields": (CaseField(name="plan", value="Pro"), CaseField(name="plan", value="Basic"))},
            ("contradictory", "informing", "plan"),
        ),
    ],
)
def test_each_fault_names_its_field(
    changes: dict[str, Any], expected: tuple[str, str, str], case: Make, message: Say, now: datetime
) -> None:
    assert found(case(message("Where is my chair?"), **changes), now) == [expected]


def test_an_old_field_is_stale(case: Make, message: Say, now: datetime) -> None:
    fields = (
        CaseField(name="address", value="x", updated_at=now - timedelta(days=31)),
        CaseField(name="plan", value="y", updated_at=now - timedelta(days=29)),
        CaseField(name="other", value="z"),
    )
    context = case(message("Where is my chair?"), fields=fields)
    assert found(context, now, stale_after=timedelta(days=30)) == [("stale", "informing", "address")]


def test_duplicates_block_when_the_operator_says_so(case: Make, message: Say, now: datetime) -> None:
    context = case(message("Where is my chair?"), duplicates=(CaseRef(id="case-2"),))
    assert found(context, now, duplicates_block=True) == [("duplicate_case", "blocking", "case")]


@pytest.mark.parametrize("text", ["", " \n", "\u200b", "???", "👍"])
def test_a_question_without_words_blocks_unless_the_subject_asks(
    text: str, case: Make, message: Say, now: datetime
) -> None:
    assert found(case(message(text), subject="Re: Hello"), now) == [("empty_question", "blocking", "messages")]
    assert found(case(message(text), subject="Re: where is my chair"), now) == []


def test_only_the_open_question_counts(case: Make, message: Say, now: datetime) -> None:
    context = case(message("Long ago", truncated=True), message("Answer", "agent"), message("And now?"))
    assert found(context, now) == []
    auto = message("I am away", automatic=True)
    assert [code for code, _, _ in found(case(auto, subject=""), now)] == ["empty_question"]


def test_what_was_cut_and_what_is_too_long_informs(case: Make, message: Say, now: datetime) -> None:
    context = case(message("word " * 100, truncated=True))
    assert found(context, now, too_long_chars=100) == [
        ("truncated", "informing", "messages"),
        ("too_long", "informing", "messages"),
    ]


def test_findings_are_bounded_and_blocking_ones_come_first(case: Make, message: Say, now: datetime) -> None:
    unreadable = tuple(Unreadable(name=f"f{index}", reason="") for index in range(200))
    findings = check(case(message(""), subject="", addressing=None, unreadable=unreadable), QualityPolicy(), now)
    assert len(findings) == MAX_FINDINGS
    assert [item.severity for item in findings[:3]] == [Severity.BLOCKING, Severity.BLOCKING, Severity.INFORMING]
