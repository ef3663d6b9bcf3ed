"""Worlds for the pipeline's tests: one per profile is shared by all tests of a worker, each with cases of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from world import World, make_world

from crm_bridge.store.database import Store, connect
from crm_bridge.store.encryption import Cipher, new_key


@pytest.fixture
def worlds(store: Store) -> Iterator[Callable[..., World]]:
    """Make worlds that nobody else uses, for tests that pause connections or count everything."""
    made: list[World] = []

    def make(**wanted: Any) -> World:
        made.append(make_world(store, **wanted))
        return made[-1]

    yield make
    for world in made:
        _stop(world)


@pytest.fixture(scope="session")
def shared_worlds(lasting_database: Callable[[], str]) -> Iterator[Callable[[str], World]]:
    made: dict[str, World] = {}

    def get(profile: str) -> World:
        if profile not in made:
            store = Store(engine=connect(lasting_database(), pool_size=16), cipher=Cipher([new_key()]))
            made[profile] = make_world(store, profiles={"demo": profile})
        return made[profile]

    yield get
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_stop, made.values()))
    for world in made.values():
        world.runtime.close()


@pytest.fixture
def playing(shared_worlds: Callable[[str], World]) -> Iterator[Callable[[str], World]]:
    """The shared world of a profile, at rest before and after."""
    used: list[World] = []

    def get(profile: str) -> World:
        used.append(shared_worlds(profile))
        return used[-1]

    yield get
    for world in used:
        world.tidy()


@pytest.fixture
def world(playing: Callable[[str], World]) -> World:
    return playing("native")


def _stop(world: World) -> None:
    for crm in world.crms.values():
        crm.stop()
