"""axe-core finds nothing, light and dark, on any page, state and window; everything works at 320 px and 200 % zoom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from crm_bridge.contract import StateKind

from .conftest import Complaints, Served, hears_nothing_more
from .fake_desk import SENTENCES

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]
AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text("utf-8")
FLAG = {"code": "amount_unfounded", "severity": "blocking", "detail": "In no source.", "excerpt": "EUR 49.90"}


def violations(page: Page, within: str = "html") -> list[str]:
    """What axe-core finds, as `rule: element`. It is evaluated, not inserted: the policy forbids inline scripts."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(AXE)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found: list[dict[str, Any]] = page.evaluate(
        """([tags, within]) => axe.run(within, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})
            .then(found => found.violations)""",
        [tags, within],
    )
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


def become(page: Page, served: Served, case_id: str, kind: StateKind) -> None:
    """The case moves on; the page looks at once instead of waiting for its next look."""
    served.desk.move(case_id, kind)
    page.evaluate("() => htmx.trigger('#poll', 'desk:look')")
    expect(page.locator("#state")).to_contain_text(SENTENCES[kind][0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(served: Served, open_page: OpenPage, scheme: str) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id), color_scheme=scheme)
    for kind in StateKind:
        become(page, served, case_id, kind)
        assert violations(page, ".reply-pane") == [], kind


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page_or_window(served: Served, open_page: OpenPage, scheme: str) -> None:
    served.desk.every_state()
    flagged = served.desk.put(StateKind.READY, flags=[FLAG, {**FLAG, "code": "promise", "severity": "informing"}])
    served.desk.say(flagged, "Internal.", author="agent", public=False)
    served.desk.say(flagged, "See below.\n> Quoted.", attachments=[{"name": "scan.pdf"}])
    page = open_page(served.url + "/desk/new", color_scheme=scheme)
    assert violations(page) == []
    page.goto(served.case(flagged))
    assert violations(page) == []
    for key, window in (("r", "#reject"), ("t", "#again"), ("?", "#help")):
        page.keyboard.press(key)
        expect(page.locator(window)).to_be_visible()
        assert violations(page, window) == []
        page.keyboard.press("Escape")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_notice_about_something_new(served: Served, open_page: OpenPage, scheme: str) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id), color_scheme=scheme)
    page.locator("#reply-text").fill("Mine.")
    served.desk.supersede(case_id, "News.", new_draft="Another.")
    expect(page.locator("#notice")).to_contain_text("News.")
    page.locator(".who summary").click()
    page.get_by_text("Play the customer").click()
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_refusal(
    served: Served, open_page: OpenPage, complaints: Complaints, scheme: str
) -> None:
    complaints.allowed.append("409")
    case_id = served.desk.put(StateKind.SENDING)
    served.desk.move(case_id, StateKind.READY)
    page = open_page(served.case(case_id), color_scheme=scheme)
    hears_nothing_more(page)
    served.desk.draft(case_id, "Another.")
    page.get_by_role("button", name="Accept and send").click()
    expect(page.locator("#notice-box.refused")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1366, "dark"), (1216, "light")])
def test_what_can_be_done_with_a_draft_stands_in_one_line(
    served: Served, open_page: OpenPage, width: int, scheme: str
) -> None:
    case_id = served.desk.put(StateKind.READY)
    page = open_page(served.case(case_id), viewport={"width": width, "height": 850}, color_scheme=scheme)
    names = ("Accept and send", "Send my edit", "Try again…", "Reject…")
    boxes = [page.get_by_role("button", name=name).bounding_box() for name in names]
    assert len({box["y"] for box in boxes if box}) == 1


def test_a_new_case_comes_before_the_inbox_in_a_narrow_window(served: Served, open_page: OpenPage) -> None:
    served.desk.put(StateKind.READY)
    page = open_page(served.url + "/desk/new", viewport={"width": 320, "height": 600})
    expect(page.get_by_label("Your name")).to_be_in_viewport()
    expect(page.locator(".row").first).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert violations(page) == []
    page.get_by_role("link", name="Inbox").click()
    expect(page.locator(".row").first).to_be_visible()


@pytest.mark.parametrize("width", [320, 640])
def test_nothing_is_cut_off_in_a_narrow_window(served: Served, open_page: OpenPage, width: int) -> None:
    case_id = served.desk.put(StateKind.READY, flags=[FLAG], subject="A" * 80)
    served.desk.say(case_id, "x" * 300)
    page = open_page(served.case(case_id), viewport={"width": width, "height": 600})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    page.get_by_label("I have looked at").check()
    page.get_by_role("button", name="Accept and send").click()
    expect(page.locator("#undo")).to_be_visible()
    page.get_by_role("link", name="Inbox").click()
    expect(page.locator(".row").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_moves_for_who_wants_less_motion(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.case(served.desk.put(StateKind.READY)), reduced_motion="reduce")
    moving = """() => [...document.querySelectorAll("*")]
        .filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0).length"""
    assert page.evaluate(moving) == 0
