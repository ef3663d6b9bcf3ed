"""Two supervisors on one data directory would share a database that the first to stop takes down."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_bridge.cli.place import held
from crm_bridge.contract import InvalidConfig


def test_a_second_supervisor_on_the_same_directory_is_refused_in_words(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(InvalidConfig, match=r"runs on .* already"), held(tmp_path):
        pass


def test_the_directory_is_free_again_when_its_supervisor_has_ended(tmp_path: Path) -> None:
    with held(tmp_path):
        pass
    with held(tmp_path):
        pass
