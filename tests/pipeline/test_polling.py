"""Polls: what no webhook told is found, and our own work does not come back as a wave of readings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from world import World

from crm_bridge.kit.emulation.faults import FaultRule
from crm_bridge.pipeline.reconcile import OWN_WITHIN

Worlds = Callable[..., World]


@pytest.fixture
def polled(worlds: Worlds) -> World:
    """A bridge that has polled once: its cursor stands at now."""
    world = worlds()
    world.reconcile()
    return world


def due_in(world: World) -> list[timedelta]:
    """How long each case with something unhandled still waits."""
    rows = world.sql(
        "select distinct w.id, w.wake_at - clock_timestamp() as wait from work_items w"
        " join events e on e.item_id = w.id where e.handled_at is null"
    )
    return [row.wait for row in rows]


def test_what_no_webhook_told_is_drafted_at_the_next_poll(polled: World) -> None:
    polled.crm.faults.add(FaultRule(operation="webhook", drop=True, times=None))
    case = polled.open_case()
    polled.work()
    assert polled.sql("select 1 from events") == []
    polled.reconcile()
    polled.settle()
    assert polled.states(case) == ["written"]


def test_our_own_writing_is_looked_at_again_spread_over_a_while(polled: World) -> None:
    cases = [polled.open_case(subject=f"Matter {number}") for number in range(12)]
    polled.work()
    calls = polled.crm.calls["read_case"]
    polled.reconcile()
    polled.work()
    assert polled.crm.calls["read_case"] - calls <= len(cases) // 3
    waits = due_in(polled)
    assert len(waits) >= len(cases) * 2 // 3
    assert max(waits) <= OWN_WITHIN
    assert max(waits) - min(waits) > OWN_WITHIN / 4


def test_a_case_read_as_it_is_now_is_looked_at_again_without_hurry(polled: World) -> None:
    """An equal version is no proof: versions may be as coarse as a second."""
    case = polled.open_case()
    polled.settle()
    polled.agent_writes(case, "Has anybody looked?", public=False)
    polled.settle()
    calls = polled.crm.calls["read_case"]
    polled.reconcile()
    assert all(wait > timedelta(0) for wait in due_in(polled))
    polled.settle()
    assert polled.crm.calls["read_case"] == calls + 1


def test_a_change_that_our_own_write_hides_is_still_found(polled: World) -> None:
    """The poll names only who changed a case last: a customer's message just before may have lost its webhook."""
    case = polled.open_case()
    polled.settle()
    polled.crm.faults.add(FaultRule(operation="webhook", drop=True, times=None))
    polled.customer_writes(case, "Wait, it is about another thing.")
    polled.decide(case, "reject", reason="other")
    polled.work()
    assert polled.states(case) == ["rejected"]
    polled.reconcile()
    assert due_in(polled)
    polled.wake_now(case)
    polled.settle()
    assert polled.states(case) == ["rejected", "written"]
