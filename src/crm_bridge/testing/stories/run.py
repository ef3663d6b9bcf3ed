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

STEPS = 12


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
    """Raises `StoryBroken` with the shortest story found and the seed that finds it again."""
    theatre = Theatre(build=partial(build_stage, store, make_crm), told=told)
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    machine = hypothesis.seed(seed)(machine_for(theatre))
    settings = hypothesis.settings(
        max_examples=stories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=phases,
        print_blob=False,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine, settings=settings)
    except (AssertionError, hypothesis.errors.Flaky):
        shortest = theatre.shortest()
        if shortest is None:
            raise
        raise StoryBroken(f"{shortest.law} (seed {seed})", shortest.story) from None
    finally:
        theatre.close()
