"""A second emulator in little code: tokens, limits, faults of every kind and webhooks come with the kit."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import tickets
from tickets import CLIENT, Tickets
from waitress import trigger

from crm_bridge.contract import (
    Ambiguous,
    Conflict,
    Delivery,
    OutboundError,
    Permanent,
    Reauthenticate,
    Retry,
    Token,
    VerificationFailed,
)
from crm_bridge.kit.emulation import FaultRule, Outgoing, Reply, Server, Unreachable
from crm_bridge.kit.http import Effect, HttpClient
from crm_bridge.kit.services import in_memory_services
from crm_bridge.kit.signing import verify_webhook
from crm_bridge.kit.tokens import TokenProvider, refused_grant

TOTAL_S = 1.0
SLACK_S = 1.0


class Bridge:
    """Takes webhooks; `statuses` are answered first, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[Outgoing] = []

    def __call__(self, outgoing: Outgoing) -> Reply:
        self.got.append(outgoing)
        status = self.statuses.pop(0) if self.statuses else 200
        if not status:
            raise Unreachable("gone")
        return Reply(status=status)

    @property
    def told(self) -> list[str]:
        return [event["ticket"] for one in self.got for event in json.loads(one.body)["events"]]


class Client:
    """What an adapter for it would be: a token provider and calls."""

    def __init__(self, crm: Tickets, **more: Any) -> None:
        services = in_memory_services(clock=crm.clock)
        self._grants = HttpClient(crm.base_url, total_s=TOTAL_S)
        self.tokens = TokenProvider(services, self._fetch)
        self.http = HttpClient(crm.base_url, total_s=TOTAL_S, tokens=self.tokens, max_bytes=100_000, **more)
        self._clock = crm.clock

    def _fetch(self, stored: Token | None) -> Token:
        grant = {"grant_type": "refresh_token", "refresh_token": stored.extra} if stored and stored.extra else {}
        form = {"grant_type": "client_credentials", **CLIENT, **grant}
        try:
            answer = self._grants.call("token", "POST", "v2/token", form=form, effect=Effect.IDEMPOTENT)
        except Permanent as error:
            raise refused_grant(error) from None
        document: Any = answer.json()
        ends = self._clock.now() + timedelta(seconds=document["expires_in"])
        return Token(value=document["access_token"], expires_at=ends, extra=document.get("refresh_token", ""))

    def read(self, ticket: str) -> Any:
        return self.http.call("read_ticket", "GET", f"v2/tickets/{ticket}", effect=Effect.READ).json()

    def comment(self, ticket: str, text: str, effect: Effect = Effect.ONCE) -> Any:
        path = f"v2/tickets/{ticket}/comments"
        return self.http.call("comment", "POST", path, json={"text": text}, effect=effect).json()

    def close(self) -> None:
        self.http.close()
        self._grants.close()


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


@pytest.fixture
def crm(bridge: Bridge) -> Iterator[Tickets]:
    crm = Tickets(transport=bridge)
    crm.clock.stop_at(datetime(2026, 3, 1, 12, tzinfo=UTC))
    crm.start(webhooks=False)
    yield crm
    crm.stop()


@pytest.fixture
def client(crm: Tickets) -> Iterator[Client]:
    client = Client(crm)
    yield client
    client.close()


def test_an_author_writes_little() -> None:
    source = Path(tickets.__file__).read_text("utf-8")
    assert len(source.splitlines()) <= 150


def test_an_ordinary_day(crm: Tickets, client: Client, bridge: Bridge) -> None:
    ticket = crm.open("No heating")
    client.comment(ticket, "We are on it.")
    assert [comment["text"] for comment in client.read(ticket)["comments"]] == ["We are on it."]
    assert dict(crm.calls) == {"token": 1, "comment": 1, "read_ticket": 1}
    assert crm.deliver() == 1
    assert bridge.told == [ticket, ticket]


# --- tokens -------------------------------------------------------------------------------------------------------


def test_without_a_token_nothing_is_said_in_this_crms_own_form(crm: Tickets) -> None:
    answer = requests.get(f"{crm.base_url}/v2/tickets/T-1", timeout=5)
    assert (answer.status_code, answer.json()) == (401, {"ok": False, "why": "unauthorized"})


