"""Right before a reply goes out: an accept means the text that stands in the CRM, an edit the message it names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from world import ANA, World

from crm_bridge.assistants import Abstention

BY_HAND = "My own words, written over the draft."
Playing = Callable[[str], World]


@pytest.fixture
def case(world: World) -> str:
    made = world.open_case()
    world.settle()
    return made


def write_over(world: World, case: str, text: str) -> None:
    """A person changes the draft where it stands; nobody tells the bridge."""
    draft = world.crm.drafts.current(world.crm.state.case(case) or {"draft": None})
    assert draft is not None
    world.crm.drafts.edit_in_place(draft, text)


def die_writing(world: World, case: str, *, lands: bool = True) -> None:
    """The write of the next draft is begun and its worker dies, after the draft stands there or before."""
    adapter = world.runtime.connections[world.name].adapter
    real = adapter.write_draft

    def dies(*arguments: Any) -> Any:
        if lands:
            real(*arguments)
        raise RuntimeError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "write_draft", dies)
        world.work()
    assert world.states(case)[-1] == "ready"
    world.wake_now(case)


def told(world: World, case: str) -> str:
    """The kind of the state the bridge wrote into the CRM last, whatever the desk makes of it."""
    record = world.crm.state.case(case) or {}
    return str((record.get("state") or {}).get("kind"))


# --- an accepted draft --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the accept", "after the accept"])
def test_an_accepted_draft_that_a_person_changed_in_the_crm_is_not_sent_and_their_text_is_kept(
    world: World, case: str, when: str
) -> None:
    if when == "before the accept":
        write_over(world, case, BY_HAND)
    world.decide(case, "accept")
    if when == "after the accept":
        write_over(world, case, BY_HAND)
    world.settle()
    draft, state = world.draft(case), world.view(case).state
    assert world.replies(case) == []
    assert (draft.state, draft.working_text, draft.approver_id) == ("written", BY_HAND, None)
    assert (state.kind, state.reason) == ("ready", "changed_there")
    assert "not sent, because somebody changed its text" in state.sentence
    shown = world.shown(case)
    assert shown["state"]["sentence"] == state.sentence
    assert shown["draft"]["text"] == BY_HAND
    world.decide(case, "edit", text=BY_HAND)
    world.settle()
    assert world.replies(case) == [BY_HAND]


def test_what_was_changed_and_accepted_again_is_not_sent_either(world: World, case: str) -> None:
    write_over(world, case, BY_HAND)
    for _ in range(2):
        world.decide(case, "accept")
        world.settle()
    assert world.replies(case) == []
    assert world.states(case) == ["written"]
    assert world.balance().balances


def test_our_text_as_a_crm_may_hand_it_back_is_our_text(world: World, case: str) -> None:
    write_over(world, case, f"{world.draft(case).text}\u00a0\r\n")
    world.decide(case, "accept")
    world.settle()
    assert world.replies(case) == [world.draft(case).text]


def test_an_edit_sends_what_was_typed_whatever_stands_in_the_crm(world: World, case: str) -> None:
    write_over(world, case, BY_HAND)
    before = world.crm.calls["read_draft"]
    world.decide(case, "edit", text=world.draft(case).text)
    world.settle()
    assert world.replies(case) == [world.draft(case).text]
    assert world.crm.calls["read_draft"] == before


def test_an_accepted_draft_costs_one_more_call(world: World, case: str) -> None:
    before = dict(world.crm.calls)
    world.decide(case, "accept")
    world.settle()
    spent = {name: count - before.get(name, 0) for name, count in world.crm.calls.items()}
    assert (spent["read_draft"], spent["send_reply"]) == (1, 1)


def test_a_change_of_an_accepted_draft_is_seen_also_when_the_answer_to_its_write_was_lost(world: World) -> None:
    case = world.open_case()
    die_writing(world, case)
    write_over(world, case, BY_HAND)
    world.decide(case, "accept")
    world.settle()
    assert world.replies(case) == []
    assert (world.draft(case).state, world.draft(case).working_text) == ("written", BY_HAND)


def test_a_draft_that_never_arrived_in_the_crm_can_be_accepted_and_is_not_written_first(world: World) -> None:
    case = world.open_case()
    die_writing(world, case, lands=False)
    world.decide(case, "accept")
    world.settle()
    assert world.replies(case) == [world.draft(case).text]
    assert world.crm.drafts.current(world.crm.state.case(case) or {"draft": None}) is None


# --- an edit and the message it names -----------------------------------------------------------------------------


def test_an_edit_that_names_no_message_of_the_case_is_not_sent_and_its_text_is_kept(world: World, case: str) -> None:
    question = world.draft(case).answers
    world.decide(case, "edit", text="Please restart.", answers="msg_invented")
    world.settle()
    draft, state = world.draft(case), world.view(case).state
    assert world.replies(case) == []
    assert (draft.state, draft.working_text, draft.answers) == ("written", "Please restart.", question)
    assert "msg_invented" not in draft.seen
    assert (state.kind, state.reason) == ("ready", "unknown_message")
    assert "not sent, because the message it answers is not in this case" in state.sentence
    world.decide(case, "accept")
    world.settle()
    assert world.replies(case) == [draft.text]


def test_an_edit_that_names_an_internal_note_is_not_sent(world: World, case: str) -> None:
    note = world.agent_writes(case, "Careful with this one", public=False)
    world.decide(case, "edit", text="Please restart.", answers=note)
    world.settle()
    assert world.replies(case) == []
    assert world.draft(case).working_text == "Please restart."


def test_an_edit_of_what_was_never_drafted_that_names_no_message_makes_way_for_a_new_attempt(world: World) -> None:
    world.assistant.answer = lambda _context: Abstention(reason="no_source")
    case = world.open_case()
    world.settle()
    refused = world.draft(case)
    world.assistant.answer = None
    revision = refused.revision - 1
    world.decide(case, "edit", draft=refused, revision=revision, text="Please restart.", answers="msg_invented")
    world.settle()
    assert world.replies(case) == []
    assert world.states(case) == ["refused", "superseded", "written"]
    assert world.draft(case).working_text == "Please restart."


def test_where_the_crm_decides_an_edit_that_names_no_message_of_the_case_is_not_sent(playing: Playing) -> None:
    world = playing("property")
    case = world.open_case()
    world.settle()
    revision = world.shown(case)["draft"]["revision"]
    payload = {"revision": revision, "text": "Please restart.", "answers": "msg_invented"}
    assert world.crm.desk.draft_action(case, "edit", payload, ANA.name)[0] == 200
    world.settle()
    assert world.replies(case) == []
    assert (world.draft(case).state, world.draft(case).working_text) == ("written", "Please restart.")


def test_what_a_merge_put_before_the_question_of_a_draft_is_new_to_it(world: World, case: str) -> None:
    survivor = world.open_case("Where is my parcel?", subject="Parcel")
    world.settle()
    world.crm.desk.merge(case, survivor, ANA.name)
    world.settle()
    assert world.states(survivor) == ["superseded", "written"]
    assert set(world.draft(survivor).seen) == {message["id"] for message in world.shown(survivor)["messages"]}


# --- a write whose answer was lost --------------------------------------------------------------------------------


@pytest.mark.parametrize("lands", [True, False], ids=["arrived", "never arrived"])
@pytest.mark.parametrize("before", [True, False], ids=["after another draft", "the first draft"])
def test_an_ended_draft_does_not_stay_where_states_cannot_be_shown_though_the_answer_to_its_write_was_lost(
    playing: Playing, *, lands: bool, before: bool
) -> None:
    world = playing("field")
    case = world.open_case()
    if before:
        world.settle()
        world.customer_writes(case, "And my invoice?")
        world.crm.deliver()
    die_writing(world, case, lands=lands)
    world.crm.desk.close(case, ANA.name)
    world.settle()
    assert world.states(case)[-1] == "expired"
    standing = world.crm.drafts.current(world.crm.state.case(case) or {"draft": None})
    assert standing is None or standing["withdrawn"]
    assert world.draft(case).withdrawal == ("done" if lands else "not_there")


def test_a_decision_taken_in_the_crm_before_a_lost_write_was_repeated_is_carried_out(playing: Playing) -> None:
    world = playing("property")
    case = world.open_case()
    die_writing(world, case)
    revision = world.shown(case)["draft"]["revision"]
    assert world.crm.desk.draft_action(case, "accept", {"revision": revision}, ANA.name)[0] == 200
    world.settle()
    assert world.states(case) == ["sent"]


def test_the_crm_is_told_of_the_draft_that_was_decided_though_the_answer_to_its_write_was_lost(world: World) -> None:
    case = world.open_case()
    world.settle()
    world.customer_writes(case, "And my invoice?")
    world.crm.deliver()
    die_writing(world, case)
    patient = world.with_policy(undo=timedelta(seconds=60))
    patient.decide(case, "accept")
    patient.settle()
    record = world.crm.drafts.current(world.crm.state.case(case) or {"draft": None})
    assert record is not None
    assert (record["draft_id"], record["status"]) == (world.draft(case).id, "approved")


# --- what the panel says ------------------------------------------------------------------------------------------


def test_a_draft_is_ready_on_the_panel_as_soon_as_it_can_be_decided(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, seen = world.open_case(), list[Any]()
    adapter = world.runtime.connections["demo"].adapter
    real = adapter.write_draft

    def look(*arguments: Any) -> Any:
        shown = world.view(case)
        seen.append((shown.state.kind, shown.state.draft_status, shown.to_json()["draft"]["status"]))
        return real(*arguments)

    monkeypatch.setattr(adapter, "write_draft", look)
    world.settle()
    assert seen == [("ready", "written", "written")]


def test_the_panel_says_that_a_case_was_answered_by_hand_where_there_was_no_draft(world: World) -> None:
    world.assistant.answer = lambda _context: Abstention(reason="no_source")
    case = world.open_case()
    world.settle()
    assert (world.view(case).state.kind, told(world, case)) == ("no_draft", "no_draft")
    world.agent_writes(case, "I can answer that myself.")
    world.settle()
    state = world.view(case).state
    assert (state.kind, state.reason, state.by) == ("answered_otherwise", "", ANA.name)
    assert told(world, case) == "answered_otherwise"
    assert world.states(case) == ["refused"]


def test_the_panel_says_that_a_case_was_answered_by_hand_after_its_draft_was_rejected(world: World, case: str) -> None:
    world.decide(case, "reject", reason="not_needed")
    world.settle()
    assert (world.view(case).state.kind, told(world, case)) == ("rejected", "rejected")
    world.agent_writes(case, "I can answer that myself.")
    world.settle()
    assert (world.view(case).state.kind, told(world, case)) == ("answered_otherwise", "answered_otherwise")
    world.agent_writes(case, "Called them as well.", public=False)
    sequence = world.view(case).sequence
    world.settle()
    assert world.view(case).sequence == sequence
