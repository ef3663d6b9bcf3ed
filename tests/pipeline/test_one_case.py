"""The life of one case on the native profile, from the webhook to the thread: what each kind of event changes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from world import ANA, BEN, World

from crm_bridge.contract import Agent


def drafted(world: World, **more: str) -> str:
    """A case whose draft stands in the CRM."""
    case = world.open_case(**more)
    world.settle()
    assert world.states(case) == ["written"]
    return case


def test_a_new_case_gets_a_draft_and_accepting_sends_it_exactly_once(world: World) -> None:
    case = world.open_case()
    world.settle()
    assert world.shown(case)["draft"]["status"] == "written"
    world.decide(case, "accept")
    world.settle()
    assert world.draft(case).state == "sent"
    assert world.thread(case)[1:] == [("agent", "Thank you for writing. This is proposal 1.")]
    assert world.shown(case)["state"]["kind"] == "sent"
    assert world.balance().balances
    assert set(world.events(case)) == {("done", "")}


def test_a_new_word_of_the_customer_supersedes_the_draft_and_gets_one_of_its_own(world: World) -> None:
    case = drafted(world)
    newer = world.customer_writes(case, "It is urgent.")
    world.settle()
    assert world.states(case) == ["superseded", "written"]
    first, second = world.drafts(case)
    assert first.superseded_by == newer
    assert second.answers == newer
    assert second.revision > first.revision
    assert world.shown(case)["draft"]["revision"] == second.revision


def test_that_a_draft_is_out_of_date_is_shown_before_the_next_one_is_asked_for(world: World) -> None:
    case = drafted(world)
    shown: list[str] = []
    world.assistant.before = lambda _context: shown.append(world.shown(case)["state"]["kind"])
    world.customer_writes(case, "It is urgent.")
    world.settle()
    assert shown == ["drafting"]
    assert [draft.state for draft in world.drafts(case)] == ["superseded", "written"]


def test_another_answer_of_an_agent_ends_the_draft_as_answered_otherwise(world: World) -> None:
    case = drafted(world)
    world.agent_writes(case, "Something completely different, about another thing.")
    world.settle()
    assert world.states(case) == ["answered_otherwise"]
    assert world.decisions(case) == []
    assert world.shown(case)["state"]["kind"] == "answered_otherwise"


def test_an_agent_who_sends_the_drafts_text_natively_is_who_decided_it(world: World) -> None:
    case = drafted(world)
    world.agent_writes(case, world.draft(case).text or "")
    world.settle()
    assert world.states(case) == ["sent"]
    assert world.decisions(case) == [("accept", ANA.name, "observed", False)]
    assert world.draft(case).approver_name == ANA.name
    assert len(world.thread(case)) == 2


def test_an_agent_who_sends_the_drafts_text_changed_natively_edited_it(world: World) -> None:
    case = drafted(world)
    world.agent_writes(case, f"Dear Carla, {world.draft(case).text} Bye!")
    world.settle()
    assert world.states(case) == ["sent_edited"]
    assert world.decisions(case) == [("edit", ANA.name, "observed", False)]


def test_an_internal_note_changes_nothing(world: World) -> None:
    case = drafted(world)
    before = world.draft(case)
    world.agent_writes(case, "Careful with this one.", public=False)
    world.settle()
    assert world.drafts(case) == [before]
    assert len(world.assistant.seen) == 1


def test_closing_takes_back_what_nobody_needs_and_reopening_in_a_week_goes_on_with_the_episode(world: World) -> None:
    case = drafted(world)
    world.crm.desk.close(case, ANA.name)
    world.settle()
    assert world.states(case) == ["expired"]
    assert episodes(world, case) == [(False, 0)]
    world.crm.desk.reopen(case, ANA.name)
    world.settle()
    assert world.states(case) == ["expired", "written"]
    assert episodes(world, case) == [(True, 1)]


def test_reopening_after_more_than_a_week_begins_another_episode(world: World) -> None:
    case = drafted(world)
    world.crm.desk.close(case, ANA.name)
    world.settle()
    world.sql_do(
        "update episodes set closed_at = closed_at - interval '8 days'"
        " where case_id = (select id from cases where ref = :ref)",
        ref=case,
    )
    world.customer_writes(case, "It is back.")
    world.settle()
    assert episodes(world, case) == [(False, 0), (True, 0)]


def test_a_case_that_is_closed_when_first_read_has_a_closed_episode(world: World) -> None:
    case = world.open_case()
    world.crm.desk.close(case, ANA.name)
    world.settle()
    assert episodes(world, case) == [(False, 0)]
    assert world.drafts(case) == []


def episodes(world: World, case: str) -> list[tuple[bool, int]]:
    """(still open, how often reopened) of the episodes of a case."""
    found = world.sql(
        "select closed_at is null as running, reopened from episodes"
        " where case_id = (select id from cases where ref = :ref) order by id",
        ref=case,
    )
    return [(row.running, row.reopened) for row in found]


def test_a_merged_case_goes_on_as_the_survivor(world: World) -> None:
    gone, survivor = drafted(world), drafted(world, subject="Another matter")
    world.crm.desk.merge(gone, survivor, ANA.name)
    world.settle()
    assert world.states(gone) == ["merged"]
    assert world.states(survivor)[-1] == "written"
    assert world.balance().balances
    # What is still told about the old one is the survivor's.
    before = len(world.drafts(survivor))
    world.customer_writes(survivor, "And one more thing.")
    world.settle()
    assert len(world.drafts(survivor)) == before + 1
    assert world.sql("select count(*) as n from cases where ref = :ref and alias_of is not null", ref=gone)[0].n == 1


def test_a_deleted_case_takes_its_draft_with_it_and_is_ignored_from_then_on(world: World) -> None:
    case = drafted(world)
    world.crm.desk.delete(case, ANA.name)
    world.settle()
    assert world.states(case) == ["gone"]
    assert world.events(case)[-1] == ("ignored", "not_a_case:gone")
    assert world.sql("select messages_enc from cases where ref = :ref", ref=case)[0].messages_enc is None


@pytest.mark.parametrize("author", ["customer", "agent"])
def test_an_automatic_message_starts_no_draft_and_retires_none(world: World, author: str) -> None:
    case = drafted(world)
    automatic = {"author": author, "body": "I am out of office.", "public": True, "automatic": True}
    assert world.crm.desk.add_message(case, automatic, ANA.name)[0] == 201
    world.settle()
    assert world.states(case) == ["written"]
    assert len(world.assistant.seen) == 1


def test_an_automatic_message_between_reading_and_writing_does_not_keep_the_draft_out(world: World) -> None:
    case = world.open_case()
    automatic = {"author": "customer", "body": "Out of office.", "public": True, "automatic": True}
    world.assistant.before = lambda _context: world.crm.desk.add_message(case, automatic, ANA.name) and None
    world.settle()
    assert world.states(case) == ["written"]


def test_a_case_that_only_bounces_gets_no_draft(world: World) -> None:
    case = world.open_case("Delivery failed.", automatic=True)
    world.settle()
    assert world.drafts(case) == []
    assert set(world.events(case)) == {("done", "")}


def test_our_own_reply_starts_no_draft(world: World) -> None:
    case = drafted(world)
    world.decide(case, "accept")
    world.settle()
    world.reconcile()
    world.settle()
    assert world.states(case) == ["sent"]
    assert len(world.assistant.seen) == 1


def test_the_next_question_after_a_reply_is_answered_by_the_next_draft(world: World) -> None:
    case = drafted(world)
    world.decide(case, "accept")
    world.settle()
    world.customer_writes(case, "Thank you. And where is my invoice?")
    world.settle()
    assert world.states(case) == ["sent", "written"]
    world.decide(case, "accept", agent=BEN)
    world.settle()
    assert len(world.replies(case)) == 2


def test_the_approver_is_recorded_on_the_draft_and_in_the_decision(world: World) -> None:
    case = drafted(world)
    world.decide(case, "accept", agent=Agent(id="agent-7", name="Grace Seven"))
    world.settle()
    assert (world.draft(case).approver_id, world.draft(case).approver_name) == ("agent-7", "Grace Seven")
    assert world.decisions(case) == [("accept", "Grace Seven", "panel", False)]


def test_a_draft_nobody_decides_expires_after_seven_days(world: World) -> None:
    case = drafted(world)
    week = timedelta(days=7)
    world.sql_do("update drafts set created_at = created_at - :week where id = :id", week=week, id=world.draft(case).id)
    world.wake_now(case)
    world.settle()
    assert world.states(case) == ["expired"]
    assert world.shown(case)["state"]["kind"] == "no_draft"


def test_a_case_the_bridge_never_heard_of_is_unknown_to_the_panel(world: World) -> None:
    from crm_bridge.pipeline.panel import UnknownCase

    with pytest.raises(UnknownCase):
        world.view("case_nobody_told_us_of")