def test_a_token_ends_by_the_clock_and_is_replaced_before(crm: Tickets, client: Client) -> None:
    ticket = crm.open("S")
    client.read(ticket)
    crm.clock.advance(timedelta(seconds=545))
    client.read(ticket)
    assert (crm.calls["token"], crm.calls["read_ticket"]) == (2, 2)
    crm.clock.advance(timedelta(hours=1))
    client.read(ticket)
    assert (crm.calls["token"], crm.calls["read_ticket"]) == (3, 3)


def test_a_token_that_ends_unexpectedly_costs_one_refused_call(crm: Tickets, client: Client) -> None:
    ticket = crm.open("S")
    client.read(ticket)
    crm.faults.add(FaultRule(operation="comment", expire_token=True))
    client.comment(ticket, "once")
    assert [one["text"] for one in crm.records.owned("comment", ticket)] == ["once"]
    assert (crm.calls["token"], crm.calls["comment"]) == (2, 2)


def test_credentials_that_stay_refused_are_said_once(crm: Tickets, client: Client) -> None:
    crm.faults.add(FaultRule(operation="read_ticket", times=None, status=401))
    with pytest.raises(Reauthenticate):
        client.read("T-1")
    assert (crm.calls["token"], crm.calls["read_ticket"]) == (2, 2)


def test_a_refresh_token_rotates_and_is_good_once(crm: Tickets) -> None:
    assert crm.tokens is not None
    first = crm.tokens.new_refresh_token()
    form = {"grant_type": "refresh_token", "refresh_token": first, **CLIENT}
    granted = json.loads(crm.tokens.answer(form).body)
    assert granted["refresh_token"] != first
    assert crm.tokens.accepts(f"Bearer {granted['access_token']}")
    refused = crm.tokens.answer(form)
    assert (refused.status, json.loads(refused.body)["error"]) == (400, "invalid_grant")
    assert crm.tokens.answer({**form, "refresh_token": granted["refresh_token"]}).status == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "client_credentials"}, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "bridge", "client_secret": "\u00e9"}, "invalid_client"),
        ({"grant_type": "password", **CLIENT}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x", **CLIENT}, "invalid_grant"),
    ],
)
def test_wrong_token_requests_get_the_standard_error(crm: Tickets, form: dict[str, str], error: str) -> None:
    assert crm.tokens is not None
    assert json.loads(crm.tokens.answer(form).body)["error"] == error


def test_basic_authentication_is_one_of_the_ways(crm: Tickets) -> None:
    answer = requests.post(
        f"{crm.base_url}/v2/token", data={"grant_type": "client_credentials"}, auth=("bridge", "s3cret"), timeout=5
    )
    assert answer.status_code == 200


# --- limits -------------------------------------------------------------------------------------------------------


def test_limits_are_counted_said_and_end_with_their_window(crm: Tickets) -> None:
    client = Client(crm)
    ticket = crm.open("S")
    for left in range(18, -1, -1):
        answer = client.http.call("read_ticket", "GET", f"v2/tickets/{ticket}", effect=Effect.READ)
        assert answer.headers["x-left-burst"] == str(left)
    with pytest.raises(Retry) as refusal:
        client.read(ticket)
    assert refusal.value.after == timedelta(seconds=10)
    crm.clock.advance(timedelta(seconds=10))
    assert client.read(ticket)["id"] == ticket
    client.close()


def test_a_limit_can_be_played_in_this_crms_own_form(crm: Tickets, client: Client) -> None:
    crm.faults.add(FaultRule(operation="*", rate_limit="daily"))
    answer = requests.get(f"{crm.base_url}/v2/changes", timeout=5)
    assert answer.json() == {"ok": False, "why": "slow_down", "policy": "daily"}
    assert int(answer.headers["Retry-After"]) == 12 * 3600
    crm.faults.add(FaultRule(operation="read_ticket", rate_limit="burst", retry_after=7))
    with pytest.raises(Retry) as refusal:
        client.read("T-1")
    assert refusal.value.after == timedelta(seconds=7)


# --- answers ------------------------------------------------------------------------------------------------------

Named = tuple[type[OutboundError], str]

