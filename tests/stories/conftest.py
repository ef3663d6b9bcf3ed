"""One database for all stories of a test process, and no logs: a failure is the story, in words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from crm_bridge.store.database import Store
from crm_bridge.testing.stories import open_store


@pytest.fixture(scope="session")
def stories_store(lasting_database: Callable[[], str]) -> Iterator[Store]:
    store = open_store(lasting_database())
    yield store
    store.close()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Hundreds of stories log tens of thousands of lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with caplog.at_level(logging.CRITICAL):
        yield
    structlog.configure(**before)
