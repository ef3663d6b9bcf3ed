"""The stories as a Hypothesis state machine: who may do what next, and the laws after every step.

It owns the choices only. One stage serves many stories; after a broken one it is replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from crm_bridge.kit.emulation import FaultRule
from crm_bridge.testing.stories import ending, laws, people, post, worker
from crm_bridge.testing.stories.boundaries import PLACES, Place
from crm_bridge.testing.stories.play import AGENTS, Broken, Play, Ticket
from crm_bridge.testing.stories.stage import Stage

STORIES_PER_STAGE = 25

_any = st.integers(min_value=0, max_value=5)
_agent = st.sampled_from(AGENTS)
_often = st.sampled_from((True, True, True, False))
FAULTS = (
    ("the answer to the next {} is lost on the way", FaultRule(operation="{}", drop_answer_after_effect=True)),
    ("the next {} is answered with 503", FaultRule(operation="{}", status=503, times=3)),
    ("the next {} is answered with 429", FaultRule(operation="{}", status=429, retry_after=2)),
)


class StoryBroken(AssertionError):
    """A story in which a law did not hold. `story` is told in words, one step a line."""

    def __init__(self, law: str, story: tuple[str, ...]) -> None:
        steps = "\n".join(f"  {number:2}. {line}" for number, line in enumerate(story, 1))
        super().__init__(f"{law}\n\nThe story:\n{steps}\n  =>  {law}")
        self.law, self.story = law, story


@dataclass(kw_only=True)
class Theatre:
    """Gives every story a stage, keeps count and remembers what broke."""

    build: Callable[[], Stage]
    told: Callable[[Play], None] = field(default=lambda _play: None)
    stage: Stage | None = None
    stories: int = 0
    broken: list[StoryBroken] = field(default_factory=list)

    def open(self) -> Stage:
        if self.stage is not None and self.stage.stories >= STORIES_PER_STAGE:
            self.close()
        if self.stage is None:
            self.stage = self.build()
        self.stage.stories += 1
        self.stories += 1
        return self.stage

    def close(self) -> None:
        if self.stage is not None:
            self.stage.close()
            self.stage = None

    def shortest(self) -> StoryBroken | None:
        return min(self.broken, key=lambda one: len(one.story), default=None)


def machine_for(theatre: Theatre) -> type[RuleBasedStateMachine]:
    """The state machine on the stages of a theatre."""
    return type("Story", (StoryMachine,), {"theatre": theatre})


class StoryMachine(RuleBasedStateMachine):
    """One story. Every rule is something people, the CRM or the machinery do; what cannot be done now is left out."""

    theatre: Theatre

    def __init__(self) -> None:
        super().__init__()
        self.play = Play(stage=self.theatre.open())
        self.play.stage.watch.before_call = partial(laws.check_call, self.play)

    def teardown(self) -> None:
        interrupted = sys.exc_info()[0] is not None
        if interrupted:
            self.theatre.close()  # whatever it left behind is nobody's business any more
        elif self.play.tickets:
            with self.step():
                ending.finish(self.play)
            self.theatre.told(self.play)

    @contextmanager
    def step(self) -> Iterator[None]:
        """A broken law ends the story in words."""
        before = len(self.play.words)
        try:
            yield
            if len(self.play.words) > before:
                laws.check(self.play)
        except Broken as broken:
            failure = StoryBroken(str(broken), tuple(self.play.words))
            self.theatre.broken.append(failure)
            self.theatre.close()
            raise failure from None

    def about(self, choice: int, act: Callable[..., Any], *arguments: Any, **more: Any) -> None:
        """Somebody does something about one of the cases."""
        with self.step():
            ticket = self.play.ticket(choice)
            if ticket is not None:
                act(self.play, ticket, *arguments, **more)

    # --- customers ------------------------------------------------------------------------------------------------

    @initialize(company=st.integers(min_value=0, max_value=1), drafted=_often)
    def first_case(self, company: int, drafted: bool) -> None:
        """Most stories begin where a draft stands already."""
        with self.step():
            people.open_case(self.play, company)
            if drafted:
                post.deliver_all(self.play)
                worker.works(self.play)

    @rule(company=st.integers(min_value=0, max_value=1))
    def another_case(self, company: int) -> None:
        with self.step():
            people.open_case(self.play, company)

    @rule(case=_any, automatic=st.sampled_from((False, False, False, True)))
    def customer_writes(self, case: int, automatic: bool) -> None:
        self.about(case, people.customer_writes, automatic=automatic)

    # --- agents ---------------------------------------------------------------------------------------------------

    @rule(case=_any, agent=_agent)
    def looks(self, case: int, agent: str) -> None:
        self.about(case, _looks, agent)

    @rule(
        case=_any,
        agent=_agent,
        kind=st.sampled_from(("accept", "accept", "accept", "edit", "edit", "reject", "respond")),
        from_memory=st.booleans(),
        newest=st.booleans(),
    )
    def decides(self, case: int, agent: str, kind: str, from_memory: bool, newest: bool) -> None:
        self.about(case, people.decide_on, agent, kind, from_memory=from_memory, newest=newest)

    @rule(case=_any, agent=_agent)
    def presses_twice(self, case: int, agent: str) -> None:
        self.about(case, people.press_again, agent)

    @rule(case=_any, agent=_agent)
    def takes_back(self, case: int, agent: str) -> None:
        self.about(case, people.take_back, agent)

    @rule(case=_any, agent=_agent, went_out=st.booleans())
    def settles(self, case: int, agent: str, went_out: bool) -> None:
        self.about(case, people.settle_reply, agent, went_out=went_out)

    @rule(case=_any, agent=_agent, ours=st.booleans())
    def answers_natively(self, case: int, agent: str, ours: bool) -> None:
        self.about(case, people.answer_natively, agent, with_our_text=ours)

    @rule(case=_any, agent=_agent)
    def leaves_a_note(self, case: int, agent: str) -> None:
        self.about(case, people.note, agent)

    @rule(case=_any, agent=_agent)
    def types_into_the_draft(self, case: int, agent: str) -> None:
        self.about(case, people.edit_in_place, agent)

    @rule(case=_any)
    def removes_the_draft(self, case: int) -> None:
        self.about(case, people.remove_draft)

    @rule(case=_any, agent=_agent, edited=st.booleans())
    def sends_natively(self, case: int, agent: str, edited: bool) -> None:
        self.about(case, people.send_natively, agent, edited=edited)

    @rule(case=_any, what=st.sampled_from((people.close, people.reopen, people.merge, people.delete)))
    def changes_the_case(self, case: int, what: Callable[[Play, Ticket], None]) -> None:
        self.about(case, what)

    @rule(company=_any)
    def stops(self, company: int) -> None:
        with self.step():
            people.stop(self.play, company)

    @precondition(lambda self: self.play.stopped)
    @rule()
    def resumes(self) -> None:
        with self.step():
            people.resume(self.play)

    # --- webhooks -------------------------------------------------------------------------------------------------

    @rule()
    def all_webhooks_arrive(self) -> None:
        with self.step():
            post.deliver_all(self.play)

    @rule(which=_any, times=st.sampled_from((1, 1, 2)))
    def a_webhook_arrives(self, which: int, times: int) -> None:
        with self.step():
            post.deliver_one(self.play, which, times)

    @rule(which=_any)
    def a_webhook_arrives_again(self, which: int) -> None:
        with self.step():
            post.deliver_again(self.play, which)

    @rule(which=_any)
    def a_webhook_is_lost(self, which: int) -> None:
        with self.step():
            post.lose(self.play, which)

    @rule(which=_any, how=st.sampled_from(post.FORGERIES))
    def a_webhook_is_forged(self, which: int, how: str) -> None:
        with self.step():
            post.forge(self.play, which, how)

    # --- machinery ------------------------------------------------------------------------------------------------

    @rule(deliver=_often)
    def the_worker_works(self, deliver: bool) -> None:
        with self.step():
            if deliver:
                post.deliver_all(self.play)
            worker.works(self.play)

    @rule(deliver=_often, place=st.sampled_from(PLACES))
    def a_worker_dies(self, deliver: bool, place: Place) -> None:
        with self.step():
            if deliver:
                post.deliver_all(self.play)
            worker.works(self.play, place=place)

    @rule(deliver=_often, place=st.sampled_from(PLACES), happens=st.sampled_from(worker.HAPPENS))
    def something_happens_at_work(self, deliver: bool, place: Place, happens: str) -> None:
        with self.step():
            if deliver:
                post.deliver_all(self.play)
            worker.works(self.play, place=place, happens=happens)

    @rule(seconds=st.sampled_from((1, 31, 70)))
    def time_passes(self, seconds: int) -> None:
        with self.step():
            self.play.tell(f"{seconds} seconds pass.")
            self.play.stage.pass_time(timedelta(seconds=seconds))

    @rule()
    def the_bridge_polls(self) -> None:
        with self.step():
            worker.polls(self.play)

    @rule(company=_any, fault=st.sampled_from(FAULTS), operation=st.sampled_from(("send_reply", "write_draft", "*")))
    def the_crm_is_in_trouble(self, company: int, fault: tuple[str, FaultRule], operation: str) -> None:
        with self.step():
            _trouble(self.play, company, fault, operation)

    @rule(mood=st.sampled_from(("abstains", "is in trouble")))
    def the_assistant_fails(self, mood: str) -> None:
        with self.step():
            self.play.tell(f"The next time it is asked the assistant {mood}.")
            self.play.stage.assistant.mood = mood


def _looks(play: Play, ticket: Ticket, agent: str) -> None:
    if people.look(play, ticket, agent) is not None:
        play.tell(f"{agent} looks at {ticket}.")


def _trouble(play: Play, company: int, fault: tuple[str, FaultRule], operation: str) -> None:
    from dataclasses import replace

    sentence, what = fault
    where = play.stage.companies[play.stage.names[company % len(play.stage.names)]]
    play.tell(f"At {where.name} {sentence.format('call' if operation == '*' else operation)}.")
    where.crm.faults.add(replace(what, operation=operation))
