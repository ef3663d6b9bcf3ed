"""Worlds for the pipeline's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from world import World, make_world

from crm_bridge.store.database import Store


@pytest.fixture
def worlds(store: Store) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**wanted: Any) -> World:
        made.append(make_world(store, **wanted))
        return made[-1]

    yield make
    for world in made:
        for crm in world.crms.values():
            crm.stop()


@pytest.fixture
def world(worlds: Callable[..., World]) -> World:
    return worlds()
