"""How far an adapter is, said at the end of a test run: rules that hold, that are left to write, that nobody promised.

A pytest plugin: `addopts = "-p crm_bridge.testing.progress"`. It counts what the reports say and decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from crm_bridge.contract import Adapter
from crm_bridge.testing.base import NOT_DECLARED
from crm_bridge.testing.contract import rules

FAILED, LEFT, HOLDS, NOT_PLAYED, NOT_PROMISED = "failed", "left", "hold", "not played", "not promised"
_KINDS = {"failed": FAILED, "error": FAILED, "xfailed": LEFT, "passed": HOLDS, "skipped": NOT_PLAYED}
_SAID = (HOLDS, LEFT, NOT_PROMISED, NOT_PLAYED, FAILED)
_METHODS = [name for name in vars(Adapter) if not name.startswith("_")]
XPASS = "[XPASS(strict)]"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Nothing in a run without rules."""
    reasons: dict[str, dict[str, str]] = {word: {} for word in (FAILED, LEFT, HOLDS, NOT_PLAYED, NOT_PROMISED)}
    for rule, word, why in _reported(terminalreporter.stats):
        reasons[word][rule] = why
    became: dict[str, str] = {}
    for word, named in reasons.items():  # the worst of a rule's tests first
        for rule in named:
            became.setdefault(rule, word)
    if not became:
        return
    counts = Counter(became.values())
    said = ", ".join(f"{counts[word]} {word}" for word in _SAID if counts[word])
    terminalreporter.section(f"the contract: of {len(became)} rules {said}")
    if left := [why for rule, why in reasons[LEFT].items() if became[rule] == LEFT]:
        terminalreporter.write_line(f"left to write: {_by_method(left)}")
    for rule in (rule for rule, why in reasons[FAILED].items() if why.startswith(XPASS)):
        terminalreporter.write_line(f"it holds, take it off not_yet: {rule}")


def _reported(stats: Mapping[str, Iterable[Any]]) -> Iterator[tuple[str, str, str]]:
    """(rule, what became of it, why) for every test of a rule."""
    known = rules()
    for kind, word in _KINDS.items():
        for report in stats.get(kind, ()):
            rule = report.nodeid.partition("[")[0].rpartition("::")[2]
            if rule in known:
                why = _why(report)
                yield rule, NOT_PROMISED if kind == "skipped" and why.startswith(NOT_DECLARED) else word, why


def _why(report: pytest.TestReport) -> str:
    """The reason of a skip or of an expected failure, or how it failed; "" where nobody says."""
    longrepr: Any = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
    why = getattr(report, "wasxfail", longrepr if isinstance(longrepr, str) else "")
    return str(why).removeprefix("reason: ").removeprefix("Skipped: ")


def _by_method(reasons: Iterable[str]) -> str:
    """`read_case 12, resolve 3`: by what stands before the colon of a reason, in the contract's order."""
    counts = Counter(reason.partition(":")[0] for reason in reasons)
    order = {name: position for position, name in enumerate(_METHODS)}
    named = sorted(counts, key=lambda name: (order.get(name, len(order)), name))
    return ", ".join(f"{name} {counts[name]}" for name in named)
