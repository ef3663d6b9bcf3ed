"""The same story over every CRM the mock can play, and what is special about each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from world import ANA, World

from crm_bridge.assistants import Abstention, Proposal
from crm_bridge.contract import Agent, Decider, DecisionKind, DraftRef, Fingerprint, RemoteDecision, Sends
from crm_bridge.kit.emulation.faults import FaultRule
from crm_bridge.pipeline.decide import InvalidDecision
from crm_bridge_mock.emulator.decisions import Decisions
from crm_bridge_mock.emulator.drafts import Drafts
from crm_bridge_mock.profiles import PROFILES

Playing = Callable[[str], World]


def desk(world: World, case: str, action: str, **payload: Any) -> tuple[int, dict[str, Any]]:
    """An agent acts at the desk, wherever decisions are taken on this profile."""
    if action in {"accept", "edit", "reject", "respond"}:
        payload.setdefault("revision", world.shown(case)["draft"]["revision"])
    return world.crm.desk.draft_action(case, action, payload, ANA.name)


def send_as_person_where_persons_send(world: World, case: str, text: str) -> None:
    if world.crm.profile.capabilities.sends is Sends.AGENT:
        assert desk(world, case, "send")[0] == 200
    elif world.crm.profile.capabilities.sends is Sends.NOBODY:
        world.agent_writes(case, text)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_question_is_drafted_decided_and_answered_once_and_so_is_the_next(playing: Playing, profile: str) -> None:
    world = playing(profile)
    case = world.open_case()
    world.settle()
    for number in (1, 2):
        assert world.states(case)[-1] == "written"
        draft = world.draft(case)
        if world.crm.profile.decider is not None:
            assert desk(world, case, "accept")[0] == 200
            world.settle()
        send_as_person_where_persons_send(world, case, draft.text or "")
        world.settle()
        assert world.states(case) == ["sent"] * number
        assert world.thread(case)[-1] == ("agent", draft.text)
        world.customer_writes(case, "Thanks. One more question: where is my invoice?")
        world.settle()
    assert world.states(case) == ["sent", "sent", "written"]
    assert len(world.thread(case)) == 5
    assert world.balance().balances
    assert {outcome for outcome, _ in world.events(case)} <= {"done"}
    deciders = {name for _, name, _, _ in world.decisions(case)}
    assert deciders == {ANA.name}


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_message_of_the_customer_supersedes_the_draft(playing: Playing, profile: str) -> None:
    world = playing(profile)
    case = world.open_case()
    world.settle()
    world.customer_writes(case, "Wait, it is about another thing.")
    world.settle()
    assert world.states(case) == ["superseded", "written"]
    if world.crm.profile.decider is not None:
        old = world.drafts(case)[0].revision
        assert desk(world, case, "accept", revision=old)[0] == 409
    world.settle()
    assert len(world.thread(case)) == 2


@pytest.mark.parametrize("profile", sorted(name for name, row in PROFILES.items() if row.decider is not None))
def test_editing_rejecting_and_asking_again_at_the_desk(playing: Playing, profile: str) -> None:
    world = playing(profile)
    case = world.open_case()
    world.settle()
    assert desk(world, case, "respond", comment="Shorter")[0] == 200
    world.settle()
    assert world.states(case) == ["regenerated", "written"]
    assert desk(world, case, "edit", text="My own words.")[0] == 200
    world.settle()
    send_as_person_where_persons_send(world, case, "My own words.")
    world.settle()
    assert world.states(case) == ["regenerated", "sent"]
    assert world.draft(case).decision == "edited"
    assert world.thread(case)[-1] == ("agent", "My own words.")
    world.customer_writes(case, "And now?")
    world.settle()
    assert desk(world, case, "reject", reason="not_needed")[0] == 200
    world.settle()
    assert world.states(case)[-1] == "rejected"
    assert world.draft(case).reason == "not_needed"


# --- the agent sends ----------------------------------------------------------------------------------------------


@pytest.fixture
def handed_over(playing: Playing) -> tuple[World, str]:
    world = playing("agent-sends")
    case = world.open_case()
    world.settle()
    assert desk(world, case, "accept")[0] == 200
    world.settle()
    assert world.states(case) == ["handed_over"]
    assert world.shown(case)["state"]["kind"] == "handed_over"
    return world, case


def test_handed_over_and_sent_as_it_is(handed_over: tuple[World, str]) -> None:
    world, case = handed_over
    desk(world, case, "send")
    world.settle()
    assert world.states(case) == ["sent"]


def test_handed_over_and_sent_edited(handed_over: tuple[World, str]) -> None:
    world, case = handed_over
    desk(world, case, "send", text=f"{world.draft(case).text} Have a nice day!")
    world.settle()
    assert world.states(case) == ["sent_edited"]


def test_handed_over_and_answered_otherwise(handed_over: tuple[World, str]) -> None:
    world, case = handed_over
    world.agent_writes(case, "I called you, it is all settled and has nothing to do with that.")
    world.settle()
    assert world.states(case) == ["answered_otherwise"]


def test_handed_over_and_not_sent_because_the_customer_wrote_first(handed_over: tuple[World, str]) -> None:
    world, case = handed_over
    world.customer_writes(case, "Forget it.")
    world.settle()
    assert world.states(case) == ["not_sent", "written"]


def test_handed_over_and_sent_right_after_the_customer_wrote_counts_as_sent(handed_over: tuple[World, str]) -> None:
    world, case = handed_over
    world.customer_writes(case, "Hello?")
    desk(world, case, "send")
    world.settle()
    assert world.states(case) == ["sent"]


def test_handed_over_and_closed_without_sending(handed_over: tuple[World, str]) -> None:
    world, case = handed_over
    world.crm.desk.close(case, ANA.name)
    world.settle()
    assert world.states(case) == ["not_sent"]


def test_handed_over_and_forgotten_for_a_week(handed_over: tuple[World, str]) -> None:
    world, case = handed_over
    world.sql_do("update drafts set created_at = created_at - interval '7 days' where id = :i", i=world.draft(case).id)
    world.wake_now(case)
    world.settle()
    assert world.states(case) == ["not_sent"]


def test_handed_over_and_merged(handed_over: tuple[World, str]) -> None:
    world, case = handed_over
    survivor = world.open_case(subject="Another matter")
    world.crm.desk.merge(case, survivor, ANA.name)
    world.settle()
    assert world.states(case) == ["merged"]


def test_handed_over_and_deleted(handed_over: tuple[World, str]) -> None:
    world, case = handed_over
    world.crm.desk.delete(case, ANA.name)
    world.settle()
    assert world.states(case) == ["gone"]


# --- the CRM decides ----------------------------------------------------------------------------------------------


def test_where_the_crm_decides_the_panel_decides_nothing(playing: Playing) -> None:
    world = playing("property")
    case = world.open_case()
    world.settle()
    with pytest.raises(InvalidDecision):
        world.decide(case, "accept")
    with pytest.raises(InvalidDecision):
        world.undo(case)


def test_a_decision_on_an_older_revision_is_shown_as_late_and_never_sent(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = playing("property")
    case = world.open_case()
    world.settle()
    draft, adapter = world.draft(case), world.runtime.connections["demo"].adapter
    real = adapter.read_draft
    late = RemoteDecision(
        kind=DecisionKind.EDIT,
        agent=Agent(id="a-9", name="Nina Nine"),
        revision=draft.revision - 1,
        text="On the old one.",
        decided_at=draft.state_since,
    )

    def with_late_decision(ref: Any) -> Any:
        found = real(ref)
        return None if found is None else replace(found, decision=late)

    monkeypatch.setattr(adapter, "read_draft", with_late_decision)
    for _ in range(2):
        world.agent_writes(case, "A note", public=False)
        world.settle()
    assert world.states(case) == ["written"]
    assert world.replies(case) == []
    assert world.decisions(case) == [("edit", "Nina Nine", "crm", True)]
    assert world.view(case).state.kind == "decided_too_late"
    assert world.shown(case)["state"]["kind"] == "decided_too_late"
    assert world.draft(case).working_text == "On the old one."


def test_a_decision_taken_in_the_crm_while_the_customer_wrote_is_not_sent_and_its_text_is_kept(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = playing("property")
    case = world.open_case()
    world.settle()
    world.customer_writes(case, "And my invoice?")
    # A CRM that does not compare what was said with what its agent saw.
    monkeypatch.setattr(Decisions, "_check_live", lambda *_: None)
    assert desk(world, case, "edit", text="About one.")[0] == 200
    world.settle()
    assert world.replies(case) == []
    assert world.states(case) == ["superseded", "written"]
    assert world.draft(case).working_text == "About one."


@pytest.mark.parametrize("named", [False, True], ids=["is late", "is sent when it names the newest message"])
def test_an_edit_of_a_superseded_draft_that_came_before_its_successor(
    playing: Playing, monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    world = playing("property")
    case = world.open_case()
    world.settle()
    newer = world.customer_writes(case, "And my invoice?")
    monkeypatch.setattr(Decisions, "_check_live", lambda *_: None)
    answers = {"answers": newer} if named else {}
    adapter = world.runtime.connections["demo"].adapter
    real, once = adapter.show, [True]

    def decide_first(*arguments: Any) -> None:
        if once:
            once.pop()
            assert desk(world, case, "edit", text="About both.", **answers)[0] == 200
            world.crm.deliver()
        real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "show", decide_first)
        world.settle()
    assert world.replies(case) == (["About both."] if named else [])
    assert world.states(case) == ["superseded", "sent" if named else "written"]
    assert world.decisions(case) == [("edit", ANA.name, "crm", not named)]
    if not named:
        assert "About both." in {draft.working_text for draft in world.drafts(case)}


def test_a_draft_that_was_removed_in_the_crm_is_gone_and_the_next_one_is_written_all_the_same(
    playing: Playing,
) -> None:
    world = playing("property")
    case = world.open_case()
    world.settle()
    record = world.crm.state.records.get("draft", str(world.draft(case).remote_id))
    assert record is not None
    world.crm.state.records.put("draft", record["id"], {**record, "withdrawn": True}, owner=case)
    world.agent_writes(case, "A note", public=False)
    world.settle()
    assert world.states(case) == ["gone"]
    world.customer_writes(case, "Hello?")
    world.settle()
    assert world.states(case) == ["gone", "written"]


# --- notes --------------------------------------------------------------------------------------------------------


def notes(world: World, case: str) -> list[str]:
    return [message["body"] for message in world.shown(case)["messages"] if not message["public"]]


def test_where_notes_cannot_be_taken_away_there_is_one_per_message_of_the_customer(playing: Playing) -> None:
    world = playing("notes")
    case = world.open_case()
    world.settle()
    world.crm.desk.close(case, ANA.name)
    world.settle()
    world.crm.desk.reopen(case, ANA.name)
    world.settle()
    assert len(notes(world, case)) == 1
    newer = world.customer_writes(case, "Hello?")
    world.settle()
    assert len(notes(world, case)) == 2
    assert newer in notes(world, case)[-1]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("{draft}", "sent"),
        ("Dear Carla, {draft} Bye!", "sent_edited"),
        ("I called you about something else entirely, goodbye.", "answered_otherwise"),
    ],
)
def test_where_nobody_decides_the_outcome_is_observed(playing: Playing, text: str, state: str) -> None:
    world = playing("notes")
    case = world.open_case()
    world.settle()
    world.agent_writes(case, text.format(draft=world.draft(case).text))
    world.settle()
    assert world.states(case) == [state]


# --- decided in the CRM, sent by the bridge -----------------------------------------------------------------------


def test_where_the_crm_decides_a_reply_that_could_not_be_sent_is_tried_again_by_the_same_person(
    playing: Playing,
) -> None:
    world = playing("property")
    world.crm.faults.add(FaultRule(operation="send_reply", status=422))
    case = world.open_case()
    world.settle()
    assert desk(world, case, "accept")[0] == 200
    world.settle()
    assert world.shown(case)["state"]["kind"] == "could_not_send"
    assert world.states(case) == ["failed"]
    assert desk(world, case, "accept")[0] == 200
    world.settle()
    assert world.states(case) == ["sent"]
    assert len(world.replies(case)) == 1


def test_where_the_crm_decides_nothing_goes_out_that_nobody_looked_at_the_remarks_of(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = playing("property")
    world.assistant.answer = lambda _context: Proposal(text="Pay at https://evil.example/pay now.", language="en")
    case = world.open_case()
    world.settle()
    assert desk(world, case, "accept")[0] == 422
    # A CRM that does not ask for it: the decision arrives without a word about the remarks.
    monkeypatch.setattr(Decisions, "_check_flags", lambda *_: None)
    assert desk(world, case, "accept")[0] == 200
    world.settle()
    state = world.shown(case)["state"]
    assert (state["kind"], world.replies(case)) == ("could_not_send", [])
    assert "acknowledged" in state["sentence"]
    codes = [flag["code"] for flag in world.shown(case)["draft"]["flags"]]
    assert desk(world, case, "accept", acknowledged=codes)[0] == 200
    world.settle()
    assert len(world.replies(case)) == 1


@pytest.mark.parametrize("heard", ["before", "after"], ids=["before the bridge heard", "after a new draft began"])
def test_where_the_crm_decides_an_edit_that_names_the_newest_message_is_sent(playing: Playing, heard: str) -> None:
    world = playing("property")
    case = world.open_case()
    world.settle()
    revision = world.shown(case)["draft"]["revision"]
    newer = world.customer_writes(case, "And where is my invoice?")
    if heard == "after":
        world.settle()
    said = desk(world, case, "edit", revision=revision, text="Both answers, by hand.", answers=newer)
    assert said[0] == 200, said
    world.settle()
    assert world.replies(case) == ["Both answers, by hand."]
    assert world.states(case)[-1] == "sent"


def test_where_the_crm_decides_an_approval_taken_back_there_is_not_sent(playing: Playing) -> None:
    """Also when the bridge has heard of the approval, and could not say so yet."""
    world = playing("property").with_policy(undo=timedelta(seconds=1))
    case = world.open_case()
    world.settle()
    assert desk(world, case, "accept")[0] == 200
    adapter = world.runtime.connections["demo"].adapter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "show", lambda *_: None)
        world.work()
        assert world.states(case) == ["approved"]
        assert desk(world, case, "undo")[0] == 200
        world.settle()
    assert world.replies(case) == []
    assert world.states(case) == ["written"]


def test_where_the_crm_decides_an_approval_of_nothing_is_no_reply(playing: Playing) -> None:
    world = playing("property")
    case = world.open_case()
    world.settle()
    draft = world.crm.drafts.current(world.crm.state.case(case) or {})
    assert draft is not None
    world.crm.drafts.edit_in_place(draft, " \n")
    assert desk(world, case, "accept")[0] == 200
    world.settle()
    assert world.replies(case) == []
    assert world.view(case).state.kind == "decided_too_late"


def test_the_words_of_an_old_draft_sent_as_an_edit_go_out_also_when_the_new_draft_has_the_same(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = playing("property")
    world.assistant.answer = lambda _context: Proposal(text="The same words.", language="en")
    case = world.open_case()
    world.settle()
    revision = world.shown(case)["draft"]["revision"]
    newer = world.customer_writes(case, "Hello?")
    real, adapter = Drafts.write, world.runtime.connections["demo"].adapter

    def first_the_edit(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(Drafts, "write", real)
        assert desk(world, case, "edit", revision=revision, text="The same words.", answers=newer)[0] == 200
        return real(*arguments, **more)

    monkeypatch.setattr(Drafts, "write", first_the_edit)
    world.settle()
    assert adapter is not None
    assert world.replies(case) == ["The same words."]


# --- a field without states ---------------------------------------------------------------------------------------


def standing(world: World, case: str) -> str | None:
    """The text anybody may copy there now."""
    draft = world.crm.drafts.current(world.crm.state.case(case) or {"draft": None})
    return None if draft is None or draft["withdrawn"] else draft["text"]


@pytest.mark.parametrize("ending", ["close", "answer"])
def test_where_a_draft_cannot_be_marked_as_over_it_is_taken_away(playing: Playing, ending: str) -> None:
    world = playing("field")
    case = world.open_case()
    world.settle()
    assert standing(world, case) == world.draft(case).text
    if ending == "close":
        world.crm.desk.close(case, ANA.name)
    else:
        world.agent_writes(case, "I called you about something else entirely, goodbye.")
    world.settle()
    assert world.states(case) == ["expired" if ending == "close" else "answered_otherwise"]
    assert standing(world, case) is None
    world.crm.desk.reopen(case, ANA.name)
    world.customer_writes(case, "Hello?")
    world.settle()
    assert standing(world, case) == world.draft(case).text


def test_a_draft_that_is_out_of_date_is_taken_away_also_when_no_new_one_comes(playing: Playing) -> None:
    world = playing("field")
    case = world.open_case()
    world.settle()
    world.assistant.answer = lambda _context: Abstention(reason="no_source")
    world.customer_writes(case, "Wait, it is about another thing.")
    world.settle()
    assert world.states(case) == ["superseded", "refused"]
    assert standing(world, case) is None


def test_what_a_person_wrote_over_a_draft_is_not_taken_away_with_it(playing: Playing) -> None:
    world = playing("field")
    case = world.open_case()
    world.settle()
    draft = world.crm.drafts.current(world.crm.state.case(case) or {})
    assert draft is not None
    world.crm.drafts.edit_in_place(draft, "My own words, half finished")
    world.crm.desk.close(case, ANA.name)
    world.settle()
    assert standing(world, case) == "My own words, half finished"
    assert [row.withdrawal for row in world.drafts(case)] == ["kept"]


def test_a_worker_that_dies_after_taking_a_draft_away_does_no_harm(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = playing("field")
    case = world.open_case()
    world.settle()
    adapter = world.runtime.connections[world.name].adapter
    real, calls = adapter.withdraw_draft, []

    def dies(ref: DraftRef, replaces: Fingerprint) -> None:
        real(ref, replaces)
        calls.append(ref)
        if len(calls) == 1:
            raise RuntimeError

    monkeypatch.setattr(adapter, "withdraw_draft", dies)
    world.crm.desk.close(case, ANA.name)
    world.settle()
    world.wake_now(case)
    world.settle()
    assert len(calls) == 2
    assert standing(world, case) is None
    assert [row.withdrawal for row in world.drafts(case)] == ["done"]


# --- foreign refs -------------------------------------------------------------------------------------------------


def test_a_thread_that_is_linked_to_its_case_later_hands_its_events_over_and_ends(playing: Playing) -> None:
    world = playing("foreign")
    case = world.open_case()
    world.work()
    waiting = world.sql(
        "select ref_kind, wake_at > clock_timestamp() as later from work_items order by id desc limit 1"
    )
    assert [(row.ref_kind, row.later) for row in waiting] == [("thread", True)]
    assert world.balance().balances
    world.settle()
    assert world.states(case) == ["written"]
    assert set(world.events(case)) == {("done", "")}


def test_every_profile_that_decides_or_not_is_told_apart_by_capabilities_alone() -> None:
    assert {row.decider for row in PROFILES.values()} == {Decider.BRIDGE, Decider.CRM, None}
