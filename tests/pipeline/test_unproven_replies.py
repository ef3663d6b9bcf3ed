"""Replies whose answer was lost: matched, looked for again, or settled by a person. Never two, never none lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from world import ANA, BEN, World

from crm_bridge.contract import Agent, Ambiguous, Found, Permanent, ProvenAbsent, SentRef, Unknown
from crm_bridge.kit.emulation.faults import FaultRule
from crm_bridge.pipeline.decide import DecisionConflict

FIRST = "Thank you for writing. This is proposal 1."
LOST = FaultRule(operation="send_reply", drop_answer_after_effect=True)
NEVER_DONE = FaultRule(operation="send_reply", status=502)


def approved(world: World) -> str:
    """A case whose reply is about to be sent."""
    case = world.open_case()
    world.settle()
    world.decide(case, "accept")
    return case


def test_a_reply_whose_answer_was_lost_is_found_by_its_key_and_sent_once(world: World) -> None:
    world.crm.faults.add(LOST)
    case = approved(world)
    world.settle()
    assert world.states(case) == ["sent"]
    assert world.replies(case) == [FIRST]


def test_a_reply_that_did_not_go_out_is_tried_again_under_the_same_key(world: World) -> None:
    world.crm.faults.add(NEVER_DONE)
    case = approved(world)
    world.settle()
    assert world.states(case) == ["sent"]
    assert world.replies(case) == [FIRST]
    assert world.sql("select count(*) as n from attempts where draft_id = :id", id=world.draft(case).id)[0].n == 1


@pytest.mark.parametrize("fault", [LOST, NEVER_DONE])
@pytest.mark.parametrize("sent", [True, False])
def test_where_nothing_can_be_found_a_person_settles_it(
    playing: Callable[[str], World], fault: FaultRule, sent: bool
) -> None:
    world = playing("no-find")
    world.crm.faults.add(fault)
    case = approved(world)
    world.work()
    assert world.states(case) == ["unconfirmed"]
    assert world.shown(case)["state"]["kind"] == "unconfirmed"
    before = world.replies(case)
    world.settle_reply(case, sent=sent, agent=BEN)
    world.settle()
    assert world.states(case) == ["sent"]
    # Whoever says "send again" although it is in the thread is spared the second one.
    assert world.replies(case) == (before if sent else [FIRST])
    assert world.decisions(case)[-1][:2] == ("settle_sent" if sent else "settle_resend", BEN.name)
    assert world.draft(case).approver_name == (ANA.name if sent else BEN.name)


def test_a_reply_that_cannot_be_found_but_stands_in_the_thread_is_matched_by_its_text(
    playing: Callable[[str], World],
) -> None:
    world = playing("no-find")
    world.crm.faults.add(LOST)
    case = approved(world)
    world.work()
    assert world.states(case) == ["unconfirmed"]
    world.settle()
    assert world.states(case) == ["sent"]
    assert world.replies(case) == [FIRST]


def test_send_again_is_a_new_attempt_with_a_new_key(playing: Callable[[str], World]) -> None:
    world = playing("no-find")
    world.crm.faults.add(NEVER_DONE)
    case = approved(world)
    world.settle()
    world.settle_reply(case, sent=False)
    world.settle()
    keys = world.sql(
        "select key, result from attempts where draft_id = :id order by attempted_at", id=world.draft(case).id
    )
    assert len({row.key for row in keys}) == 2
    assert [row.result for row in keys] == ["given_up", "sent"]


def test_send_again_taken_back_in_time_is_as_uncertain_as_before(playing: Callable[[str], World]) -> None:
    world = playing("no-find").with_policy(undo=timedelta(seconds=60))
    case = world.open_case()
    world.settle()
    world.decide(case, "accept")
    world.sql_do("update drafts set send_after = clock_timestamp()")
    world.crm.faults.add(NEVER_DONE)
    world.wake_now(case)
    world.work()
    first = world.sql("select key from attempts where draft_id = :id", id=world.draft(case).id)[0].key
    world.settle_reply(case, sent=False)
    world.undo(case)
    world.work()
    assert world.states(case) == ["unconfirmed"]
    assert world.replies(case) == []
    world.settle_reply(case, sent=True)
    assert world.states(case) == ["sent"]
    kept = world.sql("select key, result from attempts where draft_id = :id", id=world.draft(case).id)
    assert [(row.key, row.result) for row in kept] == [(first, "settled")]


def test_settling_twice_is_one_settling_and_the_other_way_round_a_conflict(playing: Callable[[str], World]) -> None:
    world = playing("no-find")
    world.crm.faults.add(LOST)
    case = approved(world)
    world.work()
    world.settle_reply(case, sent=True)
    world.settle_reply(case, sent=True)
    with pytest.raises(DecisionConflict):
        world.settle_reply(case, sent=False)
    assert [kind for kind, *_ in world.decisions(case)] == ["accept", "settle_sent"]


def test_an_unconfirmed_reply_that_shows_up_in_the_thread_is_matched_by_reading(
    playing: Callable[[str], World],
) -> None:
    world = playing("property")
    case = world.open_case()
    world.settle()
    adapter: Any = world.runtime.connections["demo"].adapter
    late: list[Any] = []

    def slow(reply: Any, key: str) -> Any:
        late.append((reply, key))
        raise Ambiguous("no answer", code="timeout")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "send_reply", slow)
        world.crm.desk.draft_action(case, "accept", {"revision": world.draft(case).revision}, ANA.name)
        world.settle()
    assert world.states(case) == ["unconfirmed"]
    adapter.send_reply(*late[0])  # it arrives after all
    world.settle()
    assert world.states(case) == ["sent"]
    assert world.replies(case) == [FIRST]


def test_while_a_reply_is_unproven_a_message_of_the_customer_waits_and_is_answered_after_it_is_settled(
    playing: Callable[[str], World],
) -> None:
    world = playing("no-find")
    world.crm.faults.add(NEVER_DONE)
    case = approved(world)
    world.settle()
    newer = world.customer_writes(case, "And my invoice?")
    world.settle()
    assert world.states(case) == ["unconfirmed"]
    assert set(world.events(case)) == {("done", "")}
    world.settle_reply(case, sent=True)
    world.settle()
    assert world.states(case) == ["sent", "written"]
    assert world.draft(case).answers == newer


def test_send_again_after_the_customer_wrote_once_more_sends_nothing_and_keeps_the_text(
    playing: Callable[[str], World],
) -> None:
    world = playing("no-find")
    world.crm.faults.add(NEVER_DONE)
    case = approved(world)
    world.settle()
    world.customer_writes(case, "And my invoice?")
    world.settle()
    world.settle_reply(case, sent=False)
    world.settle()
    assert world.replies(case) == []
    assert world.states(case) == ["superseded", "written"]
    assert world.draft(case).working_text == FIRST


class Answers:
    """What `find_reply` says, in turn; the last one for ever."""

    def __init__(self, *said: Any) -> None:
        self.said = list(said)
        self.asked = 0

    def __call__(self, *_arguments: Any) -> Any:
        self.asked += 1
        answer = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def unproven(world: World, patch: pytest.MonkeyPatch, answers: Answers) -> str:
    adapter = world.runtime.connections["demo"].adapter

    def slow(*_arguments: Any) -> Any:
        raise Ambiguous("no answer", code="timeout")

    patch.setattr(adapter, "send_reply", slow)
    patch.setattr(adapter, "find_reply", answers)
    case = approved(world)
    world.settle()
    return case


def later(world: World, case: str, by: timedelta) -> None:
    world.sql_do(
        "update drafts set state_since = state_since - :by, looked_at = looked_at - :by where id = :id",
        by=by,
        id=world.draft(case).id,
    )
    world.wake_now(case)
    world.settle()


def test_an_unconfirmed_reply_is_looked_for_again_for_ten_minutes_and_then_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(Unknown(reason="not_seen"))
    case = unproven(world, monkeypatch, answers)
    assert answers.asked == 1
    later(world, case, timedelta(seconds=31))
    assert answers.asked == 2
    later(world, case, timedelta(minutes=11))
    later(world, case, timedelta(minutes=1))
    assert answers.asked == 2
    assert world.sql("select wake_at from work_items where ref_id = :r", r=case)[0].wake_at is None


def test_an_unconfirmed_reply_that_is_found_later_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case = unproven(world, monkeypatch, Answers(Unknown(reason="not_seen"), Unknown(reason="not_seen")))
    sent = SentRef(id="msg_late", sent_at=world.draft(case).created_at)
    monkeypatch.setattr(world.runtime.connections["demo"].adapter, "find_reply", Answers(Found(ref=sent)))
    later(world, case, timedelta(seconds=31))
    assert (world.draft(case).state, world.draft(case).sent_id) == ("sent", "msg_late")


def test_a_proof_of_absence_that_comes_late_leaves_it_to_a_person_and_does_not_go_round_in_circles(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(Unknown(reason="not_seen"), ProvenAbsent())
    case = unproven(world, monkeypatch, answers)
    later(world, case, timedelta(seconds=31))
    assert world.states(case) == ["unconfirmed"]
    assert answers.asked == 2


def test_a_search_that_cannot_succeed_is_no_proof(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case = unproven(world, monkeypatch, Answers(Permanent("no", code="forbidden")))
    assert world.states(case) == ["unconfirmed"]
    newer = world.customer_writes(case, "Hello?")
    later(world, case, timedelta(seconds=31))
    assert set(world.events(case)) == {("done", "")}
    assert newer not in world.draft(case).seen


def test_send_again_after_the_case_was_merged_says_where_to_go_on(playing: Callable[[str], World]) -> None:
    world = playing("no-find")
    world.crm.faults.add(NEVER_DONE)
    case = approved(world)
    world.settle()
    survivor = world.open_case(subject="Another matter")
    world.crm.desk.merge(case, survivor, ANA.name)
    world.settle()
    assert world.states(case) == ["unconfirmed"]
    world.settle_reply(case, sent=False)
    world.settle()
    assert world.states(case) == ["merged"]
    assert world.replies(survivor) == []


@pytest.mark.parametrize("agent", [ANA, BEN], ids=["by the same person", "by another"])
def test_a_reply_the_crm_refuses_for_good_could_not_be_sent_and_can_be_tried_again(world: World, agent: Agent) -> None:
    world.crm.faults.add(FaultRule(operation="send_reply", status=422))
    case = approved(world)
    world.settle()
    assert world.shown(case)["state"]["kind"] == "could_not_send"
    assert (world.draft(case).state, world.draft(case).reason) == ("failed", "http_422")
    world.decide(case, "accept", agent=agent)
    world.settle()
    assert world.replies(case) == [FIRST]
    assert world.sql("select count(*) as n from attempts where draft_id = :id", id=world.draft(case).id)[0].n == 2
