"""Each failure says what the caller must do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import Ambiguous, Conflict, OutboundError, Permanent, Reauthenticate, Retry
from crm_bridge.kit.http.judge import DEFAULT_AFTER, MAX_AFTER, MIN_AFTER, Effect, after_of, refused

NOW = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)

TABLE: list[tuple[int, type[OutboundError], type[OutboundError]]] = [
    # status, for what may be repeated, for what must happen once
    (400, Permanent, Permanent),
    (401, Reauthenticate, Reauthenticate),
    (403, Permanent, Permanent),
    (404, Permanent, Permanent),
    (408, Retry, Ambiguous),
    (409, Conflict, Conflict),
    (410, Permanent, Permanent),
    (412, Conflict, Conflict),
    (422, Permanent, Permanent),
    (429, Retry, Retry),
    (301, Retry, Ambiguous),
    (304, Retry, Ambiguous),
    (500, Retry, Ambiguous),
    (502, Retry, Ambiguous),
    (503, Retry, Ambiguous),
    (599, Retry, Ambiguous),
    (999, Retry, Ambiguous),
    (101, Retry, Ambiguous),
]


@pytest.mark.parametrize(("status", "repeatable", "once"), TABLE)
def test_statuses(status: int, repeatable: type[OutboundError], once: type[OutboundError]) -> None:
    assert type(refused("op", status, Effect.READ, None, NOW)) is repeatable
    assert type(refused("op", status, Effect.IDEMPOTENT, None, NOW)) is repeatable
    assert type(refused("op", status, Effect.ONCE, None, NOW)) is once


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_is_no_error(status: int) -> None:
    assert refused("op", status, Effect.ONCE, None, NOW) is None


@given(status=st.integers(100, 999))
def test_nothing_that_must_happen_once_is_retried_unless_it_certainly_did_not(status: int) -> None:
    error = refused("op", status, Effect.ONCE, None, NOW)
    assert not isinstance(error, Retry) or status == 429


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 1),
        ("3600", 3600),
        ("3601", 3600),
        ("1000000000", 3600),
        ("9" * 3000, 3600),
        ("Mon, 02 Nov 2026 10:00:30 GMT", 30),
        ("Mon, 02 Nov 2026 10:00:30 -0000", 30),
        ("Mon, 02 Nov 2026 09:00:00 GMT", 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Mon, 02 Nov 2026 10:00:30 +2359", 1),
        (None, 5),
        ("", 5),
        ("-5", 5),
        ("1.5", 5),
        ("1e9", 5),
        ("soon", 5),
        ("nan", 5),
        ("٣", 5),
        ("9" * 5000, 5),
        ("Mon, 99 Nov 2026 10:00:30 GMT", 5),
        ("Mon, 02 Nov 999999 10:00:30 GMT", 5),
    ],
)
def test_retry_after(header: str | None, wait_s: int) -> None:
    assert after_of(header, NOW) == timedelta(seconds=wait_s)


@given(
    header=st.text(max_size=80) | st.from_regex(r"[A-Z][a-z]{2}, \d+ \w{3} \d+ \d+:\d+:\d+ [A-Z+-]*\d*", fullmatch=True)
)
def test_any_retry_after_is_a_bounded_wait(header: str) -> None:
    assert MIN_AFTER <= after_of(header, NOW) <= MAX_AFTER
    assert MIN_AFTER <= DEFAULT_AFTER <= MAX_AFTER
