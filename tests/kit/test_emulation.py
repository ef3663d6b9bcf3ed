"""The base of emulated CRMs: durable records and outbox, deliveries that come again, faults, the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.kit.emulation import (
    Batch,
    EmulatorClock,
    FaultRule,
    Faults,
    Outbox,
    Outgoing,
    RecordStore,
    Reply,
    Unreachable,
    WebhookSender,
    into_wsgi,
    parse_rules,
)


def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def prepare(batch: Batch) -> Outgoing:
    ids = ",".join(str(event["n"]) for event in batch.events)
    return Outgoing(method="POST", url="http://bridge.example/w", headers={"webhook-id": batch.id}, body=ids.encode())


class Bridge:
    """Answers with the given statuses in order, then with the last one; 0 = no answer."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.got: list[Outgoing] = []

    def __call__(self, outgoing: Outgoing) -> Reply:
        self.got.append(outgoing)
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if status == 0:
            raise Unreachable("gone")
        return Reply(status=status)


def outbox_of(events: int, store: RecordStore | None = None) -> Outbox:
    outbox = Outbox(store or RecordStore())
    for number in range(events):
        outbox.add({"n": number})
    return outbox


# --- records ------------------------------------------------------------------------------------------------------


def test_records_survive_a_restart_in_their_order(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "crm.sqlite3")
    for name in "abc":
        store.put("case", name, {"id": name})
    store.put("case", "a", {"id": "a", "changed": True})
    store.close()
    again = RecordStore(tmp_path / "crm.sqlite3")
    assert [record["id"] for record in again.owned("case")] == ["a", "b", "c"]
    assert [record["id"] for _, record in again.changed_after("case", 0, 10)] == ["b", "c", "a"]


