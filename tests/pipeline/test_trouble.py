"""What each failure means: trouble of the connection pauses it, a case's own failures count, a person can stop it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from world import World

from crm_bridge.contract import Reauthenticate
from crm_bridge.kit.emulation.faults import FaultRule
from crm_bridge.pipeline.work import drain
from crm_bridge.store import connections

Worlds = Callable[..., World]


@pytest.fixture
def alone(worlds: Worlds) -> World:
    return worlds()


def failures(world: World, case: str) -> int:
    return int(world.sql("select failures from work_items where ref_id = :r", r=case)[0].failures)


def resume(world: World) -> None:
    world.sql_do("update connections set paused_until = null")


def test_429_pauses_the_connection_for_as_long_as_it_says_and_counts_against_no_case(alone: World) -> None:
    alone.crm.faults.add(FaultRule(operation="read_case", status=429, retry_after=60, times=1))
    cases = [alone.open_case(subject=f"Matter {number}") for number in range(3)]
    alone.work()
    until = alone.status().paused_until
    assert until is not None
    left = alone.sql("select :until - clock_timestamp() as wait", until=until)[0].wait
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    assert [failures(alone, case) for case in cases] == [0, 0, 0]
    assert alone.balance().pending == len(alone.sql("select 1 from events"))
    assert alone.balance().balances
    resume(alone)
    alone.settle()
    assert [alone.states(case) for case in cases] == [["written"]] * 3


def test_a_paused_connection_slows_no_other(worlds: Worlds) -> None:
    world = worlds(profiles={"one": "native", "two": "native"})
    world.crm.faults.add(FaultRule(status=429, retry_after=60, times=None))
    world.open_case()
    payload = {"subject": "Two", "body": "Hello?", "customer": {"name": "T", "email": "t@example.com"}}
    made = world.crms["two"].desk.create_case(payload, "Ana Agent")[1]
    world.work()
    assert world.status("one").paused_until is not None
    assert world.status("two").paused_until is None
    shown = world.crms["two"].desk.case(made["id"], "Ana Agent")
    assert shown is not None
    assert shown["draft"]["status"] == "written"


def test_a_call_that_still_works_does_not_end_anothers_pause(alone: World) -> None:
    store = alone.runtime.store
    store.run(lambda c: connections.pause(c, "demo", wait=timedelta(seconds=60), reason="http_429"))
    store.run(lambda c: connections.serve_well(c, "demo"))
    assert store.run(lambda c: connections.usable(c, "demo")) is None
    alone.sql_do("update connections set paused_until = clock_timestamp() - interval '1 s'")
    store.run(lambda c: connections.serve_well(c, "demo"))
    assert alone.status().pause_reason is None


def test_refused_credentials_pause_the_connection_and_say_so(alone: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_case: object) -> None:
        raise Reauthenticate("no", code="http_401")

    case = alone.open_case()
    with monkeypatch.context() as patch:
        patch.setattr(alone.runtime.connections["demo"].adapter, "read_case", refuse)
        alone.work()
    assert alone.status().pause_reason == "reauthenticate:http_401"
    assert failures(alone, case) == 0
    resume(alone)
    alone.settle()
    assert alone.states(case) == ["written"]


def test_a_failing_case_with_ten_events_is_tried_once_per_back_off(world: World) -> None:
    case = world.open_case()
    for number in range(9):
        world.customer_writes(case, f"Number {number}")
    world.crm.faults.add(FaultRule(operation="read_case", status=403, times=None))
    world.work()
    assert failures(world, case) == 1
    for number in range(5):
        world.customer_writes(case, f"More {number}")
        world.work()
    assert failures(world, case) == 1
    world.wake_now(case)
    world.work()
    assert failures(world, case) == 2
    wait = world.sql("select not_before - clock_timestamp() as wait from work_items where ref_id = :r", r=case)[0].wait
    assert timedelta(seconds=2) < wait <= timedelta(seconds=4)


def test_after_eight_failures_of_its_own_a_case_needs_a_person_and_goes_on_when_it_can(world: World) -> None:
    case = world.open_case()
    world.crm.faults.add(FaultRule(operation="read_case", status=403, times=None))
    for _ in range(9):
        world.work()
        world.wake_now(case)
    world.work()
    assert set(world.events(case)) == {("dead", "http_403")}
    assert world.balance().balances
    assert (world.view(case).state.kind, world.view(case).state.reason) == ("no_draft", "technical")
    shown = world.shown(case)["state"]
    assert (shown["kind"], shown["reason"]) == ("no_draft", "technical")
    assert world.draft(case).id in shown["sentence"]
    world.crm.faults.clear()
    world.customer_writes(case, "Hello?")
    world.settle()
    assert world.states(case) == ["refused", "written"]


def test_a_question_that_could_not_be_read_gets_its_draft_as_soon_as_it_can(world: World) -> None:
    """Also when nothing new is said: any event will do."""
    case = world.open_case()
    world.settle()
    world.crm.faults.add(FaultRule(operation="read_case", status=403, times=None))
    world.customer_writes(case, "And where is my invoice?")
    for _ in range(12):
        world.work()
        world.wake_now(case)
    world.work()
    state = world.view(case).state
    assert (state.kind, state.reason) == ("ready", "")
    world.crm.faults.clear()
    world.agent_writes(case, "Has anybody looked?", public=False)
    world.settle()
    assert world.states(case) == ["superseded", "written"]


def test_an_approved_reply_of_a_case_that_keeps_failing_could_not_be_sent(world: World) -> None:
    case = world.open_case()
    world.settle()
    world.crm.faults.add(FaultRule(operation="read_case", status=403, times=None))
    world.decide(case, "accept")
    for _ in range(9):
        world.work()
        world.wake_now(case)
    world.crm.faults.clear()
    world.settle()
    assert (world.draft(case).state, world.draft(case).reason) == ("failed", "http_403")
    assert world.shown(case)["state"]["kind"] == "could_not_send"


def test_a_decision_that_comes_while_its_case_is_failing_is_carried_out_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = world.open_case()
    world.settle()
    adapter = world.runtime.connections["demo"].adapter
    real, fail = adapter.read_case, [True]

    def failing(ref: object) -> object:
        if fail:
            fail.clear()
            world.decide(case, "accept")
            from crm_bridge.contract import Permanent

            raise Permanent("no", code="http_403")
        return real(ref)  # type: ignore[arg-type]

    monkeypatch.setattr(adapter, "read_case", failing)
    world.agent_writes(case, "A note", public=False)
    world.work()
    world.settle(horizon_s=1)
    assert world.states(case) == ["sent"]


def test_the_end_of_a_lease_is_no_trouble_of_the_connection(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from crm_bridge.contract import Retry

    adapter = world.runtime.connections["demo"].adapter
    real, fail = adapter.write_draft, [True]

    def held_back(*arguments: object) -> object:
        if fail:
            fail.clear()
            raise Retry("over", code="lease_over")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(adapter, "write_draft", held_back)
    case = world.open_case()
    world.work()
    world.wake_now(case)
    world.settle()
    assert world.status().paused_until is None
    assert world.states(case) == ["written"]


def test_a_case_whose_turns_end_later_than_their_lease_is_counted_and_comes_to_an_end(
    alone: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is read the lease ends and another worker, who will be as slow, takes over."""
    case, reads = alone.open_case(), list[int]()
    adapter = alone.runtime.connections["demo"].adapter
    real = adapter.read_case
    taken_over = (
        "update work_items set lease_token = gen_random_uuid(), lease_until = clock_timestamp() - interval '1 second'"
        " where ref_id = :r"
    )

    def slow(ref: object) -> object:
        if len(reads) < 50:
            reads.append(failures(alone, case))
            alone.sql_do(taken_over, r=case)
        return real(ref)  # type: ignore[arg-type]

    monkeypatch.setattr(adapter, "read_case", slow)
    alone.work()
    assert reads == list(range(8))
    assert set(alone.events(case)) == {("dead", "lease_over")}
    assert alone.balance().balances
    state = alone.view(case).state
    assert (state.kind, state.reason) == ("no_draft", "technical")
    monkeypatch.undo()
    alone.customer_writes(case, "Hello?")
    alone.settle()
    assert alone.states(case)[-1] == "written"
    assert failures(alone, case) == 0


