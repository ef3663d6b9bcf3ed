"""One demo for all scenarios of a test process; every test works on cases of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from installation import Place
from processes import Demo


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """A running `crm-bridge demo` under a path with spaces, idle with its example cases answered."""
    place = Place()
    running = Demo(place)
    try:
        running.start()
        running.wait_until_idle()
        yield running
    finally:
        running.close()
        place.remove()


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder for an installation of the test's own."""
    made = Place()
    try:
        yield made
    finally:
        made.remove()
