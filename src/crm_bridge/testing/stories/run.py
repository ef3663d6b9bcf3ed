"""Tell so many stories from a seed, and report the shortest one that breaks a law."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any, TypeGuard

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.stateful import run_state_machine_as_test

from crm_bridge.registry import load_emulator
from crm_bridge.store.database import Store
from crm_bridge.testing.handle import EmulatedCrm
from crm_bridge.testing.stories.machine import StoryBroken, Theatre, machine_for
from crm_bridge.testing.stories.play import Play
from crm_bridge.testing.stories.stage import MakeCrm, build_stage

STEPS = 8


def crm_maker(adapter: str, **options: Any) -> MakeCrm:
    """Makes the emulated CRM of an installed adapter: the handle in the module `handle` beside its emulator."""
    emulator = load_emulator(adapter)
    package = emulator.__module__.rpartition(".")[0]
    module = importlib.import_module(f"{package}.handle")
    build = next(value for value in vars(module).values() if _is_handle(value, module.__name__))
    return lambda connection: build(connection=connection, **options)


def _is_handle(value: object, module: str) -> TypeGuard[Callable[..., EmulatedCrm]]:
    return isinstance(value, type) and value.__module__ == module and hasattr(value, "deliveries")


def tell_stories(
    store: Store,
    make_crm: MakeCrm,
    *,
    stories: int,
    seed: int,
    steps: int = STEPS,
    shrink: bool = True,
    told: Callable[[Play], None] = lambda _play: None,
) -> None:
    """Story n has the seed `seed + n`. Raises `StoryBroken` with the shortest story found and the seed of it."""
    theatre = Theatre(build=partial(build_stage, store, make_crm), told=told)
    try:
        for number in range(seed, seed + stories):
            _tell(theatre, number, steps=steps, shrink=shrink)
    finally:
        theatre.close()


def _tell(theatre: Theatre, seed: int, *, steps: int, shrink: bool) -> None:
    """One story, and if it breaks the shorter ones like it.

    A run of its own for each: within one run Hypothesis plays five variations of every story it makes up, which for
    stories that take a tenth of a second each is a poor use of the time. The first example of a run is always the
    simplest; here that is no story at all.
    """
    settings = hypothesis.settings(
        max_examples=2,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        print_blob=False,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(hypothesis.seed(seed)(machine_for(theatre)), settings=settings)
    except (AssertionError, hypothesis.errors.Flaky):
        shortest = theatre.shortest()
        if shortest is None:
            raise
        raise StoryBroken(f"{shortest.law} (seed {seed})", shortest.story) from None