TROUBLE: dict[str, tuple[FaultRule, Named, bool]] = {
    "404": (FaultRule(operation="comment", status=404), (Permanent, "http_404"), False),
    "409": (FaultRule(operation="comment", status=409), (Conflict, "http_409"), False),
    "412": (FaultRule(operation="comment", status=412), (Conflict, "http_412"), False),
    "429": (FaultRule(operation="comment", status=429, retry_after=3), (Retry, "http_429"), False),
    "500 before": (FaultRule(operation="comment", status=500), (Ambiguous, "http_500"), False),
    "500 after": (
        FaultRule(operation="comment", status=500, drop_answer_after_effect=True),
        (Ambiguous, "http_500"),
        True,
    ),
    "lost": (FaultRule(operation="comment", drop_answer_after_effect=True), (Ambiguous, "connection_lost"), True),
    "reset before": (FaultRule(operation="comment", reset=True), (Ambiguous, "connection_lost"), False),
    "reset after": (
        FaultRule(operation="comment", reset=True, drop_answer_after_effect=True),
        (Ambiguous, "connection_lost"),
        True,
    ),
    "truncated": (FaultRule(operation="comment", truncate=5), (Ambiguous, "connection_lost"), True),
    "slow": (FaultRule(operation="comment", delay_s=30), (Ambiguous, "timeout"), False),
    "dripping": (FaultRule(operation="comment", drip=0.3), (Ambiguous, "timeout"), True),
    "endless": (FaultRule(operation="comment", endless=True), (Ambiguous, "oversize"), True),
    "HTML with 200": (
        FaultRule(operation="comment", body="<html>Log in", content_type="text/html"),
        (Ambiguous, "html_answer"),
        False,
    ),
    "empty": (FaultRule(operation="comment", body=""), (Ambiguous, "invalid_json"), False),
    "another type": (FaultRule(operation="comment", content_type="text/plain"), (Ambiguous, "not_json"), True),
    "redirect": (FaultRule(operation="comment", redirect_to="http://127.0.0.1:9/"), (Ambiguous, "redirected"), False),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLE)
def test_every_trouble_of_an_answer_is_named_in_time(name: str, crm: Tickets, client: Client) -> None:
    rule, (kind, code), done = TROUBLE[name]
    ticket = crm.open("S")
    client.read(ticket)
    crm.faults.add(rule)
    began = time.monotonic()
    with pytest.raises(kind) as failure:
        client.comment(ticket, "once")
    assert time.monotonic() - began < TOTAL_S + SLACK_S
    assert (type(failure.value), failure.value.code) == (kind, code)
    assert len(crm.records.owned("comment", ticket)) == done
    client.comment(ticket, "again")


