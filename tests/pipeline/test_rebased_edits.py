"""Edits of agents whose draft was superseded while they typed: sent when they name the newest message, never else."""

from __future__ import annotations

from typing import Any

import pytest
from world import ANA, World

from crm_bridge.assistants import Abstention
from crm_bridge.pipeline.decide import DecisionConflict


@pytest.fixture
def case(world: World) -> str:
    made = world.open_case()
    world.settle()
    return made


def test_an_edit_that_names_the_newest_message_is_sent_although_its_draft_was_superseded(
    world: World, case: str
) -> None:
    old = world.draft(case)
    newer = world.customer_writes(case, "And my invoice?")
    world.settle()
    world.decide(case, "edit", draft=old, text="About both: …", answers=newer)
    world.settle()
    assert world.replies(case) == ["About both: …"]
    assert world.states(case) == ["superseded", "sent"]


def test_an_edit_that_names_the_newest_message_is_sent_while_the_new_draft_is_being_made(
    world: World, case: str
) -> None:
    old = world.draft(case)
    newer = world.customer_writes(case, "And my invoice?")

    def decide_once(_context: Any) -> None:
        world.assistant.before = None
        world.decide(case, "edit", draft=old, text="About both: …", answers=newer)

    world.assistant.before = decide_once
    world.settle()
    assert world.replies(case) == ["About both: …"]
    assert world.states(case) == ["superseded", "sent"]


def test_an_edit_that_names_a_message_we_have_not_read_yet_is_sent(world: World, case: str) -> None:
    old = world.draft(case)
    newer = world.customer_writes(case, "And my invoice?")
    world.decide(case, "edit", draft=old, text="About both: …", answers=newer)
    world.settle()
    assert world.replies(case) == ["About both: …"]
    assert world.states(case) == ["sent"]


def test_an_edit_that_names_a_message_that_is_not_the_newest_is_a_conflict(world: World, case: str) -> None:
    old = world.draft(case)
    between = world.customer_writes(case, "And my invoice?")
    world.customer_writes(case, "Forget it, I found it.")
    world.settle()
    with pytest.raises(DecisionConflict, match="newer"):
        world.decide(case, "edit", draft=old, text="About both: …", answers=between)
    assert world.replies(case) == []


def test_an_edit_that_names_a_message_nobody_wrote_proves_nothing_and_is_not_sent(world: World, case: str) -> None:
    old = world.draft(case)
    world.customer_writes(case, "Stop, it works again!")
    world.settle()
    world.decide(case, "edit", draft=old, text="Please restart.", answers="msg_invented")
    world.settle()
    assert world.replies(case) == []
    assert world.states(case)[1] == "superseded"
    assert world.drafts(case)[1].working_text == "Please restart."


def test_an_automatic_message_after_the_one_named_is_nothing_newer(world: World, case: str) -> None:
    old = world.draft(case)
    newer = world.customer_writes(case, "And my invoice?")
    automatic = {"author": "customer", "body": "Out of office", "public": True, "automatic": True}
    world.crm.desk.add_message(case, automatic, "Ana Agent")
    world.settle()
    world.decide(case, "edit", draft=old, text="About both: …", answers=newer)
    world.settle()
    assert world.replies(case) == ["About both: …"]


def test_an_edit_is_sent_where_the_new_draft_was_refused(world: World, case: str) -> None:
    old = world.draft(case)
    world.assistant.answer = lambda _context: Abstention(reason="no_source")
    newer = world.customer_writes(case, "And my invoice?")
    world.settle()
    assert world.states(case) == ["superseded", "refused"]
    world.decide(case, "edit", draft=old, text="About both: …", answers=newer)
    world.settle()
    assert world.replies(case) == ["About both: …"]


def test_an_edit_on_what_somebody_else_approved_meanwhile_is_a_conflict(world: World, case: str) -> None:
    from datetime import timedelta

    from world import BEN

    old = world.draft(case)
    newer = world.customer_writes(case, "And my invoice?")
    world.settle()
    patient = world.with_policy(undo=timedelta(seconds=60))
    patient.decide(case, "accept", agent=BEN)
    with pytest.raises(DecisionConflict) as refused:
        patient.decide(case, "edit", draft=old, text="Mine.", answers=newer)
    assert refused.value.by == BEN.name


def test_the_typed_text_of_a_superseded_approval_is_kept(world: World, case: str) -> None:
    from datetime import timedelta

    patient = world.with_policy(undo=timedelta(seconds=60))
    patient.decide(case, "edit", text="Carefully typed.")
    world.customer_writes(case, "Wait!")
    patient.settle()
    assert world.states(case) == ["superseded", "written"]
    assert [draft.working_text for draft in world.drafts(case)] == ["Carefully typed.", "Carefully typed."]


def test_the_typed_text_of_a_superseded_approval_outlives_an_accept_that_is_undone(world: World, case: str) -> None:
    from datetime import timedelta

    patient = world.with_policy(undo=timedelta(seconds=60))
    patient.decide(case, "edit", text="Carefully typed.")
    world.customer_writes(case, "Wait!")
    patient.settle()
    patient.decide(case, "accept")
    patient.undo(case)
    assert world.draft(case).working_text == "Carefully typed."
    patient.decide(case, "edit", text="Typed anew.")
    patient.undo(case)
    assert world.draft(case).working_text == "Typed anew."


def test_an_edit_of_the_current_draft_that_names_what_it_was_made_from_changes_nothing_else(
    world: World, case: str
) -> None:
    answers: Any = world.draft(case).answers
    world.decide(case, "edit", text="Plain.", answers=answers)
    world.settle()
    assert world.replies(case) == ["Plain."]
    assert world.draft(case).answers == answers


def test_a_revision_there_never_was_is_no_ground_for_an_edit(world: World) -> None:
    case = world.open_case()
    world.settle()
    newest = world.draft(case).answers
    with pytest.raises(DecisionConflict):
        world.decide(case, "edit", revision=world.draft(case).revision + 7, text="Mine.", answers=newest)
    assert world.states(case) == ["written"]


def test_accepting_what_a_person_wrote_over_the_draft_sends_that(world: World) -> None:
    case = world.open_case()
    world.settle()
    draft = world.crm.drafts.current(world.crm.state.case(case) or {})
    assert draft is not None
    world.crm.drafts.edit_in_place(draft, "My own words over the draft.")
    status, said = world.crm.desk.draft_action(case, "accept", {"revision": world.draft(case).revision}, ANA.name)
    assert status == 200, said
    world.settle()
    assert world.replies(case) == ["My own words over the draft."]
    assert world.draft(case).decision == "edited"
