"""The embedded CRM's adapter holds the whole contract, in every profile it can play."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from crm_bridge.testing import AdapterContract, EmulatedCrm, Signer
from crm_bridge_mock.emulator.handle import MockHandle
from crm_bridge_mock.profiles import PROFILES


@pytest.fixture(scope="class")
def running(request: pytest.FixtureRequest) -> Iterator[MockHandle]:
    crm = MockHandle(profile=request.cls.variant)
    crm.start()
    yield crm
    crm.stop()


class MockContract(AdapterContract):
    """Every rule, for one profile; one CRM serves all of them."""

    impatient: ClassVar = {"timeout_s": 0.4}
    within_s = 12.0
    rate_limits = ((429, {"Retry-After": "7"}, {"code": "rate_limited"}), (429, {}, {"status": 429}))
    daily_limits = ((429, {"Retry-After": "40000"}, {"code": "daily"}),)
    samples = Path(__file__).parent / "samples"
    budget: ClassVar = {"read_case": 1, "write_draft": 1, "send_reply": 1, "changed_since": 1}

    @pytest.fixture
    def crm(self, running: MockHandle) -> EmulatedCrm:
        return running

    @pytest.fixture
    def signer(self, running: MockHandle) -> Signer:
        return running.signer


class TestNative(MockContract):
    variant = "native"


@pytest.mark.kit
class TestProperty(MockContract):
    variant = "property"


@pytest.mark.kit
class TestNotes(MockContract):
    variant = "notes"


@pytest.mark.kit
class TestField(MockContract):
    variant = "field"


@pytest.mark.kit
class TestAgentSends(MockContract):
    variant = "agent-sends"


@pytest.mark.kit
class TestHints(MockContract):
    variant = "hints"


@pytest.mark.kit
class TestNoFind(MockContract):
    variant = "no-find"


@pytest.mark.kit
class TestOneSecond(MockContract):
    variant = "one-second"


@pytest.mark.kit
class TestForeign(MockContract):
    variant = "foreign"


@pytest.mark.kit
class TestTokens(MockContract):
    variant = "tokens"


@pytest.mark.kit
class TestMarked(MockContract):
    variant = "marked"


def test_every_profile_is_put_to_the_contract() -> None:
    assert {one.variant for one in MockContract.__subclasses__()} == set(PROFILES)
