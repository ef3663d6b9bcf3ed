"""Tell so many stories from a seed, and report the shortest one that breaks a law."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

STEPS, SHORTER = 8, 100
_MEMORY = "/dev/shm"  # noqa: S108 - the system's own folder in memory; what is made in it has random names


def crm_maker(adapter: str, **options: Any) -> MakeCrm:
    """Makes the emulated CRM of an installed adapter: the handle in the module `handle` beside its emulator."""
    emulator = load_emulator(adapter)
    package = emulator.__module__.rpartition(".")[0]
    module = importlib.import_module(f"{package}.handle")
    build = next(value for value in vars(module).values() if _is_handle(value, module.__name__))

    def make(connection: str) -> EmulatedCrm:
        with _files_in_memory():
            return build(connection=connection, **options)

    return make


@contextmanager
def _files_in_memory() -> Iterator[None]:
    """Temporary files are made where a flush costs nothing: an emulated CRM flushes with every change."""
    before = tempfile.tempdir
    if os.access(_MEMORY, os.W_OK):
        tempfile.tempdir = _MEMORY
    try:
        yield
    finally:
        tempfile.tempdir = before


def _is_handle(value: object, module: str) -> TypeGuard[Callable[..., EmulatedCrm]]:
    return isinstance(value, type) and value.__module__ == module and hasattr(value, "deliveries")


def tell_stories(
    store: Store,
    make_crm: MakeCrm,
    *,
    stories: int,
    seed: int,
    steps: int = STEPS,
    shorter: int = SHORTER,
    told: Callable[[Play], None] = lambda _play: None,
) -> None:
    """Story n has the seed `seed + n`; once one breaks, `shorter` ones like it are tried.

    Raises `StoryBroken` with the shortest story found and its seed.
    """
    theatre = Theatre(build=partial(build_stage, store, make_crm), told=told, shorter=shorter)
    try:
        for number in range(seed, seed + stories):
            _tell(theatre, number, steps=steps)
    finally:
        theatre.close()


def _tell(theatre: Theatre, seed: int, *, steps: int) -> None:
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
        phases=[Phase.generate, Phase.shrink] if theatre.shorter else [Phase.generate],
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
        raise StoryBroken(shortest.law, shortest.story, seed) from None
