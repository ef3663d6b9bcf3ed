"""Records of proofs and what follows from them: proven, unproven with its reason, or absent."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import Capabilities, SendMarker, Sends
from crm_bridge.kit.matrix import DECLARED, OTHER_VERSION, State, matrix_rows
from crm_bridge.kit.proof import Calls, Proof, Proven, UnusableRecord, code_digest, proof_of, read_proofs, write_proofs
from crm_bridge_mock.profiles import PROFILES

NATIVE = PROFILES["native"].capabilities
WHOLE = {name: Proven(rules=3) for name in DECLARED}
AT = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def proof(code: str = "now", **more: object) -> Proof:
    return replace(Proof(code=code, suite="0.1.0", capabilities=WHOLE), **more)  # type: ignore[arg-type]


def state(has: Capabilities, name: str, **records: Proof | None) -> tuple[State, str]:
    found = next(one for one in matrix_rows(has, code="now", **records) if one.capability == name)
    return found.state, found.sentence


def test_every_capability_has_its_standing() -> None:
    names = [one.capability for one in matrix_rows(NATIVE, code="now")]
    assert set(names) == {"always", *Capabilities.__dataclass_fields__}


def test_what_is_declared_and_was_proven_stands_proven() -> None:
    assert state(NATIVE, "sends", emulator=proof()) == (State.PROVEN_ON_EMULATOR, "proven on the emulator")


def test_a_live_proof_says_when_and_of_which_api() -> None:
    live = proof(at=AT, api_version="66.0")
    assert state(NATIVE, "sends", live=live) == (State.PROVEN_LIVE, "proven live (2026-01-31, API 66.0)")
    both = state(NATIVE, "sends", emulator=proof(), live=live)
    assert both == (State.PROVEN_LIVE, "proven on the emulator and live (2026-01-31, API 66.0)")


def test_a_proof_of_other_code_proves_nothing() -> None:
    for records in ({"emulator": proof("older")}, {"live": proof("older", at=AT)}):
        found, sentence = state(NATIVE, "sends", **records)
        assert found is State.UNPROVEN
        assert sentence == f"declared but unproven ({OTHER_VERSION})"


def test_what_is_not_declared_is_absent_whatever_was_proven() -> None:
    silent = replace(NATIVE, sends=Sends.NOBODY, send_marker=SendMarker.NONE, panel=False)
    for name in ("sends", "send_marker", "panel"):
        assert state(silent, name, emulator=proof())[0] is State.ABSENT


def test_what_stands_in_the_way_is_named() -> None:
    broken = proof(capabilities={**WHOLE, "sends": Proven(rules=7, standing_in_the_way={"test_b": "failed"})})
    assert state(NATIVE, "sends", emulator=broken)[1] == "declared but unproven (test_b: failed)"
    assert state(NATIVE, "targets", emulator=broken)[0] is State.PROVEN_ON_EMULATOR


def test_without_a_rule_that_held_nothing_is_proven() -> None:
    empty = proof(capabilities={**WHOLE, "sends": Proven(rules=0)})
    assert state(NATIVE, "sends", emulator=empty)[0] is State.UNPROVEN
    assert state(NATIVE, "sends", emulator=None)[0] is State.UNPROVEN


def test_records_come_back_as_they_were_kept(tmp_path: Path) -> None:
    kept = proof(
        rules="abc",
        not_declared=("test_a",),
        calls={"read_case": Calls(measured=1, budget=2)},
        at=AT,
        api_version="66.0",
        capabilities={"sends": Proven(rules=1, standing_in_the_way={"test_b": "failed"})},
    )
    write_proofs(tmp_path / "proof.json", "mine", {"default": kept})
    assert read_proofs(tmp_path / "proof.json") == {"default": kept}
    assert read_proofs(tmp_path / "nothing.json") == {}


_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_NAMES = st.sampled_from(["code", "suite", "capabilities", "calls", "at", "rules", "not_declared", "x"])
_TREES = st.recursive(_SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(_NAMES, one, max_size=5))


@given(_TREES)
def test_no_document_breaks_reading(document: object) -> None:
    with suppress(UnusableRecord):
        assert isinstance(proof_of(document), Proof)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"variants": []}', b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_record_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "proof.json").write_bytes(content)
    with pytest.raises(UnusableRecord, match=r"proof\.json"):
        read_proofs(tmp_path / "proof.json")


def test_the_digest_is_of_the_code_and_of_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "adapter.py").write_text("one = 1\n")
    before = code_digest(tmp_path)
    for unrelated in ("proof.json", "quality.toml", "live.json", "emulator/app.py", "crm_app/app.js", "a.pyc"):
        (tmp_path / unrelated).parent.mkdir(exist_ok=True)
        (tmp_path / unrelated).write_text("anything")
    assert code_digest(tmp_path) == before
    (tmp_path / "adapter.py").write_bytes(b"one = 1\r\n")
    assert code_digest(tmp_path) == before
    (tmp_path / "mapping.py").write_text("")
    added = code_digest(tmp_path)
    assert added != before
    (tmp_path / "mapping.py").rename(tmp_path / "other.py")
    assert code_digest(tmp_path) not in (added, before)