def test_a_stopped_emulator_waits_for_no_fault(bridge: Bridge) -> None:
    crm = Tickets(transport=bridge)
    crm.start(webhooks=False)
    crm.faults.add(FaultRule(times=None, delay_s=300))
    with socket.create_connection(("127.0.0.1", crm.port), timeout=5) as caller:
        caller.sendall(b"GET /v2/changes HTTP/1.1\r\nHost: x\r\n\r\n")
        deadline = time.monotonic() + 5
        while not crm.calls["changes"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        began = time.monotonic()
        crm.stop()
        assert time.monotonic() - began < 4


def test_a_server_stops_cleanly_in_the_middle_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop must not close what wakes it before it was woken: the descriptor may be somebody else's by then."""

    def slowly(self: trigger.trigger) -> None:
        time.sleep(0.05)
        os.write(self.trigger, b"x")

    for _ in range(5):
        server = Server(lambda _environ, start: (start("200 OK", []), [b""])[1])
        server.start()
        with socket.create_connection((server.host, server.port), timeout=5) as caller:
            caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
            with monkeypatch.context() as patch:
                patch.setattr(trigger.trigger, "_physical_pull", slowly)
                server.stop()


def test_a_page_nobody_routes_is_no_operation(crm: Tickets) -> None:
    crm.faults.add(FaultRule(times=None, status=500))
    assert requests.get(f"{crm.base_url}/favicon.ico", timeout=5).status_code == 404
    assert not crm.calls


# --- webhooks -----------------------------------------------------------------------------------------------------


def three(crm: Tickets, *, at_once: bool = False) -> list[str]:
    """Three tickets, and the bridge is told as the rules in force say."""
    opened = []
    for number in range(3):
        opened.append(crm.open(f"S{number}"))
        if not at_once:
            crm.sender.deliver_once()
    crm.deliver()
    return opened


@pytest.mark.parametrize(
    ("rule", "order"),
    [
        (FaultRule(operation="webhook", skip=1, drop=True), "02"),
        (FaultRule(operation="webhook", skip=1, duplicate=2), "01112"),
        (FaultRule(operation="webhook", reorder=True), "102"),
        (FaultRule(operation="webhook", skip=2, reorder=True), "012"),
        (FaultRule(operation="webhook", times=None, reorder=True), "102"),
        (FaultRule(operation="webhook", drop_answer_after_effect=True), "0012"),
        (FaultRule(operation="*", times=None, status=500), "012"),
    ],
)
def test_webhooks_are_lost_doubled_and_mixed_up(rule: FaultRule, order: str, crm: Tickets, bridge: Bridge) -> None:
    crm.faults.add(rule)
    opened = three(crm)
    assert bridge.told == [opened[int(number)] for number in order]
    assert (crm.outbox.pending(), crm.outbox.held()) == (0, 0)


def test_several_events_at_once_can_be_told_backwards(crm: Tickets, bridge: Bridge) -> None:
    crm.faults.add(FaultRule(operation="webhook", reorder=True))
    opened = three(crm, at_once=True)
    assert (bridge.told, len(bridge.got)) == (opened[::-1], 1)


def test_a_forged_webhook_is_recognised_and_the_true_one_follows(crm: Tickets, bridge: Bridge) -> None:
    crm.faults.add(FaultRule(operation="webhook", forge=True))
    crm.open("S")
    crm.deliver()
    forged, true = (
        Delivery(method=one.method, target="/", headers=one.headers, body=one.body, received_at=datetime.now(UTC))
        for one in bridge.got
    )
    with pytest.raises(VerificationFailed):
        verify_webhook(forged, [crm.secret])
    verify_webhook(true, [crm.secret])


def test_a_webhook_can_be_late(crm: Tickets, bridge: Bridge) -> None:
    crm.faults.add(FaultRule(operation="webhook", delay_s=0.2))
    crm.open("S")
    began = time.monotonic()
    crm.deliver()
    assert time.monotonic() - began >= 0.2
    assert len(bridge.got) == 1


def test_what_was_held_back_survives_a_restart(tmp_path: Path) -> None:
    crm = Tickets(data_dir=tmp_path, transport=Bridge())
    crm.faults.add(FaultRule(operation="webhook", reorder=True))
    ticket = crm.open("S")
    assert crm.sender.deliver_once() is False
    crm.stop()
    bridge = Bridge()
    again = Tickets(data_dir=tmp_path, transport=bridge)
    again.deliver()
    assert bridge.told == [ticket]
    again.stop()


def test_what_counts_as_taken_is_the_crms_to_say() -> None:
    class Strict(Tickets):
        def takes(self, reply: Reply) -> bool:
            return b"<Ack>true" in reply.body

    answers = [b"", b"<Ack>true"]
    taken: list[Outgoing] = []

    def bridge(outgoing: Outgoing) -> Reply:
        taken.append(outgoing)
        return Reply(status=200, body=answers[len(taken) - 1])

    crm = Strict(transport=bridge)
    crm.open("S")
    assert (crm.deliver(), len(taken)) == (1, 2)
    crm.stop()


# --- the file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        {"operation": "x", "drop": True},
        {"operation": "webhook", "status": 500},
        {"operation": "x", "status": 200},
        {"operation": "x", "status": "500"},
        {"operation": "x", "delay_s": -1},
        {"operation": "x", "drip": 11},
        {"operation": "x", "truncate": -1},
        {"operation": "x", "headers": {"a": 1}},
        {"operation": "x", "body": {"a": 1}},
        {"operation": None},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        FaultRule(**rule)


def test_a_rule_can_spare_the_first_calls() -> None:
    crm = Tickets()
    crm.faults.add(FaultRule(operation="read", skip=2, times=2, status=500))
    assert [crm.faults.take("read") is not None for _ in range(6)] == [False, False, True, True, False, False]
    crm.stop()


def test_every_field_of_a_fault_is_on_its_page() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/emulators.md").read_text("utf-8").partition("## Writing")[0]
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(item.name for item in fields(FaultRule))
