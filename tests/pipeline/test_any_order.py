"""Whatever order, batching and repetition events come in, and whatever walk a case takes, the same things hold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import ANA, BEN, World

from crm_bridge.contract import CaseRef, Event, EventKind
from crm_bridge.core.lifecycle import LIVE, DraftState
from crm_bridge.pipeline.decide import DecisionConflict
from crm_bridge.pipeline.receive import store_found
from crm_bridge.pipeline.turn import Turn

KINDS = (
    EventKind.CASE_CREATED,
    EventKind.MESSAGE_ADDED,
    EventKind.CASE_CHANGED,
    EventKind.DRAFT_CHANGED,
    EventKind.CASE_REOPENED,
    EventKind.UNKNOWN,
)
SHARED = settings(
    max_examples=15,
    derandomize=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

deliveries = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=5)
"""Batches of the numbers of events: any order, any repetition."""


def complete(batches: list[list[int]]) -> list[list[int]]:
    """Every event comes at least once."""
    missing = sorted(set(range(6)) - {number for batch in batches for number in batch})
    return [*batches, missing] if missing else batches


@SHARED
@given(batches=deliveries, works=st.lists(st.booleans(), min_size=6, max_size=6))
def test_any_order_any_batching_and_any_repetition_of_six_events_end_in_the_same_state(
    world: World, batches: list[list[int]], works: list[bool]
) -> None:
    world.tidy()
    case = world.open_case()
    world.customer_writes(case, "And my invoice?")
    empty_outbox(world)
    known = world.runtime.connections["demo"]
    for batch, work_between in zip(complete(batches), works, strict=False):
        events = [Event(kind=KINDS[number], about=CaseRef(id=case), key=f"{case}:{number}") for number in batch]
        store_found(world.runtime, known, events)
        if work_between:
            world.work()
    world.settle()
    assert world.states(case) == ["written"]
    assert len(world.assistant.seen) == 1
    ours = [event for event in world.events(case) if event == ("done", "")]
    assert len(ours) >= 6
    assert world.balance().balances
    row = world.sql("select revision, open from cases where ref = :r", r=case)[0]
    assert (row.revision, row.open) == (2, True)
    assert len(world.sql("select 1 from episodes e join cases c on c.id = e.case_id where c.ref = :r", r=case)) == 1


def empty_outbox(world: World) -> None:
    """What the CRM itself would tell is not told: the test tells it."""
    world.crm.records.execute("update outbox set state = 'delivered'")


# --- walks --------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The worker is gone."""


def customer(world: World, case: str) -> None:
    world.customer_writes(case, "One more thing.")


def agent_answers(world: World, case: str) -> None:
    world.agent_writes(case, "I called you about something else entirely.")


def note(world: World, case: str) -> None:
    world.agent_writes(case, "Careful.", public=False)


def deliver(world: World, case: str) -> None:
    world.crm.deliver()


def work(world: World, case: str) -> None:
    world.work()


def close(world: World, case: str) -> None:
    world.crm.desk.close(case, ANA.name)


def reopen(world: World, case: str) -> None:
    world.crm.desk.reopen(case, ANA.name)


def decided(kind: str, agent: Any, **more: Any) -> Callable[[World, str], None]:
    def decide(world: World, case: str) -> None:
        drafts = world.drafts(case)
        if not drafts:
            return
        with contextlib.suppress(DecisionConflict):
            world.decide(case, kind, agent=agent, draft=drafts[-1], **more)

    decide.__name__ = kind
    return decide


def crash_at(point: int) -> Callable[[World, str], None]:
    def crash(world: World, case: str) -> None:
        left, real = [point], Turn.commit

        def commit(turn: Turn, what: Any) -> Any:
            result = real(turn, what)
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Turn, "commit", commit)
            try:
                world.work()
            except Crash:
                world.wake_now(case)

    crash.__name__ = f"crash_{point}"
    return crash


STEPS = (
    customer,
    agent_answers,
    note,
    deliver,
    work,
    close,
    reopen,
    decided("accept", ANA),
    decided("edit", BEN, text="In my own words."),
    decided("reject", ANA, reason="other"),
    decided("respond", BEN, comment="Shorter"),
    *(crash_at(point) for point in (0, 1, 3, 6)),
)
walks = st.lists(st.sampled_from(STEPS), min_size=3, max_size=12)


@SHARED
@given(walk=walks)
def test_whatever_walk_a_case_takes_the_promises_hold(world: World, walk: list[Callable[[World, str], None]]) -> None:
    world.tidy()
    case = world.open_case()
    for step in walk:
        step(world, case)
        promises(world, case)
    world.settle()
    promises(world, case)
    assert not [draft for draft in world.drafts(case) if draft.state in {DraftState.ATTEMPTED, DraftState.APPROVED}]


def promises(world: World, case: str) -> None:
    drafts = world.drafts(case)
    assert len([draft for draft in drafts if draft.state in LIVE]) <= 1
    approvals = [
        kind for kind, name, _, late in world.decisions(case) if kind in {"accept", "edit"} and name and not late
    ]
    assert len(world.replies(case)) <= len(approvals)
    for draft in drafts:
        if draft.state in {DraftState.SENT, DraftState.SENT_EDITED}:
            assert draft.approver_name
    revisions = [draft.revision for draft in drafts]
    assert len(set(revisions)) == len(revisions)
    assert world.balance().balances
