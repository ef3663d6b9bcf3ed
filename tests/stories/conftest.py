"""One database for all stories of a test process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from crm_bridge.store.database import Store
from crm_bridge.testing.stories import open_store


@pytest.fixture(scope="session")
def stories_store(lasting_database: Callable[[], str]) -> Iterator[Store]:
    store = open_store(lasting_database())
    yield store
    store.close()
