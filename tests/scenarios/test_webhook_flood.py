"""Webhooks as a hostile or clumsy world sends them, against the real web process: once is once, nothing leaks."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
from desk_client import event, signed_webhook
from processes import Demo

CANARY = "canary-4f1b7c"
"""Stands in every body that is refused; it must stand nowhere else."""

Body = bytes | Iterator[bytes]


def post(demo: Demo, body: Body, headers: dict[str, Any], *, connection: str = "demo") -> requests.Response:
    return requests.post(f"{demo.url}/webhooks/{connection}", data=body, headers=headers, timeout=60)


def drafts_of(demo: Demo, case: str) -> int:
    query = "select count(*) from drafts d join cases c on c.id = d.case_id where c.ref = %s"
    return int(demo.place.sql(query, case)[0][0])


def stored(demo: Demo, identities: list[str]) -> list[tuple[str, int]]:
    """(outcome, how many) of the events of these ids."""
    query = "select outcome, count(*) from events where dedupe_key = any(%s) group by outcome"
    return [(str(outcome), int(count)) for outcome, count in demo.place.sql(query, identities)]


def calm(demo: Demo, cases: list[str]) -> None:
    """Every case has its draft and nothing is due."""
    for case in cases:
        demo.desk.drafted(case)
    demo.wait_until_idle()


# --- once is once -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 16])
def test_a_captured_webhook_posted_again_and_again_is_one_event_and_one_draft(demo: Demo, at_once: int) -> None:
    case = demo.desk.new_case()
    calm(demo, [case])
    captured = demo.told(case)
    assert [told["type"] for told in captured] == ["case.created", "message.created"]
    before = demo.place.sql("select count(*) from events")[0][0]
    body, headers = signed_webhook(demo.secret, captured)
    with ThreadPoolExecutor(at_once) as senders:
        answers = list(senders.map(lambda _: post(demo, body, headers), range(50)))
    assert [answer.status_code for answer in answers] == [200] * 50
    demo.wait_until_idle()
    assert demo.place.sql("select count(*) from events")[0][0] == before
    assert stored(demo, [told["id"] for told in captured]) == [("done", 2)]
    assert drafts_of(demo, case) == 1


def test_one_new_event_from_sixteen_at_once_is_stored_once(demo: Demo) -> None:
    case = demo.desk.new_case()
    calm(demo, [case])
    told = event(case)
    deliveries = [signed_webhook(demo.secret, [told]) for _ in range(16)]
    with ThreadPoolExecutor(16) as senders:
        answers = list(senders.map(lambda delivery: post(demo, *delivery), deliveries))
    assert [answer.status_code for answer in answers] == [200] * 16
    demo.wait_until_idle()
    assert stored(demo, [told["id"]]) == [("done", 1)]
    assert drafts_of(demo, case) == 1


def test_shuffled_batches_of_100_from_sixteen_threads_neither_deadlock_nor_double(demo: Demo) -> None:
    cases = [demo.desk.new_case(subject=f"Flood {number}") for number in range(10)]
    calm(demo, cases)
    events = [event(cases[number % len(cases)]) for number in range(100)]
    batches = [random.sample(events, len(events)) for _ in range(32)]
    with ThreadPoolExecutor(16) as senders:
        answers = list(senders.map(lambda batch: post(demo, *signed_webhook(demo.secret, batch)), batches))
    assert [answer.status_code for answer in answers] == [200] * len(batches)
    demo.wait_until_idle()
    assert stored(demo, [told["id"] for told in events]) == [("done", 100)]
    assert [drafts_of(demo, case) for case in cases] == [1] * len(cases)
    logged = b"".join(log.read_bytes() for log in demo.place.database_logs() if log.exists())
    assert b"deadlock" not in logged
    assert demo.events()["balances"]


# --- what is refused --------------------------------------------------------------------------------------------------


def canaried(size: int = 0) -> bytes:
    """A body that would be fine, of a customer whose words must stay out of logs."""
    told = {**event(f"case_{CANARY}"), "note": CANARY + "x" * size}
    return json.dumps([told]).encode()


def other_secret(demo: Demo) -> str:
    """Another secret of the same shape."""
    turned = demo.secret.removeprefix("whsec_").swapcase()
    return f"whsec_{turned}"


def without(name: str) -> Callable[[Demo], tuple[Body, dict[str, Any]]]:
    def make(demo: Demo) -> tuple[Body, dict[str, Any]]:
        body, headers = signed_webhook(demo.secret, canaried())
        headers.pop(name)
        return body, headers

    return make


def replaced(**changes: Any) -> Callable[[Demo], tuple[Body, dict[str, Any]]]:
    def make(demo: Demo) -> tuple[Body, dict[str, Any]]:
        body, headers = signed_webhook(demo.secret, canaried())
        return body, {**headers, **{name.replace("_", "-"): value for name, value in changes.items()}}

    return make


def signed(body: bytes) -> Callable[[Demo], tuple[Body, dict[str, Any]]]:
    return lambda demo: signed_webhook(demo.secret, body)


def chunked(demo: Demo) -> tuple[Body, dict[str, Any]]:
    body, headers = signed_webhook(demo.secret, canaried(2_000_000))
    return iter([body[start : start + 65_536] for start in range(0, len(body), 65_536)]), headers


def changed_on_the_way(demo: Demo) -> tuple[Body, dict[str, Any]]:
    body, headers = signed_webhook(demo.secret, canaried())
    return body.replace(b"case_", b"cese_"), headers


_EVENT = json.dumps(event(f"case_{CANARY}"))[1:-1]
_DEEP = b"[" * 5_000 + b'"' + CANARY.encode() + b'"' + b"]" * 5_000

REFUSED: dict[str, tuple[int, Callable[[Demo], tuple[Body, dict[str, Any]]]]] = {
    "wrong signature": (401, lambda demo: signed_webhook(other_secret(demo), canaried())),
    "changed body": (401, changed_on_the_way),
    "missing signature": (401, without("webhook-signature")),
    "missing id": (401, without("webhook-id")),
    "missing timestamp": (401, without("webhook-timestamp")),
    "stale": (401, lambda demo: signed_webhook(demo.secret, canaried(), late=timedelta(minutes=6))),
    "future": (401, lambda demo: signed_webhook(demo.secret, canaried(), late=-timedelta(minutes=6))),
    "non-ascii signature": (401, replaced(webhook_signature="v1,ü€".encode())),
    "invalid utf-8 signature": (401, replaced(webhook_signature=b"v1,\xff\xfe")),
    "empty signature": (401, replaced(webhook_signature="")),
    "timestamp of no number": (401, replaced(webhook_timestamp="now")),
    "unsigned nonsense": (401, lambda demo: (canaried()[:-5], {"Content-Type": "application/json"})),
    "broken json": (400, signed(canaried()[:-5])),
    "no json": (400, signed(CANARY.encode())),
    "empty": (400, signed(b"")),
    "not utf-8": (400, signed(canaried() + b"\xff")),
    "deep": (400, signed(_DEEP)),
    "duplicate keys": (400, signed(f'[{{{_EVENT}, "note": "{CANARY}", "note": "{CANARY}"}}]'.encode())),
    "nan": (400, signed(f'[{{{_EVENT}, "note": "{CANARY}", "amount": NaN}}]'.encode())),
    "infinity": (400, signed(f'[{{{_EVENT}, "note": "{CANARY}", "amount": -Infinity}}]'.encode())),
    "huge number": (400, signed(f'[{{{_EVENT}, "note": "{CANARY}", "amount": {"9" * 5_000}}}]'.encode())),
    "2 mb": (413, signed(canaried(2_000_000))),
    "2 mb chunked": (413, chunked),
    "2 mb unsigned": (413, lambda _: (canaried(2_000_000), {"Content-Type": "application/json"})),
    "text": (415, replaced(content_type="text/plain")),
    "form": (415, replaced(content_type="application/x-www-form-urlencoded")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_in_one_way_and_leaves_no_trace(demo: Demo, name: str) -> None:
    status, make = REFUSED[name]
    before = demo.place.sql("select count(*) from events")[0][0]
    body, headers = make(demo)
    answer = post(demo, body, headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= set(document)
    assert document["status"] == status
    assert demo.place.sql("select count(*) from events")[0][0] == before
    written = [demo.log.read_text("utf-8", errors="replace"), demo.output.read_text("utf-8"), answer.text]
    written += [log.read_text("utf-8", errors="replace") for log in demo.place.database_logs() if log.exists()]
    for forbidden in (CANARY, demo.secret, demo.secret.removeprefix("whsec_")):
        assert not any(forbidden in text for text in written)


def test_an_unknown_connection_is_404(demo: Demo) -> None:
    body, headers = signed_webhook(demo.secret, canaried())
    answer = post(demo, body, headers, connection="nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_connection")
    assert CANARY not in demo.log.read_text("utf-8")


def test_strange_customer_text_is_taken_and_answered(demo: Demo) -> None:
    case = demo.desk.new_case("How do I reset my password?\x00 \ud800 \u202e\U0001f600")
    assert demo.desk.drafted(case)["draft"]["sources"]


def test_unknown_kinds_of_events_are_kept_and_not_errors(demo: Demo) -> None:
    told = event("case_of_nobody", kind="case.exploded")
    assert post(demo, *signed_webhook(demo.secret, [told])).status_code == 200
    demo.wait_until_idle()
    assert [outcome for outcome, _ in stored(demo, [told["id"]])] == ["ignored"]


def test_after_all_of_it_there_was_no_500(demo: Demo) -> None:
    for number in range(20):
        body = random.randbytes(random.randrange(400))
        secret = demo.secret if number % 2 else other_secret(demo)
        assert post(demo, *signed_webhook(secret, body)).status_code in (400, 401)
    lines = demo.log.read_text("utf-8").splitlines()
    requests_made = [entry for line in lines if (entry := _parsed(line)).get("event") == "request"]
    assert requests_made
    assert [entry for entry in requests_made if entry["status"] >= 500] == []


def _parsed(line: str) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return entry