def test_a_failed_transaction_leaves_nothing() -> None:
    store = RecordStore()
    woken: list[None] = []
    store.on_commit(lambda: woken.append(None))

    def fail() -> None:
        with store.transaction():
            store.put("case", "a", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (store.get("case", "a"), woken) == (None, [])


def test_a_transaction_is_alone() -> None:
    store = RecordStore()
    store.put("counter", "c", {"n": 0})

    def count() -> None:
        for _ in range(50):
            with store.transaction():
                found = store.get("counter", "c")
                assert found is not None
                store.put("counter", "c", {"n": found["n"] + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("counter", "c") == {"n": 200}


def test_pages_go_back_to_the_beginning() -> None:
    store = RecordStore()
    for number in range(7):
        store.put("message", str(number), {"n": number}, owner="case")
    seen: list[int] = []
    before = None
    while True:
        page, before = store.owned_before("message", "case", before, 3)
        seen = [record["n"] for record in page] + seen
        if before is None:
            break
    assert seen == list(range(7))


# --- outbox and sender --------------------------------------------------------------------------------------------


def test_events_travel_in_batches_and_in_order() -> None:
    bridge = Bridge(200)
    sender = WebhookSender(outbox_of(250), prepare, bridge)
    while sender.deliver_once():
        pass
    told = [int(number) for one in bridge.got for number in one.body.split(b",")]
    assert (told, len(bridge.got)) == (list(range(250)), 3)


def test_a_batch_comes_again_unchanged_also_after_a_restart(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "crm.sqlite3")
    outbox = outbox_of(2, store)
    first = Bridge(0)
    assert WebhookSender(outbox, prepare, first).deliver_once() is False
    outbox.add({"n": 2})
    store.close()
    again = Outbox(RecordStore(tmp_path / "crm.sqlite3"))
    second = Bridge(503, 200)
    sender = WebhookSender(again, prepare, second)
    assert [sender.deliver_once() for _ in range(4)] == [False, True, True, None]
    assert first.got[0] == second.got[0] == second.got[1]
    assert second.got[2].body == b"2"


def test_an_event_that_is_never_taken_does_not_stop_the_others() -> None:
    outbox = outbox_of(3)
    told: list[bytes] = []

    def bridge(outgoing: Outgoing) -> Reply:
        if b"1" in outgoing.body:
            return Reply(status=400)
        told.append(outgoing.body)
        return Reply(status=200)

    sender = WebhookSender(outbox, prepare, bridge)
    while sender.deliver_once() is not None:
        pass
    assert (told, outbox.pending(), outbox.refused()) == ([b"0", b"2"], 0, 1)


def test_the_sender_goes_on_by_itself_until_it_is_stopped() -> None:
    store = RecordStore()
    outbox = outbox_of(1, store)
    bridge = Bridge(0, 503, 200)
    sender = WebhookSender(outbox, prepare, bridge)
    store.on_commit(sender.wake)
    sender.start()
    until(lambda: outbox.pending() == 0)
    outbox.add({"n": 9})
    until(lambda: outbox.pending() == 0)
    sender.stop()
    outbox.add({"n": 10})
    assert outbox.pending() == 1
    assert [one.body for one in bridge.got] == [b"0", b"0", b"0", b"9"]


def test_a_sender_that_waits_stops_at_once() -> None:
    sender = WebhookSender(outbox_of(1), prepare, Bridge(0))
    sender.start()
    until(lambda: len(sender.captured) > 0)
    began = time.monotonic()
    sender.stop()
    assert time.monotonic() - began < 5


@settings(deadline=None)
@given(st.lists(st.sampled_from([200, 202, 0, 301, 404, 429, 500]), max_size=12), st.integers(1, 5))
def test_whatever_the_bridge_answers_every_event_is_told_once_taken(statuses: list[int], size: int) -> None:
    outbox = Outbox(RecordStore(), batch_size=size)
    for number in range(6):
        outbox.add({"n": number})
    taken: list[bytes] = []
    script = [*statuses, 200]

    def bridge(outgoing: Outgoing) -> Reply:
        status = script.pop(0) if len(script) > 1 else 200
        if status == 0:
            raise Unreachable("gone")
        if 200 <= status < 300:
            taken.extend(outgoing.body.split(b","))
        return Reply(status=status)

    sender = WebhookSender(outbox, prepare, bridge)
    while sender.deliver_once() is not None:
        pass
    assert taken == [str(number).encode() for number in range(6)]


def test_a_wsgi_app_can_be_the_bridge() -> None:
    def app(environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
        start("202 Accepted", [("Content-Type", "text/plain"), ("Retry-After", "3")])
        return [str(environ["PATH_INFO"]).encode()]

    reply = into_wsgi(app)(Outgoing(method="POST", url="http://any.example/w?x=1", headers={}, body=b"[]"))
    assert (reply.status, reply.body, reply.retry_after) == (202, b"/w", "3")


# --- faults and clock ---------------------------------------------------------------------------------------------


def test_a_fault_strikes_its_operation_as_often_as_it_says() -> None:
    faults = Faults()
    faults.add(FaultRule(operation="send", times=2, status=500), FaultRule(operation="*", status=429))
    assert [rule.status if rule else None for rule in (faults.take("send") for _ in range(4))] == [500, 500, 429, None]
    faults.add(FaultRule(times=None, status=503))
    assert {faults.take("any") is not None for _ in range(5)} == {True}
    faults.clear()
    assert faults.take("any") is None


@pytest.mark.parametrize("document", [{}, [1], [{"operation": "x", "colour": 1}], [{"status": 200}], [{"times": 0}]])
def test_a_rule_that_makes_no_sense_is_refused(document: object) -> None:
    with pytest.raises(ValueError):
        parse_rules(document)


def test_a_half_written_file_keeps_the_rules_in_force(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('[{"operation": "x", "times": null, "status": 500}]')
    faults = Faults(file)
    file.write_text("[{")
    assert faults.take("x") is not None


def test_the_clock_can_be_stopped_moved_and_run_again() -> None:
    clock = EmulatorClock()
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    clock.stop_at(moment)
    clock.advance(timedelta(days=2))
    assert clock.now() == moment + timedelta(days=2)
    clock.run()
    assert timedelta() <= clock.now() - (moment + timedelta(days=2)) < timedelta(minutes=1)
