"""A pytest plugin that keeps what a run proved: `pytest -p crm_bridge.testing.recording --record-proof …`.

It owns hooks and what is said at the end; the judgement is `proof.py`. Works under pytest-xdist: whoever runs a test
tells what it was about in the report, and the process that sees all reports writes the record.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from crm_bridge.kit.proof import PROOF_FILE, Proof, code_digest, read_proofs, write_proofs
from crm_bridge.testing.base import NOT_DECLARED as SKIPPED_NOT_DECLARED
from crm_bridge.testing.base import NOT_PLAYED as SKIPPED_NOT_PLAYED
from crm_bridge.testing.base import ContractBase
from crm_bridge.testing.contract import AdapterContract
from crm_bridge.testing.proof import NOT_DECLARED, NOT_RUN, PASSED, Run, folder_for

PROPERTY = "crm_bridge_rule"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("crm_bridge", "proofs of adapters")
    group.addoption("--record-proof", action="store_true", help="keep what this run of the contract suite proved")
    group.addoption("--proof-folder", metavar="DIR", help="keep it there instead of in the adapter's package")


def pytest_configure(config: pytest.Config) -> None:
    """Listen to reports, in the process that sees all of them."""
    if config.getoption("record_proof") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config.getoption("proof_folder")), "crm-bridge-recorder")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say in the report which rule of which adapter it is about."""
    report = yield
    owner = getattr(item, "cls", None)
    if item.config.getoption("record_proof") and inspect.isclass(owner) and issubclass(owner, ContractBase):
        report.user_properties.append((PROPERTY, _about(item, owner)))
    return report


class Recorder:
    """Collects outcomes by test class; writes what whole runs showed."""

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None
        self._runs: dict[str, Run] = {}
        self._names: dict[str, tuple[str, str]] = {}
        self._said: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test."""
        about = dict(report.user_properties).get(PROPERTY)
        if not isinstance(about, Mapping) or not hasattr(AdapterContract, about["rule"]):
            return
        key = _class_of(report.nodeid)
        if about["adapter"]:
            self._names[key] = (about["adapter"], about["variant"])
        outcome = _outcome(report)
        if outcome:
            self._runs.setdefault(key, Run()).add(report.nodeid, about["rule"], outcome, about)

    def pytest_sessionfinish(self) -> None:
        """Write the records of the adapters that were run as a whole."""
        found: dict[str, dict[str, Run]] = {}
        for key, run in self._runs.items():
            adapter, variant = self._names.get(key, ("", ""))
            found.setdefault(adapter, {})[variant] = run
        for adapter, runs in sorted(found.items()):
            self._keep(adapter, runs)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was kept and what was not."""
        terminalreporter.section("proofs")
        for line in self._said or ["no class of the contract suite was run"]:
            terminalreporter.line(line)

    def _keep(self, adapter: str, runs: Mapping[str, Run]) -> None:
        code = folder_for(adapter)
        folder = self._folder or code
        if code is None or folder is None:
            self._said.append(f"{adapter or 'an adapter that never started'}: not installed as a package, so not kept")
            return
        made: dict[str, Proof] = {}
        for variant, run in sorted(runs.items()):
            missing = [rule for rule, outcome in run.outcomes().items() if outcome == NOT_RUN]
            if missing:
                self._said.append(f"{adapter} {variant}: not kept, {len(missing)} rules were not run ({missing[0]}, …)")
            else:
                made[variant] = run.proof(code_digest(code))
                self._said.append(f"{adapter} {variant}: {_summary(run)}")
        if made:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / PROOF_FILE
            write_proofs(file, adapter, dict(sorted({**read_proofs(file), **made}.items())))
            self._said.append(f"written: {file}")


def _about(item: pytest.Item, owner: type[ContractBase]) -> dict[str, Any]:
    """What the record needs of one test, as plain values."""
    funcargs = getattr(item, "funcargs", None) or {}
    crm, stage = funcargs.get("crm"), funcargs.get("stage")
    rule = str(getattr(item, "originalname", item.name))
    function = getattr(owner, rule)
    return {
        "adapter": str(crm.adapter) if crm is not None else "",
        "variant": owner.variant,
        "rule": rule,
        "cases": _cases(function),
        "replaced": inspect.unwrap(function) is not getattr(AdapterContract, rule, None),
        "measured": dict(stage.measured) if stage is not None else {},
        "budget": dict(owner.budget),
    }


def _cases(rule: Any) -> int:
    """How many tests pytest makes of a rule."""
    count = 1
    for mark in getattr(rule, "pytestmark", ()):
        if mark.name == "parametrize":
            count *= len(mark.args[1])
    return count


def _class_of(nodeid: str) -> str:
    """Without the test and its parameters, which may hold `::` themselves."""
    return nodeid.partition("[")[0].rpartition("::")[0]


def _outcome(report: pytest.TestReport) -> str:
    """What a phase came to; "" when it says nothing yet."""
    if report.failed:
        return "failed"
    if report.skipped:
        return "not written yet" if hasattr(report, "wasxfail") else _of_skip(report)
    return PASSED if report.when == "call" else ""


def _of_skip(report: pytest.TestReport) -> str:
    reason = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    known = {SKIPPED_NOT_DECLARED: NOT_DECLARED, SKIPPED_NOT_PLAYED: "not played by the emulator"}
    return next((outcome for begin, outcome in known.items() if reason.startswith(begin)), "skipped")


def _summary(run: Run) -> str:
    counts: dict[str, int] = {}
    for outcome in run.outcomes().values():
        counts[outcome] = counts.get(outcome, 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
