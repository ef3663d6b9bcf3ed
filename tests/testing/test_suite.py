"""The contract suite as a thing of its own: what it needs, what it names, and how a rule waits to be met."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_bridge.contract import Adapter, Capabilities, Delivery, Retry
from crm_bridge.kit.services import in_memory_services
from crm_bridge.testing import AdapterContract, EmulatedCrm, Signer, rules
from crm_bridge.testing.samples import read_samples
from crm_bridge.testing.wire import FaultyWire
from crm_bridge_mock.adapter import build
from crm_bridge_mock.emulator.handle import MockHandle

WITHOUT_PYTEST = """
import sys
sys.modules["pytest"] = None
import crm_bridge.testing
"""
NOT_YET = """
import pytest
from crm_bridge.testing import AdapterContract
from crm_bridge_mock.emulator.handle import MockHandle

pytestmark = pytest.mark.kit

class TestMine(AdapterContract):
    not_yet = {
        "test_a_case_is_read_whole": "read_case: map subject and messages",
        "test_a_case_resolves_to_itself": "resolve: look the case up",
    }

    @pytest.fixture
    def crm(self, request):
        if "read_whole" in request.node.name:
            raise NotImplementedError
        crm = MockHandle()
        crm.start()
        yield crm
        crm.stop()

    @pytest.fixture
    def signer(self, crm):
        return crm.signer
"""


@pytest.fixture
def crm() -> Iterator[MockHandle]:
    handle = MockHandle()
    handle.start()
    yield handle
    handle.stop()


def test_without_pytest_one_sentence_names_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_PYTEST], capture_output=True, text=True, check=False)
    assert done.stderr.strip().splitlines()[-1].startswith("ImportError: crm_bridge.testing needs pytest")
    assert "crm-bridge[testing]" in done.stderr


def test_every_rule_says_what_it_proves() -> None:
    known = {*Capabilities.__dataclass_fields__, "always"}
    unmarked = [name for name, proven in rules().items() if not proven or not set(proven) <= known]
    assert unmarked == []


def test_every_capability_is_proven_by_some_rule() -> None:
    proven = {capability for named in rules().values() for capability in named}
    assert proven >= set(Capabilities.__dataclass_fields__)


def test_a_rule_that_waits_to_be_met_has_to_be_one() -> None:
    with pytest.raises(TypeError, match="test_no_such_rule"):
        type("TestMine", (AdapterContract,), {"not_yet": {"test_no_such_rule": "?"}})


def test_a_waiting_rule_is_an_expected_failure_and_must_be_unmarked_once_met(tmp_path: Path) -> None:
    file = tmp_path / "test_mine.py"
    file.write_text(NOT_YET)
    chosen = [f"{file}::TestMine::{name}" for name in ("test_a_case_is_read_whole", "test_a_case_resolves_to_itself")]
    command = [sys.executable, "-m", "pytest", "-q", "-rxX", "-p", "no:cacheprovider", "-p", "no:randomly", *chosen]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "1 failed, 1 xfailed" in done.stdout, done.stdout
    assert "map subject and messages" in done.stdout
    assert "XPASS(strict)" in done.stdout


def test_the_mock_s_handle_and_signer_are_what_the_suite_asks_for(crm: MockHandle) -> None:
    assert isinstance(crm, EmulatedCrm)
    assert isinstance(crm.signer, Signer)


def test_held_webhooks_are_handed_out_once(crm: MockHandle) -> None:
    case = crm.open_case("Password", "Help!")
    (told,) = crm.deliveries()
    assert isinstance(told, Delivery)
    assert crm.deliveries() == []
    crm.customer_writes(case, "Hello?")
    assert len(crm.deliveries()) == 1


def test_half_a_sample_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "body").write_bytes(b"[]")
    with pytest.raises(ValueError, match=r"headers\.json"):
        list(read_samples(tmp_path))
    assert list(read_samples(tmp_path / "nowhere")) == []


def test_a_faulty_wire_strikes_the_request_it_is_told_to(crm: MockHandle) -> None:

    wire = FaultyWire(crm.base_url)
    adapter: Adapter = build({**crm.config, "base_url": wire.base_url}, in_memory_services())
    case = crm.open_case("Password", "Help!")
    wire.strike(lambda struck: struck.send(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), at=1)
    adapter.read_case(case)
    with pytest.raises(Retry):
        adapter.read_case(case)
    adapter.read_case(case)
    assert (wire.requests, wire.struck) == (3, 1)
    adapter.close()
    wire.stop()
