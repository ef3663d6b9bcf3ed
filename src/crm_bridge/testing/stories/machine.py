"""The stories as a Hypothesis state machine: who may do what next, and the laws after every step.

It owns the choices only. One stage serves many stories; after a broken one it is replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from crm_bridge.testing.stories import ending, laws, people, post, steps, worker
from crm_bridge.testing.stories.boundaries import Place
from crm_bridge.testing.stories.play import AGENTS, Broken, Play
from crm_bridge.testing.stories.stage import Stage

STORIES_PER_STAGE = 40
NO_STORY, WITH_A_DRAFT, WITH_A_CASE = "not at all", "with a draft", "with a case"
BEGINS = (NO_STORY, *[WITH_A_DRAFT] * 15, *[WITH_A_CASE] * 4)


class StoryBroken(AssertionError):
    """A story in which a law did not hold. `story` is told in words, one step a line; `seed` tells it again."""

    def __init__(self, law: str, story: tuple[str, ...], seed: int | None = None) -> None:
        lines = "\n".join(f"  {number:2}. {line}" for number, line in enumerate(story, 1))
        named = "" if seed is None else f" (seed {seed})"
        super().__init__(f"{law}{named}\n\nThe story:\n{lines}\n  =>  {law}")
        self.law, self.story, self.seed = law, story, seed


@dataclass(kw_only=True)
class Theatre:
    """Gives every story a stage, keeps count and remembers what broke. `shorter`: so many are tried once one broke."""

    build: Callable[[], Stage]
    shorter: int = 0
    told: Callable[[Play], None] = field(default=lambda _play: None)
    stage: Stage | None = None
    stories: int = 0
    broken: list[StoryBroken] = field(default_factory=list)
    since_broken: int = 0

    @property
    def enough(self) -> bool:
        """Whether it has been tried often enough to tell the broken story shorter."""
        return self.since_broken > self.shorter

    def open(self) -> Stage:
        if self.stage is not None and self.stage.stories >= STORIES_PER_STAGE:
            self.close()
        if self.stage is None:
            self.stage = self.build()
        self.stage.stories += 1
        self.stories += 1
        self.since_broken += bool(self.broken)
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
            return
        if self.play.tickets:
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

    @initialize(begins=st.sampled_from(BEGINS), company=st.booleans())
    def first_case(self, begins: str, company: bool) -> None:
        """Most stories begin where a draft stands already."""
        if begins == NO_STORY or self.theatre.enough:
            return
        with self.step():
            people.open_case(self.play, int(company))
            if begins == WITH_A_DRAFT:
                post.deliver_all(self.play)
                worker.works(self.play)

    @rule(
        what=st.sampled_from(steps.WEIGHTED),
        number=st.integers(min_value=0, max_value=5),
        agent=st.sampled_from(AGENTS),
        flag=st.booleans(),
        other=st.booleans(),
        then=st.sampled_from(steps.THEN),
        place=st.one_of(st.sampled_from(steps.LIKELY), st.integers(min_value=0, max_value=steps.MOST_PLACES)),
        happens=st.sampled_from(worker.HAPPENS),
    )
    def next_step(
        self, what: str, number: int, agent: str, flag: bool, other: bool, then: str, place: Place | int, happens: str
    ) -> None:
        """Something happens, and often the webhooks it causes arrive and a worker hears of it."""
        if not self.play.tickets:
            return
        choice = steps.Choice(number=number, agent=agent, flag=flag, other=other)
        with self.step():
            steps.STEPS[what](self.play, choice)
        with self.step():
            steps.go_on(self.play, then, place, happens)
