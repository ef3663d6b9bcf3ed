"""The Salesforce adapter holds the whole contract: with the package in the org, and with case comments only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from crm_bridge.testing import AdapterContract, EmulatedCrm, Signer
from crm_bridge_salesforce.capabilities import DECLARED
from crm_bridge_salesforce.emulator.handle import SalesforceCrm

LIMIT = "TotalRequests Limit exceeded."
CONCURRENT = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."


@pytest.fixture(scope="class")
def running(request: pytest.FixtureRequest) -> Iterator[SalesforceCrm]:
    crm = SalesforceCrm()
    crm.start()
    yield crm
    crm.stop()


class SalesforceContract(AdapterContract):
    """Every rule, for one variant; one org serves all of them."""

    impatient: ClassVar = {"timeout_s": 0.4}
    within_s = 12.0
    rate_limits = (
        (403, {}, {"message": LIMIT, "errorCode": "REQUEST_LIMIT_EXCEEDED"}),
        (403, {}, {"message": CONCURRENT, "errorCode": "REQUEST_LIMIT_EXCEEDED"}),
        (429, {"Retry-After": "7"}, {"message": LIMIT}),
        (503, {}, {"message": "busy", "errorCode": "SERVER_UNAVAILABLE"}),
    )
    daily_limits = ((403, {}, {"message": LIMIT, "errorCode": "REQUEST_LIMIT_EXCEEDED"}),)
    samples = Path(__file__).parent / "samples"
    budget: ClassVar = {"read_case": 1, "write_draft": 1, "changed_since": 1}

    @pytest.fixture
    def crm(self, running: SalesforceCrm) -> Iterator[EmulatedCrm]:
        yield running
        # Field-level security is the org's: what a rule hid would be hidden from the next one.
        running.org.schema.show_all(running.clock.now())

    @pytest.fixture
    def signer(self, running: SalesforceCrm) -> Signer:
        return running.signer


class TestApp(SalesforceContract):
    variant = "app"


@pytest.mark.kit
class TestComments(SalesforceContract):
    variant = "comments"
    settings: ClassVar = {"target": "comment"}
    budget: ClassVar = {"read_case": 1, "write_draft": 2, "changed_since": 1}


def test_every_variant_is_put_to_the_contract() -> None:
    assert {one.variant for one in SalesforceContract.__subclasses__()} == set(DECLARED)
