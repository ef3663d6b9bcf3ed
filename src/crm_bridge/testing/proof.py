"""From outcomes of rules to a proof: which capabilities a run of the whole suite showed, and what stands in the way.

It owns that judgement and no hook of pytest (`recording.py`). A rule that the adapter's declaration asks nothing of
does not count; one that failed, waits, could not be played or was not run leaves its capabilities unproven.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crm_bridge import __version__
from crm_bridge.contract import InvalidConfig
from crm_bridge.kit.matrix import State, matrix_rows
from crm_bridge.kit.proof import PROOF_FILE, Calls, Proof, Proven, UnusableRecord, code_digest, read_proofs
from crm_bridge.registry import adapter_folder, declared_capabilities
from crm_bridge.testing.contract import rules

DIGEST_CHARS = 16
NOT_DECLARED, PASSED = "not declared", "passed"
NOT_RUN, REPLACED = "not run", "replaced by the adapter's own test"
_WORST_FIRST = ("failed", "not written yet", "not played by the emulator", "skipped", PASSED, NOT_DECLARED)
"""What a rule came to when its cases came to different ends."""


@dataclass(kw_only=True)
class Run:
    """What became of each case of each rule for one variant of an adapter."""

    cases: dict[str, dict[str, str]] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    measured: dict[str, int] = field(default_factory=dict)
    budget: dict[str, int] = field(default_factory=dict)

    def add(self, case: str, rule: str, outcome: str, about: Mapping[str, Any]) -> None:
        """One phase of one case; the worst one stays."""
        known = self.cases.setdefault(rule, {})
        known[case] = min(outcome, known.get(case, outcome), key=_WORST_FIRST.index)
        self.expected[rule] = int(about["cases"])
        if about["replaced"]:
            self.replaced.add(rule)
        self.budget.update(about["budget"])
        for operation, calls in about["measured"].items():
            self.measured[operation] = max(calls, self.measured.get(operation, 0))

    def outcomes(self) -> dict[str, str]:
        """Every rule of the suite, and what it came to."""
        return {rule: self._outcome(rule) for rule in rules()}

    def _outcome(self, rule: str) -> str:
        cases = self.cases.get(rule, {})
        if rule in self.replaced:
            return REPLACED
        if len(cases) < self.expected.get(rule, 1):
            return NOT_RUN
        return min(cases.values(), key=_WORST_FIRST.index)

    def proof(self, code: str) -> Proof:
        """What it shows of an adapter whose code has this digest."""
        outcomes = self.outcomes()
        return Proof(
            code=code,
            suite=__version__,
            rules=rules_digest(),
            capabilities=capabilities_shown(outcomes, rules()),
            not_declared=tuple(rule for rule, outcome in outcomes.items() if outcome == NOT_DECLARED),
            calls={
                name: Calls(measured=calls, budget=self.budget.get(name, 0)) for name, calls in self.measured.items()
            },
        )


def capabilities_shown(outcomes: Mapping[str, str], proves: Mapping[str, Sequence[str]]) -> dict[str, Proven]:
    """Capability -> what the rules that name it came to."""
    held: dict[str, int] = {}
    in_the_way: dict[str, dict[str, str]] = {}
    for rule, outcome in outcomes.items():
        for capability in proves[rule]:
            held.setdefault(capability, 0)
            if outcome == PASSED:
                held[capability] += 1
            elif outcome != NOT_DECLARED:
                in_the_way.setdefault(capability, {})[rule] = outcome
    return {
        name: Proven(rules=count, standing_in_the_way=in_the_way.get(name, {})) for name, count in sorted(held.items())
    }


def rules_digest() -> str:
    """Another one as soon as a rule comes, goes, is named anew or proves something else."""
    lines = [f"{name} {' '.join(proven)}\n" for name, proven in sorted(rules().items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:DIGEST_CHARS]


def rules_held(proof: Proof) -> frozenset[str]:
    """The rules that a proof of today's suite shows to hold."""
    in_the_way = {rule for one in proof.capabilities.values() for rule in one.standing_in_the_way}
    return frozenset(rules()) - frozenset(proof.not_declared) - in_the_way


def unproven(adapter: str) -> list[str]:
    """What is wrong with the proof an installed adapter ships, one sentence each; nothing when it is whole and current.

    Raises `InvalidConfig` for an adapter that is not installed.
    """
    folder = adapter_folder(adapter)
    if folder is None:
        raise InvalidConfig("adapter", f"expected {adapter} to be a package, which can ship a proof")
    try:
        proofs = read_proofs(folder / PROOF_FILE)
    except UnusableRecord as error:
        return [str(error)]
    declared = declared_capabilities(adapter)
    wrong = [f"{variant}: no proof" for variant in declared if variant not in proofs]
    for variant, has in declared.items():
        if variant in proofs:
            found = matrix_rows(has, code=code_digest(folder), emulator=proofs[variant])
            wrong += [f"{variant}: {one.capability}: {one.why}" for one in found if one.state is State.UNPROVEN]
            wrong += [] if proofs[variant].rules == rules_digest() else [f"{variant}: the suite has other rules by now"]
    return wrong


def folder_for(adapter: str) -> Path | None:
    """Where its proof is kept; None for one that is not installed as a package."""
    try:
        return adapter_folder(adapter)
    except InvalidConfig:
        return None
