"""The life of one case on the native profile, from the webhook to the thread."""

from __future__ import annotations

from world import World


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
