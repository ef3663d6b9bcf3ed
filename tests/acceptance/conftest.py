"""Acceptance runs: minutes long, with a stopwatch, for a quiet machine. `python -m pytest -s tests/acceptance`.

They are left out of every run that does not name them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from installation import Place


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked_for = any("acceptance" in str(argument) for argument in config.args)
    return None if asked_for else True


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder for an installation of the run's own."""
    made = Place()
    try:
        yield made
    finally:
        made.remove()
