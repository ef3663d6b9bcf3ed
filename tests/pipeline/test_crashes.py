"""A worker dies after every commit and every effect of a case's life, so before every next one; another one goes on.

Each case of a story dies at another point; a shared settle carries all of them through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from world import World

from crm_bridge.pipeline.turn import Turn

EFFECTS = ("write_draft", "show", "send_reply", "find_reply", "read_case")
POINTS = 24
POINTS_OF_SENDING = 15
"""More than a story has: the last ones must not be reached."""

MORE = "And something else."


class Crash(BaseException):
    """The process is gone: nothing may catch it."""

    def __init__(self, case: str) -> None:
        super().__init__(case)
        self.case = case


@dataclass(kw_only=True)
class Fate:
    """How many more points each case lives through; those that died are no longer in it."""

    left: dict[str, int] = field(default_factory=dict)

    def point(self, case: str) -> None:
        if case not in self.left:
            return
        if self.left[case] == 0:
            del self.left[case]
            raise Crash(case)
        self.left[case] -= 1


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch) -> Fate:
    made = Fate()
    real = Turn.commit

    def commit(turn: Turn, work: Callable[..., Any]) -> Any:
        result = real(turn, work)
        made.point(turn.ref.id)
        return result

    monkeypatch.setattr(Turn, "commit", commit)
    return made


def deadly(world: World, fate: Fate, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = world.runtime.connections["demo"].adapter
    for name in EFFECTS:
        monkeypatch.setattr(adapter, name, deadly_call(getattr(adapter, name), fate))


def deadly_call(real: Callable[..., Any], fate: Fate) -> Callable[..., Any]:
    def call(about: Any, *more: Any) -> Any:
        case = about.id if hasattr(about, "id") else about.case.id
        result = real(about, *more)
        fate.point(case)
        return result

    return call


def settle(world: World) -> None:
    while True:
        try:
            world.settle()
        except Crash as crash:
            world.wake_now(crash.case)  # its lease has run out
        else:
            return


def settle_unconfirmed(world: World, case: str) -> None:
    """A person looks into the thread and says what happened."""
    if world.draft(case).state == "unconfirmed":
        world.settle_reply(case, sent=bool(world.replies(case)))


def test_wherever_a_worker_dies_from_the_case_to_the_thread_the_reply_goes_out_once(
    playing: Callable[[str], World], fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = playing("native")
    deadly(world, fate, monkeypatch)
    cases = open_cases(world, POINTS)
    fate.left.update({case: number for number, case in enumerate(cases)})
    settle(world)
    assert {tuple(world.states(case)) for case in cases} == {("written",)}
    send_through(world, fate, cases)


def test_wherever_a_worker_dies_while_sending_and_nothing_can_be_found_again_a_person_settles_it(
    playing: Callable[[str], World], fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = playing("no-find")
    cases = open_cases(world, POINTS_OF_SENDING)
    settle(world)
    deadly(world, fate, monkeypatch)
    fate.left.update({case: number for number, case in enumerate(cases)})
    send_through(world, fate, cases)


def open_cases(world: World, count: int) -> list[str]:
    return [world.open_case(subject=f"Matter {number}") for number in range(count)]


def send_through(world: World, fate: Fate, cases: list[str]) -> None:
    for case in cases:
        world.decide(case, "accept")
    settle(world)
    for case in cases:
        settle_unconfirmed(world, case)
    settle(world)
    assert cases[-1] in fate.left, "the story has more points than are tried"
    assert {len(world.replies(case)) for case in cases} == {1}
    assert {tuple(world.states(case)) for case in cases} == {("sent",)}
    assert {event for case in cases for event in world.events(case)} == {("done", "")}
    assert world.balance().balances
    assert {world.shown(case)["state"]["kind"] for case in cases} == {"sent"}


def test_wherever_a_worker_dies_while_the_customer_goes_on_writing_the_newest_draft_stands(
    playing: Callable[[str], World], fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = playing("native")
    cases = [world.open_case(subject=f"Matter {number}") for number in range(15)]
    world.settle()
    deadly(world, fate, monkeypatch)
    for case in cases:
        world.customer_writes(case, MORE)
    fate.left.update({case: number for number, case in enumerate(cases)})
    # Each crash is followed by another message before anybody goes on.
    while True:
        try:
            world.settle()
        except Crash as crash:
            world.customer_writes(crash.case, "Hello?")
            world.crm.deliver()
            world.wake_now(crash.case)
        else:
            break
    assert cases[-1] in fate.left
    for case in cases:
        states = world.states(case)
        assert states[-1] == "written", states
        assert set(states[:-1]) == {"superseded"}
        draft, shown = world.draft(case), world.shown(case)["draft"]
        assert (shown["revision"], shown["status"], shown["text"]) == (draft.revision, "written", draft.text)
        assert world.replies(case) == []
