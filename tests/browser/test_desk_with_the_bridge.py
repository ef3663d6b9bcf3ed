"""The whole loop as an agent lives it: a real browser, the embedded CRM, and the bridge with its worker behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event, Thread

import pytest
from playwright.sync_api import Page, expect
from world import World, make_world, policy

from crm_bridge.store.database import Store

OpenPage = Callable[..., Page]
UNDO = timedelta(seconds=4)
"""Long enough to be pressed on a busy machine."""
ARTICLE = {
    "id": "reset",
    "title": "Reset your password",
    "body": "If you forgot your password, choose Forgot password on the sign-in page. We send you a link to reset it.",
    "language": "en",
}
FORGOT = "I forgot my password"


@pytest.fixture
def still_bridge(store: Store) -> Iterator[World]:
    """A bridge that does nothing until the test lets it."""
    world = make_world(store, offline=True, policies={"demo": policy(undo=UNDO)})
    yield world
    world.crm.stop()


@pytest.fixture
def taught_bridge(still_bridge: World) -> World:
    """The same, with an article: twenty example cases take a while, and most tests look at one."""
    still_bridge.crm.put_article(ARTICLE)
    still_bridge.sync_articles()
    return still_bridge


@pytest.fixture
def bridge(taught_bridge: World) -> Iterator[World]:
    """A bridge that works in the background, as its worker process does."""
    stop = Event()

    def work() -> None:
        while not stop.is_set():
            if taught_bridge.work() == 0:
                stop.wait(0.05)

    worker = Thread(target=work)
    worker.start()
    yield taught_bridge
    stop.set()
    worker.join()


def open_case(open_page: OpenPage, bridge: World, subject: str = FORGOT) -> Page:
    if subject == FORGOT:
        bridge.open_case("I forgot my password. How do I reset it?", subject=FORGOT)
    page = open_page(f"{bridge.crm.base_url}/desk/")
    page.get_by_role("link", name=subject).first.click()
    return page


def test_an_agent_accepts_a_draft_and_the_customer_gets_it_once(bridge: World, open_page: OpenPage) -> None:
    page = open_case(open_page, bridge)
    accept = page.get_by_role("button", name="Accept and send")
    expect(accept).to_be_enabled(timeout=90_000)
    draft = page.get_by_role("textbox", name="Reply").input_value()
    assert "password" in draft
    accept.click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    expect(page.get_by_text("The reply was sent.").first).to_be_visible(timeout=90_000)
    case = page.url.rstrip("/").rpartition("/")[2]
    assert [body for author, body in bridge.thread(case) if author == "agent"] == [draft]


def test_undo_in_time_brings_the_draft_back_and_sends_nothing(bridge: World, open_page: OpenPage) -> None:
    page = open_case(open_page, bridge)
    accept = page.get_by_role("button", name="Accept and send")
    expect(accept).to_be_enabled(timeout=90_000)
    accept.click()
    page.get_by_role("button", name="Undo").click()
    expect(accept).to_be_enabled()
    case = page.url.rstrip("/").rpartition("/")[2]
    bridge.settle()
    assert [author for author, _ in bridge.thread(case)] == ["customer"]


def test_what_i_typed_is_kept_when_the_customer_writes_again(bridge: World, open_page: OpenPage) -> None:
    page = open_case(open_page, bridge)
    reply = page.get_by_role("textbox", name="Reply")
    expect(page.get_by_role("button", name="Accept and send")).to_be_enabled(timeout=90_000)
    reply.fill("My own careful words.")
    case = page.url.rstrip("/").rpartition("/")[2]
    bridge.customer_writes(case, "One more thing: where do I find my invoice?")
    expect(page.get_by_text("One more thing").first).to_be_visible(timeout=90_000)
    expect(reply).to_have_value("My own careful words.")
    page.get_by_role("button", name="Send my text anyway").click()
    expect(page.get_by_text("The reply was sent.").first).to_be_visible(timeout=90_000)
    assert [body for author, body in bridge.thread(case) if author == "agent"] == ["My own careful words."]


def test_a_draft_that_arrives_just_before_the_click_does_not_refuse_what_i_typed(
    taught_bridge: World, open_page: OpenPage
) -> None:
    case = taught_bridge.open_case()
    taught_bridge.settle()
    page = open_page(f"{taught_bridge.crm.base_url}/desk/cases/{case}")
    reply = page.get_by_role("textbox", name="Reply")
    first = int(page.locator("#composer-form [name=revision]").input_value())
    reply.fill("My own careful words.")
    taught_bridge.customer_writes(case, "One more thing: where do I find my invoice?")
    expect(page.locator("#notice")).to_contain_text("One more thing")
    page.route("**/live?*", lambda _: None)  # from its next look on the page hears nothing more
    with page.expect_request("**/live?*"):
        pass
    taught_bridge.settle()
    assert taught_bridge.shown(case)["draft"]["revision"] > first
    expect(page.locator("#notice [name=revision]")).to_have_value(str(first))
    page.get_by_role("button", name="Send my text anyway").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    taught_bridge.settle()
    assert taught_bridge.thread(case)[-1] == ("agent", "My own careful words.")


def test_the_examples_show_a_remark_on_the_text_and_one_on_the_data(still_bridge: World, open_page: OpenPage) -> None:
    still_bridge.seed()
    still_bridge.settle()
    page = open_case(open_page, still_bridge, "Bicycle lamp flickers, warranty?")
    page.get_by_role("button", name="Accept and send").click()
    expect(page.get_by_text("A draft carries no attachment.")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    page.get_by_label("I have looked at: attachment promised").check()
    page.get_by_role("button", name="Accept and send").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page = open_case(open_page, still_bridge, "Where is my refund? Order 19822")
    expect(page.get_by_text("Other open cases look the same: 10")).to_be_visible()
