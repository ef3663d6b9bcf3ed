"""Decisions of agents: what each does, the same one again, two at once, flags, undo."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from world import ANA, BEN, World

from crm_bridge.assistants import Proposal
from crm_bridge.pipeline.decide import (
    DecisionConflict,
    FlagsNotAcknowledged,
    InvalidDecision,
    UnknownDraft,
    decide,
    undo,
)
from crm_bridge.pipeline.panel import PanelView

FIRST = "Thank you for writing. This is proposal 1."


@pytest.fixture
def case(world: World) -> str:
    made = world.open_case()
    world.settle()
    assert world.states(made) == ["written"]
    return made


def test_edit_sends_the_edited_text(world: World, case: str) -> None:
    world.decide(case, "edit", text="My own words.")
    world.settle()
    assert world.replies(case) == ["My own words."]
    assert world.draft(case).decision == "edited"


def test_an_edit_that_changes_nothing_counts_as_accepted(world: World, case: str) -> None:
    world.decide(case, "edit", text=FIRST + "\n")
    assert world.draft(case).decision == "accepted"


def test_reject_sends_nothing_and_keeps_its_reason(world: World, case: str) -> None:
    world.decide(case, "reject", reason="wrong_tone")
    world.settle()
    assert world.replies(case) == []
    assert (world.draft(case).state, world.draft(case).reason) == ("rejected", "wrong_tone")
    assert world.shown(case)["state"]["kind"] == "rejected"


def test_after_a_rejection_another_draft_can_be_asked_for(world: World, case: str) -> None:
    world.decide(case, "reject", reason="wrong_tone")
    world.settle()
    world.decide(case, "respond", comment="Kinder")
    world.settle()
    assert world.states(case) == ["rejected", "written"]


def test_respond_makes_a_new_attempt(world: World, case: str) -> None:
    world.decide(case, "respond", comment="Shorter")
    world.settle()
    assert world.states(case) == ["regenerated", "written"]
    assert world.replies(case) == []


def test_an_edit_without_words_is_refused(world: World, case: str) -> None:
    with pytest.raises(InvalidDecision):
        world.decide(case, "edit", text=" \n ")


def test_a_draft_of_another_connection_is_unknown(world: World, case: str) -> None:
    with pytest.raises(UnknownDraft):
        decide(world.runtime, "demo", "dr_of_somebody_else", request_like(world, case), ANA)


def request_like(world: World, case: str) -> Any:
    from crm_bridge.contract import DecisionKind
    from crm_bridge.pipeline.decide import DecisionRequest

    return DecisionRequest(kind=DecisionKind.ACCEPT, revision=world.draft(case).revision)


# --- the same answer again ----------------------------------------------------------------------------------------


def test_the_same_answer_again_gets_the_first_result_whatever_happened_since(world: World, case: str) -> None:
    draft = world.draft(case)
    world.decide(case, "accept")
    world.settle()
    assert world.decide(case, "accept", draft=draft).state.kind == "sent"
    world.settle()
    assert world.replies(case) == [FIRST]
    assert len(world.decisions(case)) == 1


def test_the_same_answer_from_eight_threads_sends_once(world: World, case: str) -> None:
    draft = world.draft(case)
    with ThreadPoolExecutor(8) as pool:
        views = list(pool.map(lambda _: world.decide(case, "accept", draft=draft), range(8)))
    assert {view.state.kind for view in views} <= {"sending", "sent"}
    world.settle()
    assert world.replies(case) == [FIRST]
    assert len(world.decisions(case)) == 1


def test_an_idempotency_key_used_for_another_decision_is_a_conflict(world: World, case: str) -> None:
    draft = world.draft(case)
    world.decide(case, "accept", draft=draft, idempotency_key="k")
    with pytest.raises(DecisionConflict, match="key"):
        world.decide(case, "reject", draft=draft, idempotency_key="k")


# --- two at once --------------------------------------------------------------------------------------------------


def test_of_two_agents_at_once_one_wins_and_the_other_is_told_who_and_when(world: World, case: str) -> None:
    draft = world.draft(case)

    def say(number: int) -> PanelView | DecisionConflict:
        agent, kind, more = [(ANA, "accept", {}), (BEN, "edit", {"text": "Mine."})][number % 2]
        try:
            return world.decide(case, kind, agent=agent, draft=draft, **more)
        except DecisionConflict as conflict:
            return conflict

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(say, range(2)))
    lost = [answer for answer in answers if isinstance(answer, DecisionConflict)]
    assert len(lost) == 1
    world.settle()
    assert len(world.replies(case)) == 1
    winner = world.decisions(case)[0][1]
    assert lost[0].by == winner
    assert lost[0].at is not None
    assert lost[0].revision == draft.revision


def test_a_decision_on_an_old_revision_is_told_the_new_messages(world: World, case: str) -> None:
    old = world.draft(case)
    newer = world.customer_writes(case, "Stop, it works again.")
    world.settle()
    with pytest.raises(DecisionConflict) as refused:
        world.decide(case, "accept", draft=old)
    assert refused.value.revision == world.draft(case).revision > old.revision
    assert world.draft(case).answers == newer
    world.settle()
    assert world.replies(case) == []


def test_while_the_new_draft_is_being_made_the_new_messages_are_told_too(world: World, case: str) -> None:
    old, told = world.draft(case), []
    newer = world.customer_writes(case, "Stop, it works again.")

    def meanwhile(_context: Any) -> None:
        with pytest.raises(DecisionConflict) as refused:
            world.decide(case, "accept", draft=old)
        told.append(refused.value)

    world.assistant.before = meanwhile
    world.settle()
    assert told[0].state.kind == "drafting"
    assert newer in world.draft(case).seen
    assert world.replies(case) == []


# --- flags --------------------------------------------------------------------------------------------------------


def flagged(world: World) -> str:
    world.assistant.answer = lambda _context: Proposal(text="See https://evil.example/x for more.", language="en")
    case = world.open_case()
    world.settle()
    assert [flag.code for flag in world.draft(case).content.flags] == ["link_not_in_sources"]
    return case


def test_a_blocking_flag_has_to_be_acknowledged_by_name(world: World) -> None:
    case = flagged(world)
    with pytest.raises(FlagsNotAcknowledged) as refused:
        world.decide(case, "accept")
    assert [flag.code for flag in refused.value.flags] == ["link_not_in_sources"]
    with pytest.raises(FlagsNotAcknowledged):
        world.decide(case, "accept", acknowledged=("another_flag",))
    world.decide(case, "accept", acknowledged=("link_not_in_sources",))
    world.settle()
    assert len(world.replies(case)) == 1


def test_an_edit_that_takes_the_flagged_words_out_needs_no_acknowledgement(world: World) -> None:
    case = flagged(world)
    world.decide(case, "edit", text="See our help pages.")
    world.settle()
    assert world.replies(case) == ["See our help pages."]


def test_an_edit_that_keeps_the_flagged_words_needs_it(world: World) -> None:
    case = flagged(world)
    for text in ("See https://evil.example/x for more.", "Please see https://evil.example/x for much more."):
        with pytest.raises(FlagsNotAcknowledged):
            world.decide(case, "edit", text=text)


# --- undo ---------------------------------------------------------------------------------------------------------


def test_undo_in_time_sends_nothing_and_stands_again_with_a_new_revision(world: World, case: str) -> None:
    patient = world.with_policy(undo=timedelta(seconds=60))
    before = world.draft(case)
    view = patient.decide(case, "edit", text="Not yet.")
    assert view.state.undo_until is not None
    patient.work()
    assert patient.shown(case)["state"]["kind"] == "sending"
    patient.undo(case)
    patient.work()
    draft = world.draft(case)
    assert (draft.state, draft.working_text) == ("written", "Not yet.")
    assert draft.revision > before.revision
    assert world.shown(case)["draft"]["revision"] == draft.revision
    assert world.replies(case) == []
    with pytest.raises(DecisionConflict):
        world.decide(case, "reject", draft=before, reason="no")


def test_undo_pressed_twice_is_one_undo(world: World, case: str) -> None:
    patient = world.with_policy(undo=timedelta(seconds=60))
    patient.decide(case, "accept")
    patient.undo(case)
    patient.undo(case)
    assert [kind for kind, *_ in world.decisions(case)] == ["accept", "undo"]


def test_undo_too_late_is_a_conflict_and_the_reply_goes_out(world: World, case: str) -> None:
    world.decide(case, "accept")
    with pytest.raises(DecisionConflict, match="too late"):
        world.undo(case)
    world.settle()
    assert world.replies(case) == [FIRST]


def test_undo_of_a_reply_written_before_its_draft_was_finished_gives_the_text_back_as_the_draft(world: World) -> None:
    patient = world.with_policy(undo=timedelta(seconds=60))
    case = patient.open_case()

    def decide(_context: Any) -> None:
        patient.decide(case, "edit", text="I know this one.")

    world.assistant.before = decide
    patient.work()
    assert world.draft(case).state == "approved"
    patient.undo(case)
    patient.settle()
    assert (world.draft(case).state, world.draft(case).text) == ("written", "I know this one.")
    assert world.shown(case)["draft"]["text"] == "I know this one."


def test_a_decided_reply_does_not_wait_for_the_back_off_of_its_case(world: World, case: str) -> None:
    world.sql_do(
        "update work_items set wake_at = clock_timestamp() + interval '5 minutes',"
        " not_before = clock_timestamp() + interval '5 minutes', failures = 5 where ref_id = :ref",
        ref=case,
    )
    world.decide(case, "accept")
    world.settle()
    assert world.replies(case) == [FIRST]


def test_undo_with_a_revision_that_is_not_the_drafts_is_a_conflict(world: World, case: str) -> None:
    patient = world.with_policy(undo=timedelta(seconds=60))
    patient.decide(case, "accept")
    with pytest.raises(DecisionConflict):
        undo(patient.runtime, "demo", world.draft(case).id, ANA, revision=999)
