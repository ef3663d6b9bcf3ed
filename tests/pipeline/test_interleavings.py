"""One test per interleaving of decide, supersede, write and send. A hook acts where the worker is, for real."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from world import ANA, BEN, World

from crm_bridge.contract import Adapter
from crm_bridge.pipeline.decide import DecisionConflict
from crm_bridge.pipeline.work import drain
from crm_bridge.store import queue

FIRST = "Thank you for writing. This is proposal 1."
Hook = Callable[[], Any]
Around = Callable[..., None]


@pytest.fixture
def around(world: World, monkeypatch: pytest.MonkeyPatch) -> Around:
    """Do something once right before or right after the next call of an adapter's method has its effect."""
    return hooked(world, monkeypatch)


def hooked(world: World, monkeypatch: pytest.MonkeyPatch) -> Around:
    adapter: Adapter = world.runtime.connections["demo"].adapter

    def wrap(method: str, *, before: Hook | None = None, after: Hook | None = None) -> None:
        real = getattr(adapter, method)
        once = {"before": before, "after": after}

        def call(*arguments: Any) -> Any:
            for name in ("before", "after"):
                hook, once[name] = once[name], None
                if name == "after":
                    result = real(*arguments)
                if hook is not None:
                    hook()
            return result

        monkeypatch.setattr(adapter, method, call)

    return wrap


@pytest.fixture
def case(world: World) -> str:
    made = world.open_case()
    world.settle()
    return made


def writes(world: World, case: str, body: str = "Wait, something else!") -> str:
    """The customer writes, and the webhook arrives at once."""
    made = world.customer_writes(case, body)
    world.crm.deliver()
    return made


# --- a message of the customer and a reply ------------------------------------------------------------------------


def test_a_customer_message_before_the_decision_makes_it_a_conflict(world: World, case: str) -> None:
    old = world.draft(case)
    writes(world, case)
    world.settle()
    with pytest.raises(DecisionConflict):
        world.decide(case, "accept", draft=old)
    assert world.replies(case) == []


def test_a_customer_message_the_bridge_has_not_heard_of_before_the_decision_stops_the_reply(
    world: World, case: str
) -> None:
    world.customer_writes(case, "Wait!")
    world.decide(case, "accept")
    world.settle()
    assert world.replies(case) == []
    assert world.states(case) == ["superseded", "written"]


def test_a_customer_message_between_decision_and_attempt_supersedes_and_keeps_the_text(world: World, case: str) -> None:
    patient = world.with_policy(undo=timedelta(seconds=60))
    patient.decide(case, "edit", text="Typed by hand.")
    patient.settle()
    writes(world, case)
    patient.settle()
    assert world.states(case) == ["superseded", "written"]
    assert world.draft(case).working_text == "Typed by hand."
    assert world.replies(case) == []


def test_a_customer_message_during_the_attempt_stops_it(world: World, case: str, around: Around) -> None:
    around("send_reply", before=lambda: writes(world, case))
    world.decide(case, "accept")
    world.settle()
    assert world.replies(case) == []
    assert world.states(case) == ["superseded", "written"]


def test_a_customer_message_right_after_the_send_gets_the_next_draft(world: World, case: str, around: Around) -> None:
    around("send_reply", after=lambda: writes(world, case))
    world.decide(case, "accept")
    world.settle()
    assert world.replies(case) == [FIRST]
    assert world.states(case) == ["sent", "written"]


def test_an_agents_own_answer_during_the_attempt_stops_it(world: World, case: str, around: Around) -> None:
    around("send_reply", before=lambda: world.agent_writes(case, "I have called you about another thing."))
    world.decide(case, "accept")
    world.settle()
    assert world.replies(case) == []
    assert world.states(case) == ["answered_otherwise"]


def test_the_case_is_deleted_during_the_attempt(world: World, case: str, around: Around) -> None:
    around("send_reply", before=lambda: world.crm.desk.delete(case, ANA.name))
    world.decide(case, "accept")
    world.settle()
    assert world.states(case) == ["gone"]
    assert world.balance().balances


def test_the_case_is_merged_between_decision_and_attempt(world: World, case: str) -> None:
    survivor = world.open_case(subject="Another matter")
    world.settle()
    world.decide(case, "accept")
    world.crm.desk.merge(case, survivor, ANA.name)
    world.settle()
    assert world.states(case) == ["merged"]
    assert world.replies(survivor) == []


