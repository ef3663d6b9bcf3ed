"""The contract suite catches what it promises to catch: one fault, one rule that fails, and none without the fault.

All broken adapters run in one pytest of its own; the tests here look at what became of each rule there.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.kit

HERE = Path(__file__).parent
FILE = HERE / "broken_adapters.py"
AT_LEAST = 15


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("broken_adapters", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_ALL = {one.__name__: one for one in _module().Broken.__subclasses__()}
BROKEN = {name: one for name, one in _ALL.items() if one.caught_by}
UNBROKEN = {one.profile: name for name, one in _ALL.items() if not one.caught_by}
RULES = sorted({(one.profile, one.caught_by) for one in BROKEN.values()})


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], list[str]]:
    """(class, rule) -> the outcome of each of its cases; one run, whichever worker needs it first."""
    shared = (
        tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else tmp_path_factory.mktemp("run")
    )
    report = shared / "broken-adapters.xml"
    with (shared / "broken-adapters.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not report.exists():
            _run(report)
    return _read(report)


def _run(report: Path) -> None:
    chosen = [f"{FILE}::{name}::{one.caught_by}" for name, one in BROKEN.items()]
    chosen += [f"{FILE}::{UNBROKEN[profile]}::{rule}" for profile, rule in RULES]
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={report}"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *chosen],
        cwd=HERE.parents[1], env=environ, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-3000:]


def _read(report: Path) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        name = (case.get("classname") or "").rpartition(".")[2]
        outcome = next((part.tag for part in case if part.tag in ("failure", "error", "skipped")), "passed")
        rule = case.get("name") or ""
        for known in {rule, rule.partition("[")[0]}:
            found.setdefault((name, known), []).append(outcome)
    return found


def test_there_are_enough_broken_adapters() -> None:
    assert len(BROKEN) >= AT_LEAST


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_adapter_is_caught_by_its_rule(name: str, outcomes: Mapping[tuple[str, str], list[str]]) -> None:
    found = outcomes[name, BROKEN[name].caught_by]
    assert "failure" in found
    assert "error" not in found


@pytest.mark.parametrize(("profile", "rule"), RULES)
def test_the_same_rule_holds_without_the_fault(
    profile: str, rule: str, outcomes: Mapping[tuple[str, str], list[str]]
) -> None:
    assert set(outcomes[UNBROKEN[profile], rule]) == {"passed"}