def test_an_effect_held_back_at_the_end_of_a_lease_counts_against_its_case(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm_bridge.contract import Retry

    def held_back(*_: object) -> object:
        raise Retry("over", code="lease_over")

    monkeypatch.setattr(world.runtime.connections["demo"].adapter, "write_draft", held_back)
    case = world.open_case()
    for _ in range(9):
        world.work()
        world.wake_now(case)
    world.work()
    assert (world.draft(case).state, world.draft(case).reason) == ("refused", "technical")
    assert world.status().paused_until is None
    assert set(world.events(case)) == {("dead", "lease_over")}


def test_a_stopped_connection_still_stores_and_has_no_effect(alone: World) -> None:
    case = alone.open_case()
    alone.settle()
    store = alone.runtime.store
    alone.decide(case, "accept")
    store.run(lambda c: connections.stop(c, "demo", by="Olga Operator", reason="audit"))
    alone.customer_writes(case, "Hello?")
    alone.work()
    assert alone.replies(case) == []
    assert alone.balance().pending > 0
    store.run(lambda c: connections.resume(c, "demo"))
    alone.settle()
    assert alone.states(case) == ["superseded", "written"]


def test_a_connection_stopped_while_the_model_thinks_writes_nothing_and_agents_see_by_whom(alone: World) -> None:
    store, case = alone.runtime.store, alone.open_case()
    alone.assistant.before = lambda _context: store.run(
        lambda c: connections.stop(c, "demo", by="Olga Operator", reason="audit")
    )
    alone.work()
    assert alone.shown(case)["draft"] is None
    alone.assistant.before = None
    state = alone.view(case).state
    assert state.kind in {"no_draft", "drafting"}
    store.run(lambda c: connections.resume(c, "demo"))
    alone.settle()
    assert alone.states(case) == ["written"]


def test_stopping_a_connection_right_before_an_attempt_leaves_no_doubt_behind(
    alone: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = alone.open_case()
    alone.settle()
    adapter, store = alone.runtime.connections["demo"].adapter, alone.runtime.store
    real = adapter.read_case

    def stop_then_read(ref: object) -> object:
        store.run(lambda c: connections.stop(c, "demo", by="Olga Operator", reason="audit"))
        return real(ref)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(adapter, "read_case", stop_then_read)
        alone.decide(case, "accept")
        alone.work()
    assert alone.states(case) == ["approved"]
    store.run(lambda c: connections.resume(c, "demo"))
    alone.settle()
    assert len(alone.replies(case)) == 1


def test_a_worker_told_to_stop_stops_between_cases_and_leaves_the_rest_due(world: World) -> None:
    cases = [world.open_case(subject=f"Matter {number}") for number in range(3)]
    world.crm.deliver()
    assert drain(world.runtime, stopping=lambda: bool(world.assistant.seen)) == 1
    world.settle()
    assert [world.states(case) for case in cases] == [["written"]] * 3


def test_a_worker_whose_time_is_over_nudges_the_next_one(world: World) -> None:
    for number in range(2):
        world.open_case(subject=f"Matter {number}")
    world.crm.deliver()
    before = world.sql("select count(*) as n from procrastinate_jobs")[0].n
    started = time.monotonic()
    assert drain(world.runtime, budget_s=0.0) == 0
    assert time.monotonic() - started < 5
    assert world.sql("select count(*) as n from procrastinate_jobs")[0].n == before + 1


def test_a_case_merged_into_itself_comes_to_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from crm_bridge.contract import CaseRef, Merged

    case = world.open_case()
    with monkeypatch.context() as patch:
        patch.setattr(
            world.runtime.connections["demo"].adapter, "read_case", lambda ref: Merged(into=CaseRef(id=ref.id))
        )
        for _ in range(9):
            world.work()
            world.wake_now(case)
    assert set(world.events(case)) == {("dead", "merged_in_circles")}
    assert world.balance().balances
