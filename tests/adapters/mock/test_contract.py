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
    crm = MockHandle(profile=request.cls.profile)
    crm.start()
    yield crm
    crm.stop()


class MockContract(AdapterContract):
    """Every rule, for one profile; one CRM serves all of them."""

    profile: ClassVar[str]
    impatient: ClassVar = {"timeout_s": 0.4}
    within_s = 12.0
    rate_limits = ((429, {"Retry-After": "7"}, {"code": "rate_limited"}), (429, {}, {"status": 429}))
    samples = Path(__file__).parent / "samples"
    budget: ClassVar = {"read_case": 1, "write_draft": 1, "send_reply": 1, "changed_since": 1}

    @pytest.fixture
    def crm(self, running: MockHandle) -> EmulatedCrm:
        return running

    @pytest.fixture
    def signer(self, running: MockHandle) -> Signer:
        return running.signer


class TestNative(MockContract):
    profile = "native"


@pytest.mark.kit
class TestProperty(MockContract):
    profile = "property"


@pytest.mark.kit
class TestNotes(MockContract):
    profile = "notes"


@pytest.mark.kit
class TestAgentSends(MockContract):
    profile = "agent-sends"


@pytest.mark.kit
class TestHints(MockContract):
    profile = "hints"


@pytest.mark.kit
class TestNoFind(MockContract):
    profile = "no-find"


@pytest.mark.kit
class TestOneSecond(MockContract):
    profile = "one-second"


@pytest.mark.kit
class TestForeign(MockContract):
    profile = "foreign"


@pytest.mark.kit
class TestTokens(MockContract):
    profile = "tokens"


def test_every_profile_is_put_to_the_contract() -> None:
    assert {one.profile for one in MockContract.__subclasses__()} == set(PROFILES)
