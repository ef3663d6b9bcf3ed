"""What a run of the suite is kept as, what the shipped records say, and whether quality answers are true."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from crm_bridge.kit.proof import Proof, Proven, read_proofs, write_proofs
from crm_bridge.kit.quality import QUALITY_RULES, Status
from crm_bridge.testing import rules
from crm_bridge.testing.proof import NOT_DECLARED, NOT_RUN, PASSED, REPLACED, Run, capabilities_shown, unproven
from crm_bridge.testing.quality import _complaint, quality_complaints, shown
from crm_bridge.testing.recording import PROPERTY, Recorder

REFRESH = "make proof"
ABOUT = {"cases": 1, "replaced": False, "measured": {}, "budget": {}}
SMALL = """
import pytest
from crm_bridge.testing import AdapterContract
from crm_bridge_mock.emulator.handle import MockHandle

class TestMine(AdapterContract):
    variant = "native"
    budget = {"read_case": 2}

    @pytest.fixture(scope="class")
    def crm(self):
        crm = MockHandle()
        crm.start()
        yield crm
        crm.stop()

    @pytest.fixture
    def signer(self, crm):
        return crm.signer

    def test_secrets_rotate(self):
        pass
"""


def ran(**outcomes: str) -> Run:
    """A run of the whole suite: every rule passed, but for these."""
    run = Run()
    for rule in rules():
        run.add(f"{rule}[0]", rule, outcomes.get(rule, PASSED), ABOUT)
    return run


def test_the_proof_of_the_mock_is_whole_and_current() -> None:
    assert unproven("mock") == [], f"refresh it: {REFRESH}"


def test_what_the_mock_says_of_its_quality_is_true() -> None:
    assert quality_complaints("mock") == []


def test_a_run_in_which_every_rule_holds_proves_every_capability() -> None:
    proof = ran().proof("code")
    assert all(one.is_whole for one in proof.capabilities.values())
    assert set(proof.capabilities) == {name for proven in rules().values() for name in proven}


@pytest.mark.parametrize("outcome", ["failed", "not written yet", "not played by the emulator", "skipped"])
def test_a_rule_that_was_owed_and_did_not_hold_stands_in_the_way(outcome: str) -> None:
    proof = ran(test_secrets_rotate=outcome).proof("code")
    assert proof.capabilities["delivery_auth"].standing_in_the_way == {"test_secrets_rotate": outcome}
    assert not proof.capabilities["delivery_auth"].is_whole
    assert proof.capabilities["targets"].is_whole


def test_a_rule_that_asks_nothing_of_this_adapter_does_not_count() -> None:
    proof = ran(test_secrets_rotate=NOT_DECLARED).proof("code")
    assert proof.capabilities["delivery_auth"].is_whole
    assert proof.not_declared == ("test_secrets_rotate",)


def test_the_worst_case_of_a_rule_and_the_worst_phase_of_a_case_count() -> None:
    run = ran()
    run.add("test_secrets_rotate[0]", "test_secrets_rotate", "failed", ABOUT)
    run.add("test_secrets_rotate[0]", "test_secrets_rotate", PASSED, ABOUT)
    assert run.outcomes()["test_secrets_rotate"] == "failed"


def test_a_rule_of_which_cases_are_missing_was_not_run_and_one_of_the_author_s_own_is_none() -> None:
    run = ran()
    run.add("x", "test_secrets_rotate", PASSED, {**ABOUT, "cases": 3})
    assert run.outcomes()["test_secrets_rotate"] == NOT_RUN
    run.add("x", "test_secrets_rotate", PASSED, {**ABOUT, "replaced": True})
    assert run.outcomes()["test_secrets_rotate"] == REPLACED


def test_calls_are_kept_beside_the_budget_the_most_of_all_runs() -> None:
    run = ran()
    for count in (2, 1):
        about = {**ABOUT, "measured": {"read_case": count}, "budget": {"read_case": 3}}
        run.add("x", "test_a_case_is_read_whole", PASSED, about)
    calls = run.proof("code").calls["read_case"]
    assert (calls.measured, calls.budget) == (2, 3)


def test_capabilities_without_a_rule_that_held_are_not_whole() -> None:
    assert not capabilities_shown({"a": NOT_DECLARED}, {"a": ("sends",)})["sends"].is_whole


def test_a_part_of_the_suite_is_not_kept_and_the_author_s_own_test_is_no_rule(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(SMALL)
    chosen = [
        f"test_mine.py::TestMine::{name}" for name in ("test_reading_stays_within_its_budget", "test_secrets_rotate")
    ]
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "crm_bridge.testing.recording"]
    command = [sys.executable, "-m", "pytest", *options, "--record-proof", "--proof-folder", str(tmp_path), *chosen]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "mock native: not kept" in done.stdout
    assert not (tmp_path / "proof.json").exists()


def told(recorder: Recorder, rule: str, outcome: str, *, reason: str = "") -> None:
    """The report of one rule of the mock's native variant, as pytest makes it."""
    about = {**ABOUT, "adapter": "mock", "variant": "native", "rule": rule}
    longrepr = ("suite.py", 1, f"Skipped: {reason}") if outcome == "skipped" else None
    recorder.pytest_runtest_logreport(
        pytest.TestReport(
            nodeid=f"test_mine.py::TestMine::{rule}[a::b]", location=("test_mine.py", 1, rule), keywords={},
            outcome=outcome, longrepr=longrepr, when="call", user_properties=[(PROPERTY, about)],  # type: ignore[arg-type]
        )
    )  # fmt: skip


