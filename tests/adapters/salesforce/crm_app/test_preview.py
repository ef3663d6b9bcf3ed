"""The component as it is deployed, in a real browser, on a page with a strict content security policy."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from crm_bridge.contract import StateKind

from .app import APP, REPOSITORY

pytestmark = [pytest.mark.browser, pytest.mark.crm_apps]

PREVIEW = APP / "preview"
AXE = REPOSITORY / "tests" / "browser" / "vendor" / "axe-core" / "axe.min.js"
SCENES = re.findall(r"^        (\w+): scene\(", (PREVIEW / "scenes.js").read_text(), re.MULTILINE)
PATIENCE_MS = 30_000


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium; without its sandbox as root, where it would not start."""
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": "/usr/bin/chromium", "args": flags}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def gallery() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=PREVIEW))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/gallery.html"
    server.shutdown()


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    """One tab for all: what a page complains of fails the test that opened it."""
    context = browser.new_context(viewport={"width": 420, "height": 900}, bypass_csp=False)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()


@pytest.fixture
def complaints(tab: Page) -> Iterator[list[str]]:
    heard: list[str] = []
    listeners = {
        "console": lambda message: heard.append(message.text) if message.type in ("error", "warning") else None,
        "pageerror": lambda error: heard.append(str(error)),
    }
    for event, listener in listeners.items():
        tab.on(event, listener)  # type: ignore[call-overload]
    yield heard
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)


def _open(tab: Page, gallery: str, scene: str) -> None:
    tab.goto(f"{gallery}?scene={scene}")
    expect(tab.locator("[data-kind]")).to_be_visible(timeout=PATIENCE_MS)


def _calls(tab: Page) -> list[dict[str, Any]]:
    return list(tab.evaluate("window.crmBridgePage.calls"))


def test_there_is_a_picture_of_every_state() -> None:
    assert {kind.value for kind in StateKind} <= set(SCENES)


@pytest.mark.parametrize("scene", SCENES)
def test_a_state_is_shown_and_accessible(tab: Page, gallery: str, complaints: list[str], scene: str) -> None:
    _open(tab, gallery, scene)
    kinds = {kind.value for kind in StateKind}
    shown = tab.locator("[data-kind]").get_attribute("data-kind")
    assert shown == max((kind for kind in kinds if scene.startswith(kind)), key=len)
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    tab.evaluate(AXE.read_text())
    found = tab.evaluate("axe.run(document.querySelector('main')).then((result) => result.violations)")
    assert [f"{item['id']}: {item['nodes'][0]['html']}" for item in found] == []
    assert complaints == []


def test_an_edit_is_typed_accepted_and_handed_over(tab: Page, gallery: str, complaints: list[str]) -> None:
    _open(tab, gallery, "ready")
    tab.get_by_label("Draft of the reply").fill("It comes on Friday.")
    tab.get_by_role("button", name="Accept my edit").click()
    expect(tab.locator("[data-kind=handed_over]")).to_be_visible(timeout=PATIENCE_MS)
    assert [(call["kind"], call["text"]) for call in _calls(tab)] == [("edit", "It comes on Friday.")]
    tab.get_by_role("button", name="Open the mail draft").click()
    assert _calls(tab)[-1]["recordId"] == "02s000000000009AAA"
    assert complaints == []


def test_everything_can_be_done_with_the_keyboard(tab: Page, gallery: str) -> None:
    _open(tab, gallery, "ready_flags")
    tab.get_by_role("button", name="Accept").focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("checkbox")).to_be_focused(timeout=PATIENCE_MS)
    tab.keyboard.press("Space")
    tab.get_by_role("button", name="Reject…").focus()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("button", name="Reject…")).to_be_focused(timeout=PATIENCE_MS)
    tab.get_by_role("button", name="Accept").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("[data-kind=handed_over]")).to_be_focused(timeout=PATIENCE_MS)
    assert [(call["kind"], call["acknowledged"]) for call in _calls(tab)] == [("accept", ["amount_not_in_sources"])]


def test_typed_text_survives_a_newer_draft_and_a_reload(tab: Page, gallery: str) -> None:
    _open(tab, gallery, "ready")
    tab.get_by_label("Draft of the reply").fill("My own words.")
    tab.evaluate("Object.assign(window.crmBridgePage.scene.draft, { revision: 2, body: 'Newer.' })")
    tab.evaluate("window.crmBridgePage.refresh()")
    expect(tab.get_by_text("A new draft is ready. Your text is kept.").last).to_be_visible(timeout=PATIENCE_MS)
    expect(tab.get_by_label("Draft of the reply")).to_have_value("My own words.")
    tab.reload()
    expect(tab.get_by_label("Draft of the reply")).to_have_value("My own words.", timeout=PATIENCE_MS)
    tab.evaluate("sessionStorage.clear()")


def test_the_stylesheet_holds_no_address() -> None:
    for path in (PREVIEW / "bundle").glob("*.css"):
        assert not re.search(r"url\(|@import|https?://", Path(path).read_text())
