"""Typed text is never overwritten and never lost: whatever arrives, whatever is reloaded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from crm_bridge.contract import StateKind

from .conftest import Complaints, Served

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]
MINE = "My own words, half finished"


@pytest.fixture
def typing(served: Served, open_page: OpenPage) -> tuple[str, Page]:
    """An agent in the middle of a sentence."""
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    page.locator("#reply-text").fill(MINE)
    return case_id, page


def test_text_stays_when_the_draft_is_superseded_and_what_is_new_is_shown(
    served: Served, typing: tuple[str, Page]
) -> None:
    case_id, page = typing
    served.desk.supersede(case_id, "Wait, it is about another order.")
    expect(page.locator("#notice")).to_contain_text("Wait, it is about another order.")
    expect(page.locator("#reply-text")).to_have_value(MINE)
    expect(page.locator("#thread")).to_contain_text("Wait, it is about another order.")


def test_text_can_be_sent_anyway_as_an_edit_that_names_the_newest_message(
    served: Served, typing: tuple[str, Page]
) -> None:
    case_id, page = typing
    newest = served.desk.supersede(case_id, "It is urgent.", new_draft="The new draft.")
    expect(page.locator("#notice")).to_contain_text("A new draft is ready.")
    page.get_by_role("button", name="Send my text anyway").click()
    expect(page.locator("#undo")).to_be_visible()
    edit = served.desk.last("edit")
    assert (edit["text"], edit["answers"], edit["revision"]) == (MINE, newest, 2)


@pytest.mark.parametrize("kind", [StateKind.READY, StateKind.NO_DRAFT])
def test_nothing_goes_out_under_a_notice_but_from_the_notice(
    served: Served, open_page: OpenPage, kind: StateKind
) -> None:
    case_id = served.desk.put(kind)
    page = open_page(served.case(case_id))
    page.locator("#reply-text").fill(MINE)
    served.desk.say(case_id, "It is urgent.")
    expect(page.locator("#notice")).to_contain_text("It is urgent.")
    button = page.get_by_role("button", name="Send my edit" if kind is StateKind.READY else "Send reply")
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description(
        "Something changed while you were writing: go on in the notice above."
    )
    page.locator("#reply-text").focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#announce")).to_contain_text("go on in the notice")
    assert served.desk.calls == []
    page.get_by_role("button", name="Send my text anyway").click()
    expect(page.locator("#thread" if kind is StateKind.NO_DRAFT else "#composer")).to_contain_text(MINE)


def test_a_refused_accept_leaves_no_stale_way_to_send(
    served: Served, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.allowed.append("409")
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    page.route("**/live?*", lambda _: None)  # the page hears nothing until the click
    with page.expect_request("**/live?*"):
        pass
    served.desk.supersede(case_id, "It is urgent.", new_draft="The new draft.")
    page.get_by_role("button", name="Accept and send").click()
    expect(page.locator("#notice")).to_contain_text("It is urgent.")
    expect(page.get_by_role("button", name="Accept and send")).to_be_disabled()
    page.unroute("**/live?*")
    page.reload()
    expect(page.locator("#reply-text")).to_have_value("The new draft.")
    expect(page.get_by_role("button", name="Accept and send")).to_be_enabled()
    expect(page.get_by_role("button", name="Send my text anyway")).to_be_hidden()


def test_the_new_draft_can_be_used_and_my_text_brought_back(served: Served, typing: tuple[str, Page]) -> None:
    case_id, page = typing
    served.desk.supersede(case_id, "It is urgent.", new_draft="The new draft.")
    page.get_by_role("button", name="Use the new draft").click()
    expect(page.locator("#reply-text")).to_have_value("The new draft.")
    expect(page.locator("#notice")).to_be_empty()
    page.get_by_role("button", name="Bring my earlier text back").click()
    expect(page.locator("#reply-text")).to_have_value(MINE)


def test_text_survives_a_reload_also_when_something_new_arrived_meanwhile(
    served: Served, typing: tuple[str, Page]
) -> None:
    case_id, page = typing
    page.reload()
    expect(page.locator("#reply-text")).to_have_value(MINE)
    expect(page.locator("#notice")).to_be_empty()
    served.desk.supersede(case_id, "It is urgent.", new_draft="The new draft.")
    page.reload()
    expect(page.locator("#reply-text")).to_have_value(MINE)
    expect(page.locator("#notice")).to_contain_text("It is urgent.")


def test_text_of_one_case_never_shows_in_another(served: Served, typing: tuple[str, Page]) -> None:
    _, page = typing
    page.goto(served.case(served.desk.put(StateKind.READY)))
    expect(page.locator("#reply-text")).not_to_have_value(MINE)


def test_text_begun_before_any_draft_is_not_replaced_by_the_draft(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.DRAFTING)
    page = open_page(served.case(case_id))
    page.locator("#reply-text").fill(MINE)
    served.desk.draft(case_id, "The draft.")
    served.desk.move(case_id, StateKind.READY)
    expect(page.get_by_role("button", name="Use the new draft")).to_be_visible()
    expect(page.locator("#reply-text")).to_have_value(MINE)


def test_text_typed_between_question_and_answer_is_not_swapped_away(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    held: list[Route] = []
    page.route("**/live?*", lambda route: route.fallback() if held else held.append(route))
    with page.expect_request("**/live?*"):
        pass
    served.desk.supersede(case_id, "Something new.", new_draft="The new draft.")
    page.locator("#reply-text").fill(MINE)
    held[0].continue_()
    expect(page.locator("#notice")).to_contain_text("Something new.")
    expect(page.locator("#reply-text")).to_have_value(MINE)


def test_a_comment_in_an_open_window_is_not_swapped_away(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id))
    page.keyboard.press("t")
    page.locator("#again-comment").fill("Mention the voucher.")
    served.desk.supersede(case_id, "Something new.", new_draft="The new draft.")
    expect(page.locator("#thread")).to_contain_text("Something new.")
    expect(page.locator("#again-comment")).to_have_value("Mention the voucher.")


def test_text_is_forgotten_only_after_it_was_sent(served: Served, typing: tuple[str, Page]) -> None:
    case_id, page = typing
    page.get_by_role("button", name="Send my edit").click()
    expect(page.locator("#undo")).to_be_visible()
    served.desk.draft(case_id, "Another one.")
    served.desk.move(case_id, StateKind.READY)
    page.reload()
    expect(page.locator("#reply-text")).to_have_value("Another one.")


def test_losing_the_desk_is_said_and_loses_nothing(
    served: Served, typing: tuple[str, Page], complaints: Complaints
) -> None:
    complaints.allowed += ["ERR_", "Failed to fetch"]
    _, page = typing
    page.context.set_offline(True)
    page.get_by_role("button", name="Send my edit").click()
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#reply-text")).to_have_value(MINE)
    page.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()
    page.get_by_role("button", name="Send my edit").click()
    expect(page.locator("#undo")).to_be_visible()
    assert served.desk.count("edit") == 1
