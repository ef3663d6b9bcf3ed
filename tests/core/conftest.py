"""Factories for cases and messages, with what a test does not care about already filled in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_bridge.contract import Addressing, Author, CaseContext, CaseRef, Message, Person

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def _message(text: str, kind: str = "customer", **changes: Any) -> Message:
    values: dict[str, Any] = {
        "id": "m-1",
        "thread": "t-1",
        "channel": "email",
        "direction": "incoming" if kind == "customer" else "outgoing",
        "author": Author(kind=kind, id="p-1", name=""),  # type: ignore[arg-type]
        "public": True,
        "text": text,
        "sent_at": NOON - timedelta(minutes=5),
    }
    return Message(**(values | changes))


def _case(*messages: Message, **changes: Any) -> CaseContext:
    values: dict[str, Any] = {
        "case": CaseRef(id="case-1"),
        "number": "00001001",
        "subject": "A question about my order",
        "open": True,
        "status": "open",
        "version": "1",
        "channel": "email",
        "messages": messages,
        "addressing": Addressing(
            channel="email", sender="help@shop.test", to=("ada@customer.test",), in_reply_to="m-1"
        ),
        "requester": Person(id="cus_9981", name="Ada Lovelace", email="ada@customer.test"),
        "created_at": NOON - timedelta(hours=1),
        "observed_at": NOON,
    }
    return CaseContext(**(values | changes))


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOON


@pytest.fixture(scope="session")
def message() -> Callable[..., Message]:
    return _message


@pytest.fixture(scope="session")
def case() -> Callable[..., CaseContext]:
    return _case
