"""`CaseEmulator`: cases and people for an author's emulator, as the contract suite asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from flask import Flask

from crm_bridge.contract import Ambiguous, CaseRef, Permanent
from crm_bridge.kit.emulation import BRIDGE_USER, Batch, CaseEmulator, Outgoing, Reply, StandardSigner
from crm_bridge.kit.http import usable
from crm_bridge.testing import EmulatedCrm, Signer


class Small(CaseEmulator):
    """No routes at all."""

    adapter = "small"
    events_per_webhook = 2

    @property
    def app(self) -> Any:
        return Flask(__name__)

    def webhook(self, batch: Batch) -> Outgoing:
        body = json.dumps(batch.events).encode()
        return Outgoing(method="POST", url=f"{self.public_url}/webhooks/small", headers={}, body=body)


@pytest.fixture
def crm() -> Iterator[Small]:
    small = Small(bridge_url="http://127.0.0.1:9/below")
    small.start()
    yield small
    small.stop()


def test_it_and_its_signer_are_what_the_suite_asks_for(crm: Small) -> None:
    assert isinstance(crm, EmulatedCrm)
    assert isinstance(StandardSigner(secret=crm.secrets[0]), Signer)


def test_what_people_do_is_there_and_told_in_order(crm: Small) -> None:
    case = crm.open_case("Password", "Help!", customer="ann@example.org")
    crm.customer_writes(case, "Hello?", automatic=True)
    crm.agent_writes(case, "A note.", agent="Ana", public=False)
    crm.say(case.id, "Ours.", author=BRIDGE_USER, public=False)
    crm.close(case)
    assert [one.text for one in crm.thread(case)] == ["Help!", "Hello?"]
    assert [one.direction for one in crm.thread(case)] == ["incoming", "incoming"]
    assert crm.standing(case) == ("Ours.",)
    told = [event["type"] for one in crm.deliveries() for event in json.loads(one.body)]
    assert told == ["message_added"] * 4 + ["case_closed"]
    record = crm.case(case.id)
    assert record is not None
    assert (record["status"], record["version"], record["by"]) == ("closed", 5, crm.agent("Ana Admin").id)
    crm.reopen(case)
    crm.change(case)
    assert (crm.case(case.id) or {})["priority"] == "high"


def test_webhooks_are_kept_in_batches_and_handed_out_once(crm: Small) -> None:
    for _ in range(3):
        crm.open_case("Password", "Help!")
    first, second = crm.deliveries()
    assert (first.target, len(json.loads(first.body)), len(json.loads(second.body))) == ("/below/webhooks/small", 2, 1)
    assert crm.deliveries() == []


def test_released_webhooks_reach_the_bridge_those_that_were_kept_first(crm: Small) -> None:
    reached: list[int] = []

    def bridge(outgoing: Outgoing) -> Reply:
        reached.append(len(json.loads(outgoing.body)))
        return Reply(status=200)

    crm.connect(bridge)
    crm.open_case("One", "1")
    crm.deliver()
    crm.release()
    assert reached == []
    crm.open_case("Two", "2")
    crm.change(CaseRef(id="2"))
    assert crm.tell() == 2
    assert reached == [1, 2]


def test_what_a_crm_was_not_taught_it_cannot(crm: Small) -> None:
    case = crm.open_case("Password", "Help!")
    cannot = (
        *(crm.merge(case, case), crm.delete(case), crm.edit_in_place(case, "x", "Ana"), crm.remove_draft(case)),
        *(crm.decide(case, "accept", "Ana", revision=1), crm.send_natively(case, "Ana"), crm.shown(case)),
        *(crm.publish("a", "t", "b"), crm.hide(case), crm.let_index_lag(timedelta(1)), crm.longest_text),
        crm.customer_attaches(case, "x", ()),
    )
    assert not any(cannot)


def test_nothing_happens_to_a_case_that_is_not_there(crm: Small) -> None:
    for act in (lambda: crm.close(CaseRef(id="9")), lambda: crm.customer_writes(CaseRef(id="9"), "x")):
        with pytest.raises(KeyError):
            act()
    assert crm.deliveries() == []


def test_it_is_seeded_once_and_serves(crm: Small) -> None:
    assert (crm.seed(), crm.seed()) == (1, 0)
    assert requests.get(f"{crm.base_url}/nothing", timeout=10).status_code == 404


@pytest.mark.parametrize("document", [None, [], {}, {"a": None}, {"a": {}}, {"a": {"b": "no number"}}])
def test_what_a_document_lacks_is_an_error_of_the_contract_that_quotes_nothing(document: Any) -> None:
    for wanted in (Permanent, Ambiguous):
        with pytest.raises(wanted) as raised, usable("read", wanted):
            int(document["a"]["b"])
        assert "no number" not in str(raised.value)
        assert raised.value.__cause__ is None