# --- decisions and writing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["accept", "reject", "respond"])
def test_a_decision_before_a_write_was_announced_is_a_conflict(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from crm_bridge.pipeline import write

    case, refused = world.open_case(), []
    real = write._announce

    def decide_first(*arguments: Any) -> None:
        if not refused:
            with pytest.raises(DecisionConflict):
                world.decide(case, kind)
            refused.append(kind)
        real(*arguments)

    monkeypatch.setattr(write, "_announce", decide_first)
    world.settle()
    assert refused == [kind]
    assert world.states(case) == ["written"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("kind", "ends"), [("accept", ["sent"]), ("reject", ["rejected"]), ("respond", ["regenerated", "written"])]
)
def test_a_decision_while_the_worker_is_writing_counts_since_the_agent_may_see_the_draft_already(
    world: World, around: Around, when: str, kind: str, ends: list[str]
) -> None:
    case = world.open_case()
    around("write_draft", **{when: lambda: world.decide(case, kind)})
    world.settle()
    assert world.states(case) == ends
    assert world.replies(case) == ([FIRST] if kind == "accept" else [])
    assert world.drafts(case)[0].remote_id is not None


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_edit_while_the_worker_is_writing_is_sent(world: World, around: Around, when: str) -> None:
    case = world.open_case()
    around("write_draft", **{when: lambda: world.decide(case, "edit", text="I was faster.")})
    world.settle()
    assert world.replies(case) == ["I was faster."]
    assert world.states(case) == ["sent"]
    assert world.draft(case).remote_id is not None


def test_an_edit_right_before_the_write_is_seen_and_nothing_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm_bridge.pipeline import write

    case = world.open_case()
    real, once = write._standing, [True]

    def decide_first(turn: Any) -> Any:
        if once:
            once.pop()
            world.decide(case, "edit", text="I was faster.")
        return real(turn)

    monkeypatch.setattr(write, "_standing", decide_first)
    world.settle()
    assert world.replies(case) == ["I was faster."]
    assert world.draft(case).remote_id is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_customer_message_while_the_worker_is_writing_supersedes_the_draft(
    world: World, around: Around, when: str
) -> None:
    case = world.open_case()
    around("write_draft", **{when: lambda: writes(world, case)})
    world.settle()
    assert world.states(case) == ["superseded", "written"]
    assert world.shown(case)["draft"]["status"] == "written"


def test_an_agents_answer_while_the_worker_is_writing_is_an_answer_and_no_persons_text_in_the_way(
    world: World, around: Around
) -> None:
    case = world.open_case()
    around("write_draft", before=lambda: world.agent_writes(case, "I have called you about another thing."))
    world.settle()
    assert world.states(case) == ["answered_otherwise"]


def test_text_a_person_put_into_the_draft_is_never_overwritten(world: World, case: str) -> None:
    world.crm.desk.edit_in_place(case, {"text": "A person is writing here."}, ANA.name)
    world.customer_writes(case, "And?")
    world.settle()
    assert world.shown(case)["draft"]["text"] == "A person is writing here."
    assert world.states(case) == ["superseded", "refused"]
    assert "kept" in world.view(case).state.sentence


# --- undo and the attempt -----------------------------------------------------------------------------------------


def test_undo_before_the_attempt_is_committed_wins(world: World, case: str, around: Around) -> None:
    patient = world.with_policy(undo=timedelta(seconds=0.4))
    patient.decide(case, "accept")
    undone: list[Any] = []

    def undo() -> None:
        try:
            undone.append(patient.undo(case))
        except DecisionConflict:
            undone.append(None)

    around("read_case", before=undo)
    patient.settle()
    # Whether the window was still open or not: one of the two, and never both.
    assert world.replies(case) == ([] if undone[0] is not None else [FIRST])
    assert world.states(case) == (["written"] if undone[0] is not None else ["sent"])


def test_undo_during_the_attempt_is_too_late(world: World, case: str, around: Around) -> None:
    refused = []

    def undo() -> None:
        with pytest.raises(DecisionConflict):
            world.undo(case)
        refused.append(True)

    around("send_reply", before=undo)
    world.decide(case, "accept")
    world.settle()
    assert refused == [True]
    assert world.replies(case) == [FIRST]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_second_agents_decision_during_the_attempt_is_a_conflict(
    world: World, case: str, around: Around, when: str
) -> None:
    draft, refused = world.draft(case), []

    def decide() -> None:
        with pytest.raises(DecisionConflict) as conflict:
            world.decide(case, "edit", agent=BEN, draft=draft, text="Mine.")
        refused.append(conflict.value.by)

    around("send_reply", **{when: decide})
    world.decide(case, "accept")
    world.settle()
    assert refused == [ANA.name]
    assert world.replies(case) == [FIRST]


# --- two workers --------------------------------------------------------------------------------------------------


def expire_lease(world: World, case: str) -> None:
    world.sql_do("update work_items set lease_until = clock_timestamp() - interval '1 s' where ref_id = :r", r=case)
    lease = queue._current.get()
    assert lease is not None
    lease.ends = 0.0


def test_a_worker_that_slept_through_its_lease_before_the_model_answered_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = world.open_case()

    def sleep(_context: Any) -> None:
        if len(world.assistant.seen) == 1:
            expire_lease(world, case)
            drain(world.runtime)

    world.assistant.before = sleep
    world.settle()
    assert world.states(case) == ["written"]
    assert world.draft(case).text == "Thank you for writing. This is proposal 2."
    assert set(world.events(case)) == {("done", "")}


@pytest.mark.parametrize("profile", ["native", "no-find", "property"])
def test_a_worker_that_slept_through_its_lease_right_before_sending_sends_nothing_more(
    playing: Callable[[str], World], monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    world = playing(profile)
    case = world.open_case()
    world.settle()
    accept(world, case)

    def sleep() -> None:
        expire_lease(world, case)
        drain(world.runtime)

    hooked(world, monkeypatch)("send_reply", before=sleep)
    world.settle()
    if world.draft(case).state == "unconfirmed":
        assert world.replies(case) == []
        world.settle_reply(case, sent=False)
        world.settle()
    assert world.replies(case) == [FIRST]
    assert world.states(case) == ["sent"]


def accept(world: World, case: str) -> None:
    """Wherever decisions are taken on this profile."""
    if world.crm.profile.decider == "crm":
        status, answer = world.crm.desk.draft_action(case, "accept", {"revision": world.draft(case).revision}, ANA.name)
        assert status == 200, answer
    else:
        world.decide(case, "accept")


def test_two_workers_and_a_flood_of_events_make_one_draft_at_a_time(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    cases = [world.open_case(subject=f"Matter {number}") for number in range(6)]
    for case in cases:
        world.customer_writes(case, "More.")
    world.crm.deliver()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: drain(world.runtime), range(4)))
    world.settle()
    assert [world.states(case) for case in cases] == [["written"]] * 6
    assert len(world.assistant.seen) == 6
