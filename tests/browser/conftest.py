"""The desk's pages over a fake desk, served on a free port, and a Chromium that complains about everything."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from werkzeug.serving import make_server

from crm_bridge_mock.emulator.desk import Desk, desk_pages

from .fake_desk import FakeDesk

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
# Patience costs nothing while everything is fine, and the machine may be busy.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium; without its sandbox as root, where it would not start."""
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": [*flags, "--disable-dev-shm-usage"]}


@dataclass
class Served:
    """A desk under a URL."""

    url: str
    desk: FakeDesk

    def case(self, case_id: str) -> str:
        return f"{self.url}/desk/cases/{case_id}"


@pytest.fixture
def serve() -> Iterator[Callable[[Desk], str]]:
    """Mount the pages over any desk; the base URL. Stopped at the end of the test."""
    running = []

    def start(desk: Desk) -> str:
        app = Flask("desk_test")
        app.register_blueprint(desk_pages(desk))
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def served(serve: Callable[[Desk], str]) -> Served:
    desk = FakeDesk()
    return Served(url=serve(desk), desk=desk)


def hears_nothing_more(page: Page) -> None:
    """From its next look on the page gets no answer: what happens then is news to it when a button is pressed."""
    page.route("**/live?*", lambda _: None)
    with page.expect_request("**/live?*"):
        pass


@dataclass
class Complaints:
    """What the browser complained about; `allowed` are parts of complaints a test expects."""

    seen: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def left(self) -> list[str]:
        return [text for text in self.seen if not any(part in text for part in self.allowed)]


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails the test when the console showed an error, a warning or a policy violation nobody expected."""
    found = Complaints()
    yield found
    assert found.left() == []


@pytest.fixture
def open_page(browser: Browser, complaints: Complaints) -> Iterator[Callable[..., Page]]:
    """A new page in a context of its own: `open_page(url, color_scheme="dark", viewport=…)`."""
    contexts: list[BrowserContext] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.seen.append(message.text)

    def start(url: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1366, "height": 850}, **options})
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.seen.append(str(error)))
        page.goto(url)
        return page

    yield start
    for context in contexts:
        context.close()
