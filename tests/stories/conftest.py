"""Stories for the tests: which profiles are told in which module, one database a process, and no logs.

Tests of a module run in one process; so the profiles are spread over several modules. A failure is the story, in words.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator

import pytest
import structlog

from crm_bridge.registry import declared_capabilities
from crm_bridge.store.database import Store
from crm_bridge.testing.stories import crm_maker, open_store, tell_stories
from crm_bridge.testing.stories.crew import collecting_less

STORIES = int(os.environ.get("STORIES", "220"))
SEED = int(os.environ.get("STORIES_SEED", "1"))
PROFILES = sorted(declared_capabilities("mock"))
PARTS = 3


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The module's share of the profiles."""
    part = getattr(metafunc.module, "PART", None)
    if part is not None and "profile" in metafunc.fixturenames:
        metafunc.parametrize("profile", PROFILES[part::PARTS])


@pytest.fixture(scope="session")
def stories_store(lasting_database: Callable[[], str]) -> Iterator[Store]:
    store = open_store(lasting_database())
    yield store
    store.close()


@pytest.fixture
def tell(stories_store: Store) -> Callable[[str], None]:
    """Tell a profile's share of the stories, each with a seed of its own."""
    share = max(1, -(-STORIES // len(PROFILES)))

    def all_of(profile: str) -> None:
        seed = SEED + share * PROFILES.index(profile)
        with collecting_less():
            tell_stories(stories_store, crm_maker("mock", profile=profile), stories=share, seed=seed)

    return all_of


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Hundreds of stories log tens of thousands of lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with caplog.at_level(logging.CRITICAL):
        yield
    structlog.configure(**before)
