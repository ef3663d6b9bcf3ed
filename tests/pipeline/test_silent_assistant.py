"""An assistant that does not answer: no case pays for it, everything else goes on, and agents see the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from world import World

from crm_bridge.assistants import Proposal
from crm_bridge.contract import OutboundError, Permanent, Reauthenticate, Retry
from crm_bridge.core.masking import MaskedContext
from crm_bridge.pipeline.trouble import MAX_CASE_WAIT, SPREAD, AssistantTrouble, AssistantWatch, case_wait


@dataclass(kw_only=True)
class Clock:
    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outage(world: World, clock: Clock) -> World:
    """The shared world, whose assistant does not answer."""
    world.assistant.answer = silent()
    return replace(world, runtime=replace(world.runtime, assistant_watch=AssistantWatch(clock=clock)))


def silent(error: type[Retry] | type[Reauthenticate] = Retry) -> Callable[[MaskedContext], Proposal]:
    def answer(_context: MaskedContext) -> Proposal:
        raise error("down", code="assistant_down")

    return answer


def go_on(world: World, case: str, clock: Clock) -> None:
    """Some minutes later."""
    clock.at += 300
    world.wake_now(case)
    world.work()


def failures(world: World, case: str) -> int:
    return int(world.sql("select failures from work_items where ref_id = :r", r=case)[0].failures)


@pytest.mark.parametrize("error", [Retry, Reauthenticate])
def test_however_long_it_is_silent_its_case_waits_and_is_drafted_when_it_answers(
    outage: World, clock: Clock, error: type[Retry] | type[Reauthenticate]
) -> None:
    outage.assistant.answer = silent(error)
    case = outage.open_case()
    outage.work()
    for _ in range(12):
        go_on(outage, case, clock)
    assert failures(outage, case) == 0
    assert "dead" not in {outcome for outcome, _reason in outage.events(case)}
    assert outage.states(case) == ["drafting"]
    assert outage.balance().balances
    outage.assistant.answer = None
    go_on(outage, case, clock)
    outage.settle()
    assert outage.states(case) == ["written"]
    assert outage.view(case).state.reason == ""


def test_while_it_is_silent_agents_see_that_their_draft_waits_for_it(outage: World, clock: Clock) -> None:
    case = outage.open_case()
    outage.work()
    assert outage.view(case).state.sentence == "A reply is being drafted."
    age = "update drafts set created_at = created_at - interval '5 minutes' where id = :id"
    outage.sql_do(age, id=outage.draft(case).id)
    go_on(outage, case, clock)
    said = "The assistant is not answering; the draft comes as soon as it does."
    assert outage.view(case).state.sentence == said
    assert outage.shown(case)["state"]["sentence"] == said
    asked_for = outage.sql("select wake_at - clock_timestamp() as wait from work_items where ref_id = :r", r=case)
    assert timedelta(minutes=2) < asked_for[0].wait <= MAX_CASE_WAIT * (1 + SPREAD)


def test_many_waiting_cases_ask_a_silent_assistant_once_a_minute_and_it_is_logged_once(
    outage: World, clock: Clock
) -> None:
    with capture_logs() as logs:
        cases = [outage.open_case(subject=f"Matter {number}") for number in range(6)]
        outage.work()
        assert len(outage.assistant.seen) == 2
        for minute in range(1, 4):
            clock.at += 60
            for case in cases:
                outage.wake_now(case)
            outage.work()
            assert len(outage.assistant.seen) == 2 + minute
        outage.assistant.answer = None
        clock.at += 60
        for case in cases:
            outage.wake_now(case)
        outage.settle()
    assert [outage.states(case) for case in cases] == [["written"]] * 6
    told = [entry["event"] for entry in logs if entry["event"].startswith("assistant_")]
    assert told == ["assistant_does_not_answer", "assistant_answers_again"]


def test_the_rest_of_a_case_goes_on_while_its_draft_waits(outage: World) -> None:
    """What is new supersedes, an own reply ends it, and what was decided is sent."""
    written, waiting = outage.open_case("Mine?"), outage.open_case("Later?")
    outage.work()
    outage.decide(written, "edit", text="Typed by hand.")
    outage.work()
    assert outage.replies(written) == ["Typed by hand."]
    outage.customer_writes(waiting, "And one more thing.")
    outage.work()
    assert outage.states(waiting) == ["superseded", "drafting"]
    outage.agent_writes(waiting, "Answered by hand.")
    outage.work()
    assert outage.states(waiting) == ["superseded", "answered_otherwise"]


def test_an_answer_that_cannot_be_used_counts_against_its_case_and_ends_the_silence(
    outage: World, clock: Clock
) -> None:
    def nonsense(_context: MaskedContext) -> Proposal:
        raise Permanent("nonsense", code="not_an_answer")

    case = outage.open_case()
    outage.work()
    go_on(outage, case, clock)
    assert outage.runtime.assistant_watch.wait() is not None
    outage.assistant.answer = nonsense
    go_on(outage, case, clock)
    outage.settle()
    assert outage.runtime.assistant_watch.wait() is None
    assert (outage.view(case).state.kind, outage.view(case).state.reason) == ("no_draft", "technical")


# --- when it may be asked ---------------------------------------------------------------------------------------


def test_one_failed_call_holds_up_no_other_case(clock: Clock) -> None:
    watch = AssistantWatch(clock=clock)
    assert watch.failed(Retry("slow", code="timeout")) >= timedelta(seconds=2)
    assert watch.wait() is None


def test_after_a_pause_one_call_at_a_time_finds_out_whether_it_answers(clock: Clock) -> None:
    watch = AssistantWatch(clock=clock)
    for _ in range(2):
        watch.failed(Retry("down", code="http_503"))
    clock.at += 60
    watch.admit(call_s=30)
    with pytest.raises(AssistantTrouble) as held:
        watch.admit(call_s=30)
    assert held.value.wait == timedelta(seconds=30)
    watch.let_go()
    watch.answered()
    watch.admit(call_s=30)
    watch.admit(call_s=30)


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (Retry("busy", code="http_429", after=timedelta(minutes=5)), timedelta(minutes=5)),
        (Retry("busy", code="http_429", after=timedelta(days=2)), timedelta(minutes=15)),
        (Reauthenticate("no", code="http_401"), timedelta(minutes=1)),
    ],
)
def test_it_is_left_alone_for_as_long_as_it_asks_within_bounds(
    clock: Clock, error: OutboundError, wait: timedelta
) -> None:
    watch = AssistantWatch(clock=clock)
    assert watch.failed(error) == wait
    watch.failed(error)
    assert watch.wait() == wait


@given(
    wait=st.timedeltas(timedelta(seconds=2), timedelta(minutes=15)),
    waited=st.timedeltas(timedelta(0), timedelta(days=7)),
)
def test_a_case_never_waits_less_than_is_asked_for_nor_much_more_than_the_bound(
    wait: timedelta, waited: timedelta
) -> None:
    found = case_wait(wait, waited)
    assert wait <= found <= max(wait, MAX_CASE_WAIT) * (1 + SPREAD)
