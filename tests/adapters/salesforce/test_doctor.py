"""What an admin is told: each thing that is wrong by its own line, with what to do, and never a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from salesforce_tables import APEX_SECRET, PATH_TOKEN, table

from crm_bridge.contract import MAY_WRITE, Diagnosis
from crm_bridge_salesforce.adapter import SalesforceAdapter
from crm_bridge_salesforce.emulator.handle import SalesforceCrm

Connect = Callable[..., SalesforceAdapter]


@pytest.fixture(scope="module")
def bare() -> Iterator[SalesforceCrm]:
    """An org without the package."""
    crm = SalesforceCrm(installed=False)
    crm.start()
    yield crm
    crm.stop()


def lines(connect: Connect, crm: SalesforceCrm, **changes: Any) -> dict[str, Diagnosis]:
    adapter = connect({**crm.config, **changes}, clock=crm.clock)
    found = list(adapter.diagnose())
    assert len({one.check for one in found}) == len(found)
    assert all(one.action for one in found if one.status != "ok"), "what is wrong comes with what to do"
    return {one.check: one for one in found}


def test_a_whole_org_is_fine(connect: Connect, org: SalesforceCrm) -> None:
    found = lines(connect, org)
    assert {one.status for one in found.values()} == {"ok"}
    assert {"credentials", "api_version", "permissions", "limits", "app", "app_version", MAY_WRITE} <= set(found)


def test_looking_writes_nothing(connect: Connect, org: SalesforceCrm) -> None:
    with org.calls.during() as calls:
        lines(connect, org)
    assert sum(calls.values()) <= 12
    before = [dict(one) for one in org.org.store.all_of("Case")]
    lines(connect, org)
    assert [dict(one) for one in org.org.store.all_of("Case")] == before


@pytest.mark.parametrize(("target", "status"), [("auto", "warning"), ("record", "failed")])
def test_a_missing_package_is_said(connect: Connect, bare: SalesforceCrm, target: str, status: str) -> None:
    found = lines(connect, bare, target=target)
    assert found["app"].status == status
    assert "crm_app" in found["app"].action


def test_comments_need_no_package(connect: Connect, bare: SalesforceCrm) -> None:
    found = lines(connect, bare, target="comment")
    assert "app" not in found
    assert {one.status for one in found.values()} == {"ok"}


def test_a_wrong_secret_ends_the_looking(connect: Connect, org: SalesforceCrm) -> None:
    found = lines(connect, org, client_secret="another secret of theirs")
    assert list(found) == ["credentials"]
    assert found["credentials"].status == "failed"
    assert "another secret of theirs" not in str(found)


def test_another_org_is_named_as_such(connect: Connect, org: SalesforceCrm) -> None:
    found = lines(connect, org, organization_id="00DOther0000001MAA")
    assert "organization_id" in found["credentials"].action


def test_an_api_version_the_org_does_not_speak_is_said(connect: Connect, org: SalesforceCrm) -> None:
    assert lines(connect, org, api_version="199.0")["api_version"].status == "failed"


def test_a_hidden_field_is_named(connect: Connect, org: SalesforceCrm) -> None:
    org.org.schema.hide("Contact", "Email", org.clock.now())
    found = lines(connect, org)
    org.org.schema.show_all(org.clock.now())
    assert found["permissions"].status == "warning"
    assert "Contact.Email" in found["permissions"].detail


def test_an_org_that_is_near_its_limit_is_told_so(connect: Connect) -> None:
    crm = SalesforceCrm(requests_a_day=10)
    crm.start()
    try:
        found = lines(connect, crm, max_daily_share=0.1)
        assert found["limits"].status == "warning"
    finally:
        crm.stop()


def test_an_org_nobody_can_reach_is_said(connect: Connect) -> None:
    (only,) = connect(table(timeout_s=1.0)).diagnose()
    assert (only.check, only.status) == ("credentials", "failed")
    assert not any(secret in str(only) for secret in (APEX_SECRET, PATH_TOKEN, "a client secret"))


def test_what_the_org_needs_is_a_persons_job(connect: Connect, org: SalesforceCrm, bare: SalesforceCrm) -> None:
    whole = {one.name: one.status for one in connect(org.config, clock=org.clock).provision(plan=True)}
    missing = {one.name: one.status for one in connect(bare.config, clock=bare.clock).provision(plan=True)}
    assert (whole["app"], missing["app"]) == ("present", "manual")
    assert whole["outbound_messages"] == "manual"
