"""From a real case through masking, an offline draft and back: the customer is greeted by name, nothing else leaks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from crm_bridge.assistants import Proposal, build_assistant
from crm_bridge.assistants.http import request_json
from crm_bridge.assistants.prompt import build_prompt
from crm_bridge.contract import Author, CaseContext, CaseRef, Message, Network, Person
from crm_bridge.core.masking import MaskedContext, mask
from crm_bridge.core.policy import MaskingPolicy

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
TEXT = "Hello, I am Maria Example (maria@example.com, card 4111 1111 1111 1111). How do I reset my password?"


def a_case() -> CaseContext:
    message = Message(
        id="5003X00001",
        thread="t",
        channel="email",
        direction="incoming",
        author=Author(kind="customer", id="u1", name="Maria Example"),
        public=True,
        text=TEXT,
        sent_at=AT,
    )
    return CaseContext(
        case=CaseRef(id="c1"),
        number="1",
        subject="Password for maria@example.com",
        open=True,
        status="new",
        version=None,
        channel="email",
        messages=(message,),
        addressing=None,
        requester=Person(id="u1", name="Maria Example", email="maria@example.com"),
        created_at=AT,
        observed_at=AT,
    )


def test_the_draft_greets_by_name_once_it_is_restored(make_context: Callable[..., MaskedContext]) -> None:
    masked, unmasking = mask(a_case(), MaskingPolicy())
    answer = build_assistant({}, Network()).draft(masked.with_sources(make_context().sources))
    assert isinstance(answer, Proposal)
    assert unmasking.unresolved(answer.text) == ()
    assert unmasking.restore(answer.text).startswith("Hello Maria Example,\n\n")


def test_neither_request_nor_prompt_hold_what_was_masked() -> None:
    masked, _ = mask(a_case(), MaskingPolicy())
    prompt = build_prompt(masked)
    sent = f"{request_json(masked)} {prompt.system} {prompt.user}"
    assert not any(secret in sent for secret in ("Maria", "maria@example.com", "4111", "5003X00001", "u1'"))
