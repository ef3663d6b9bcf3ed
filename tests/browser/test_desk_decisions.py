"""What an agent does two hundred times a day, by mouse and by keyboard, and what is said when it cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from crm_bridge.contract import StateKind

from .conftest import Complaints, Served, hears_nothing_more
from .fake_desk import TEXT, FakeDesk

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]
BLOCKING = {"code": "amount_unfounded", "severity": "blocking", "detail": "In no source.", "excerpt": "EUR 49.90"}


def test_accept_by_mouse_sends_the_draft_and_undo_takes_it_back(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    expect(page.get_by_role("button", name="Send my edit")).to_be_disabled()
    page.get_by_role("button", name="Accept and send").click()
    expect(page.get_by_role("button", name="Undo")).to_contain_text(" s)")
    assert served.desk.last("accept") == {"revision": 1, "agent": "Demo Agent"}
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Accept and send")).to_be_enabled()
    assert served.desk.count("undo") == 1


def test_accept_undo_reject_and_try_again_work_by_keyboard_alone(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    page.keyboard.press("a")
    expect(page.locator("#undo")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator("#accept")).to_be_visible()
    page.keyboard.press("t")
    page.keyboard.type("Shorter, please.")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("being drafted")
    assert served.desk.last("respond")["comment"] == "Shorter, please."
    served.desk.move(case_id, StateKind.READY)
    expect(page.locator("#accept")).to_be_visible()
    page.keyboard.press("r")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("The price is old.")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("rejected")
    rejected = served.desk.last("reject")
    assert (rejected["reason"], rejected["comment"], rejected["revision"]) == ("stale_data", "The price is old.", 2)


def test_an_edit_is_sent_as_an_edit_and_an_unchanged_text_as_an_accept(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    page.keyboard.press("e")
    page.keyboard.press("Control+End")
    page.keyboard.type(" a r j")
    expect(page.get_by_role("button", name="Accept and send")).to_be_disabled()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#undo")).to_be_visible()
    assert served.desk.last("edit") == {"revision": 1, "text": TEXT + " a r j", "agent": "Demo Agent"}
    assert served.desk.count("accept") == 0
    served.desk.draft(case_id, "Another one.")
    served.desk.move(case_id, StateKind.READY)
    expect(page.locator("#reply-text")).to_have_value("Another one.")
    page.locator("#reply-text").press("Control+Enter")
    expect(page.locator("#undo")).to_be_visible()
    assert served.desk.count("accept") == 1


def test_an_edit_that_was_undone_stands_in_the_composer_again(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    page.locator("#reply-text").fill("My edit.")
    page.get_by_role("button", name="Send my edit").click()
    expect(page.locator("#undo")).to_be_visible()
    served.desk.rewrite(case_id, TEXT)
    page.locator("#undo").click()
    expect(page.locator("#reply-text")).to_have_value("My edit.")
    expect(page.get_by_role("button", name="Send my edit")).to_be_enabled()
    expect(page.get_by_role("button", name="Bring my earlier text back")).to_be_hidden()
    expect(page.locator("#notice")).to_be_empty()
    page.reload()
    expect(page.locator("#reply-text")).to_have_value("My edit.")


def test_an_accepted_draft_that_was_undone_is_the_draft_again(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.case(served.desk.put(StateKind.READY)))
    page.get_by_role("button", name="Accept and send").click()
    page.locator("#undo").click()
    expect(page.locator("#reply-text")).to_have_value(TEXT)
    expect(page.get_by_role("button", name="Accept and send")).to_be_enabled()


def test_an_edit_that_a_customer_overtook_stands_again_under_what_is_new(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    page.locator("#reply-text").fill("My edit.")
    page.get_by_role("button", name="Send my edit").click()
    expect(page.locator("#undo")).to_be_visible()
    newest = served.desk.supersede(case_id, "Wait!")
    expect(page.locator("#reply-text")).to_have_value("My edit.")
    served.desk.draft(case_id, "The new draft.")
    served.desk.move(case_id, StateKind.READY)
    expect(page.locator("#notice")).to_contain_text("A new draft is ready.")
    expect(page.locator("#reply-text")).to_have_value("My edit.")
    page.get_by_role("button", name="Send my text anyway").click()
    expect(page.locator("#undo")).to_be_visible()
    assert (served.desk.last("edit")["text"], served.desk.last("edit")["answers"]) == ("My edit.", newest)


def test_a_blocking_flag_has_to_be_acknowledged_by_name(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.case(served.desk.put(StateKind.READY, flags=[BLOCKING])))
    page.get_by_role("button", name="Accept and send").click()
    assert served.desk.count("accept") == 0
    page.get_by_label("I have looked at: amount unfounded").check()
    page.get_by_role("button", name="Accept and send").click()
    expect(page.locator("#undo")).to_be_visible()
    assert served.desk.last("accept")["acknowledged"] == ["amount_unfounded"]


@pytest.mark.parametrize(("button", "sent"), [("It went out", True), ("Send again", False)])
def test_an_unconfirmed_reply_is_settled_by_a_person(
    served: Served, open_page: OpenPage, button: str, sent: bool
) -> None:
    page = open_page(served.case(served.desk.put(StateKind.UNCONFIRMED)))
    page.get_by_role("button", name=button).click()
    expect(page.locator("#state")).not_to_contain_text("not certain")
    assert served.desk.last("resolve")["sent"] is sent


def test_a_failed_reply_can_be_tried_again(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.case(served.desk.put(StateKind.COULD_NOT_SEND)))
    page.get_by_role("button", name="Try sending again").click()
    expect(page.locator("#undo")).to_be_visible()
    assert served.desk.count("accept") == 1


def test_a_handed_over_text_is_sent_by_the_agent(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.case(served.desk.put(StateKind.HANDED_OVER)))
    page.get_by_role("button", name="Send mail").click()
    expect(page.locator("#thread")).to_contain_text("you can reset your password")
    assert served.desk.last("send")["text"] == TEXT


def test_undo_disappears_when_its_time_is_over(serve: Callable[[FakeDesk], str], open_page: OpenPage) -> None:
    desk = FakeDesk(undo=timedelta(seconds=1))
    page = open_page(serve(desk) + "/desk/cases/" + desk.put(StateKind.READY))
    page.get_by_role("button", name="Accept and send").click()
    expect(page.locator("#sending-text")).to_be_visible()
    expect(page.locator("#undo")).to_be_hidden()


def test_a_decision_somebody_else_took_first_is_explained_and_my_text_stays(
    served: Served, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.allowed.append("409")
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    page.locator("#reply-text").fill("My own words.")
    hears_nothing_more(page)
    served.desk.draft(case_id, "A newer draft.")
    page.get_by_role("button", name="Send my edit").click()
    notice = page.locator("#notice")
    expect(notice).to_contain_text("Ben Ortiz")
    expect(notice).to_contain_text("Your text is kept.")
    expect(page.locator("#reply-text")).to_have_value("My own words.")


def test_own_replies_and_internal_notes_can_be_written(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.case(served.desk.put(StateKind.NO_DRAFT, reason="no_source")))
    page.locator("#reply-text").fill("Ask the warehouse first.")
    page.get_by_role("button", name="Add internal note").click()
    expect(page.locator(".bubble.note")).to_contain_text("Ask the warehouse first.")
    expect(page.locator("#reply-text")).to_have_value("")
    page.locator("#reply-text").fill("It fits.")
    page.get_by_role("button", name="Send reply").click()
    expect(page.locator(".bubble.agent")).to_contain_text("It fits.")
    assert served.desk.last("message") == {"author": "agent", "body": "It fits.", "public": True}


def test_the_demo_can_be_played_as_the_customer(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.url + "/desk/")
    page.get_by_role("link", name="New case").click()
    expect(page.get_by_text("You are playing the customer")).to_be_visible()
    page.get_by_label("Subject").fill("Where is my parcel?")
    page.get_by_label("Message").fill("It did not arrive.")
    page.get_by_role("button", name="Send as the customer").click()
    expect(page.get_by_role("heading", name="Where is my parcel?")).to_be_visible()
    page.get_by_text("Play the customer").click()
    page.locator("#customer-text").fill("Hello?")
    page.get_by_role("button", name="Write as the customer").click()
    expect(page.locator("#thread")).to_contain_text("Hello?")
    expect(page.locator("#customer-text")).to_have_value("")
    assert served.desk.last("message")["author"] == "customer"


def test_the_chosen_agent_is_remembered_and_named_with_the_decision(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    page.locator(".who summary").click()
    page.get_by_role("button", name="Ben Ortiz").click()
    expect(page.locator(".who summary")).to_contain_text("Ben Ortiz")
    page.wait_for_load_state("load")  # the page is another one; its keys work once its scripts have run
    page.keyboard.press("a")
    expect(page.locator("#undo")).to_be_visible()
    assert served.desk.last("accept")["agent"] == "Ben Ortiz"


def test_a_case_can_be_closed_and_reopened(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.case(served.desk.put(StateKind.SENT)))
    page.get_by_role("button", name="Close case").click()
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_role("button", name="Close case")).to_be_visible()


def arrived(page: Page, url: str) -> None:
    """On the page, and its scripts have run."""
    expect(page).to_have_url(url)
    page.wait_for_load_state("load")


def test_j_and_k_walk_the_inbox_and_single_keys_can_be_turned_off(served: Served, open_page: OpenPage) -> None:
    first, second = (served.desk.put(StateKind.READY, subject=name) for name in ("First", "Second"))
    page = open_page(served.url + "/desk/")
    page.keyboard.press("j")
    arrived(page, served.case(first))
    page.keyboard.press("j")
    arrived(page, served.case(second))
    page.keyboard.press("k")
    arrived(page, served.case(first))
    page.keyboard.press("?")
    page.get_by_label("Use single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close", exact=True).click()
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator("#accept")).to_be_visible()
    expect(page).to_have_url(served.case(first))
    assert served.desk.count("accept") == 0


def test_the_first_tab_stop_leads_past_the_inbox(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.case(served.desk.put(StateKind.READY)))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the case")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
