"""The pages over the real embedded CRM: its examples open, a draft is decided, a bridge that is away is explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from crm_bridge_mock.emulator.mockcrm import MockCrm

from .conftest import Complaints

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]


@pytest.fixture(params=["native", "property"])
def crm(request: pytest.FixtureRequest) -> Iterator[MockCrm]:
    """A seeded CRM whose bridge is not there."""
    crm = MockCrm(profile=request.param)
    crm.seed()
    crm.start(webhooks=False)
    yield crm
    crm.stop()


def write_draft(crm: MockCrm, subject: str, text: str) -> str:
    """A draft on the case with this subject, as the bridge writes one; the case's id."""
    case_id = next(str(case["id"]) for case in crm.desk.cases("") if case["subject"] == subject)
    with crm.records.transaction():
        case = crm.state.case(case_id)
        assert case is not None
        seen = [message["id"] for message in crm.state.public_messages(case_id)]
        wanted = {
            "id": "draft-1",
            "revision": 1,
            "answers": seen[-1],
            "made_from": seen,
            "text": text,
            "language": "en",
            "sources": [{"id": "a", "title": "Reset your password", "url": "https://help.example.com/en/reset"}],
            "findings": [],
            "flags": [],
            "addressing": {"channel": "email", "sender": "support@desk.example", "to": ["robin.meadow@example.com"]},
        }
        crm.drafts.write(case, wanted, key="key-1", replaces=None)
    return case_id


def test_every_example_case_opens_without_a_complaint(crm: MockCrm, open_page: OpenPage) -> None:
    page = open_page(crm.base_url + "/desk/")
    links = [str(row.get_attribute("href")) for row in page.locator("a.row").all()]
    assert len(links) >= 14
    for link in links[:: max(1, len(links) // 4)]:
        page.goto(crm.base_url + link)
        expect(page.locator("#thread .bubble").last).to_be_visible()
        expect(page.locator("#state .sentence")).not_to_be_empty()


def test_a_draft_of_the_bridge_is_decided(crm: MockCrm, open_page: OpenPage, complaints: Complaints) -> None:
    case_id = write_draft(crm, "I forgot my password", "Hello Robin, use the link on the sign-in page.")
    page = open_page(f"{crm.base_url}/desk/cases/{case_id}")
    expect(page.locator("#reply-text")).to_have_value("Hello Robin, use the link on the sign-in page.")
    if crm.profile.name == "property":
        with page.expect_response("**/draft/accept") as answered:
            page.get_by_role("button", name="Accept and send").click()
        assert answered.value.ok
        expect(page.locator("#notice")).to_be_empty()
        draft = (crm.desk.case(case_id, "") or {})["draft"]
        assert (draft["status"], draft["decided_by"]) == ("accepted", "Demo Agent")
    else:
        complaints.allowed.append("503")
        page.locator("#reply-text").fill("My own words.")
        page.get_by_role("button", name="Send my edit").click()
        expect(page.locator("#notice")).to_contain_text("cannot be reached")
        expect(page.locator("#reply-text")).to_have_value("My own words.")


def test_an_own_reply_reaches_the_thread(crm: MockCrm, open_page: OpenPage) -> None:
    case_id = next(str(case["id"]) for case in crm.desk.cases("") if case["subject"] == "Charged twice")
    page = open_page(f"{crm.base_url}/desk/cases/{case_id}")
    page.locator("#reply-text").fill("We look into it.")
    page.get_by_role("button", name="Send reply").click()
    expect(page.locator(".bubble.agent")).to_contain_text("We look into it.")
    expect(page.locator("#reply-text")).to_have_value("")