def test_a_whole_run_is_kept_and_other_variants_stay(tmp_path: Path) -> None:
    other = ran().proof("older")
    write_proofs(tmp_path / "proof.json", "mock", {"notes": other})
    recorder = Recorder(str(tmp_path))
    reasons = {"test_a_hint_is_only_a_ref": "not declared: hints", "test_an_unknown_kind_is_kept": "no sample"}
    for rule in rules():
        told(recorder, rule, "skipped" if rule in reasons else "passed", reason=reasons.get(rule, ""))
    recorder.pytest_sessionfinish()
    kept = read_proofs(tmp_path / "proof.json")
    assert kept["notes"] == other
    assert kept["native"].capabilities["always"].standing_in_the_way == {"test_an_unknown_kind_is_kept": "skipped"}
    assert kept["native"].capabilities["delivery_auth"].is_whole
    assert kept["native"].not_declared == ("test_a_hint_is_only_a_ref",)


# --- quality ------------------------------------------------------------------------------------------------------


def of_native(**outcomes: str) -> list[Proof]:
    return [ran(**outcomes).proof("code")]


def rule(name: str):  # type: ignore[no-untyped-def]  # QualityRule
    return next(one for one in QUALITY_RULES if one.name == name)


def test_done_without_proof_and_todo_in_spite_of_it_are_wrong() -> None:
    rotation = rule("secret-rotation")
    broken = of_native(test_secrets_rotate="failed")
    assert "no record shows it" in _complaint(rotation, Status.DONE, shown(rotation, broken, []))
    assert "so it is done" in _complaint(rotation, Status.TODO, shown(rotation, of_native(), []))
    assert not _complaint(rotation, Status.DONE, shown(rotation, of_native(), []))
    assert not _complaint(rotation, Status.TODO, shown(rotation, broken, []))


def test_a_rule_broken_in_one_variant_is_not_done() -> None:
    rotation = rule("secret-rotation")
    assert not shown(rotation, [*of_native(), *of_native(test_secrets_rotate="failed")], [])


def test_a_rule_that_applies_in_one_variant_only_is_shown_there() -> None:
    rotation = rule("secret-rotation")
    assert shown(rotation, [*of_native(), *of_native(test_secrets_rotate=NOT_DECLARED)], [])
    assert not shown(rotation, of_native(test_secrets_rotate=NOT_DECLARED), [])


def test_what_no_record_can_show_is_the_author_s_word() -> None:
    page = rule("docs-page")
    for status in Status:
        assert not _complaint(page, status, shown(page, [], []))


def test_a_live_record_is_asked_for() -> None:
    live = rule("live-proof")
    record = Proof(code="x", suite="0.1.0", capabilities={"always": Proven(rules=1)})
    assert shown(live, [], [record])
    assert not shown(live, of_native(), [])


def test_the_shipped_record_holds_no_date_so_that_it_only_changes_with_what_it_says() -> None:
    from crm_bridge.registry import adapter_folder

    folder = adapter_folder("mock")
    assert folder is not None
    document = json.loads((folder / "proof.json").read_text())
    assert not [variant for variant in document["variants"].values() if "at" in variant]
