"""The story on the emulated org as an agent lives it: Chromium, the component as deployed, and the bridge behind it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from world import policy

from crm_bridge.assistants import build_assistant, detect_language
from crm_bridge.contract import CaseRef, Network
from crm_bridge.kit.emulation import into_wsgi
from crm_bridge.pipeline.reconcile import sync_articles
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.pipeline.work import drain
from crm_bridge.registry import load_adapter
from crm_bridge.store import connections
from crm_bridge.store.database import Store
from crm_bridge.store.services import services_for
from crm_bridge.web import create_app
from crm_bridge_salesforce.emulator import SalesforceCrm

pytestmark = [pytest.mark.browser, pytest.mark.crm_apps]

AXE = Path(__file__).parents[3] / "browser" / "vendor" / "axe-core" / "axe.min.js"
PATIENCE_MS = 60_000
ARTICLE = "If you forgot your password, choose Forgot password on the sign-in page. We send you a link to reset it."
QUESTION = "I forgot my password. How do I reset it?"
OpenCase = Callable[..., tuple[CaseRef, Page]]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium; without its sandbox as root, where it would not start."""
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": "/usr/bin/chromium", "args": flags}


@pytest.fixture
def org() -> Iterator[SalesforceCrm]:
    crm = SalesforceCrm()
    crm.start()
    yield crm
    crm.stop()


@pytest.fixture
def bridged(org: SalesforceCrm, store: Store) -> Iterator[SalesforceCrm]:
    """The org with a bridge that works in the background, as its worker process does."""
    runtime = _runtime(store, org)
    org.connect(into_wsgi(create_app(runtime)))
    org.release()
    org.publish("reset", "Reset your password", ARTICLE)
    sync_articles(runtime)
    stop = Event()

    def work() -> None:
        while not stop.is_set():
            org.deliver()
            if drain(runtime) == 0:
                stop.wait(0.1)

    worker = Thread(target=work)
    worker.start()
    yield org
    stop.set()
    worker.join()


def _runtime(store: Store, org: SalesforceCrm) -> Runtime:
    services = services_for(store, connection="demo", public_url=org.public_url, network=Network())
    adapter = load_adapter("salesforce", org.config, org.public_url, services)
    store.run(
        lambda transaction: connections.register(
            transaction, name="demo", adapter="salesforce", remote_id=adapter.remote_id, enabled=True
        )
    )
    return Runtime(
        store=store,
        connections={"demo": ConnectionRuntime(name="demo", adapter=adapter, policy=policy())},
        assistant=build_assistant({"kind": "offline"}, Network()),
        detect_language=detect_language,
    )


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1366, "height": 900})
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def tab(context: BrowserContext) -> Iterator[Page]:
    """What the page complains of fails the test."""
    heard: list[str] = []
    page = context.new_page()
    page.on("console", lambda said: heard.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    yield page
    assert heard == []


@pytest.fixture
def open_case(bridged: SalesforceCrm, tab: Page) -> OpenCase:
    def opened(subject: str = "Password") -> tuple[CaseRef, Page]:
        case = bridged.open_case(subject, QUESTION)
        tab.goto(f"{bridged.base_url}/desk/")
        tab.get_by_role("link", name=subject).click()
        stands(tab, "ready")
        return case, tab

    return opened


def stands(page: Page, kind: str) -> None:
    """The component shows this state, in the end."""
    expect(page.locator(f"[data-kind={kind}]")).to_be_visible(timeout=PATIENCE_MS)


def replies(org: SalesforceCrm, case: CaseRef) -> list[str]:
    return [one.text for one in org.thread(case) if one.direction == "outgoing"]


def test_an_accepted_draft_is_sent_from_the_agents_mail_and_the_bridge_sees_it(
    bridged: SalesforceCrm, open_case: OpenCase
) -> None:
    case, page = open_case()
    page.get_by_role("button", name="Accept", exact=True).click()
    mail = page.get_by_label("E-mail text")
    expect(mail).to_have_value(re.compile("Forgot password"), timeout=PATIENCE_MS)
    text = mail.input_value()
    stands(page, "handed_over")
    assert replies(bridged, case) == []
    page.get_by_role("button", name="Send", exact=True).click()
    stands(page, "sent")
    assert replies(bridged, case) == [text]
    assert bridged.shown(case) == "sent"


def test_an_edit_is_what_goes_out_and_a_rejected_draft_is_not(bridged: SalesforceCrm, open_case: OpenCase) -> None:
    case, page = open_case()
    page.get_by_label("Draft of the reply").fill("I have reset it for you.")
    page.get_by_role("button", name="Accept my edit").click()
    expect(page.get_by_label("E-mail text")).to_have_value("I have reset it for you.", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Send", exact=True).click()
    stands(page, "sent")
    assert replies(bridged, case) == ["I have reset it for you."]

    other, page = open_case("Another password")
    page.get_by_role("button", name="Reject…").click()
    page.get_by_label("Tone").check()
    page.get_by_role("button", name="Reject draft").click()
    stands(page, "rejected")
    assert replies(bridged, other) == []


def test_what_is_typed_stays_while_the_customer_writes(bridged: SalesforceCrm, open_case: OpenCase) -> None:
    _, page = open_case()
    page.get_by_label("Draft of the reply").fill("My own words.")
    page.get_by_label("What").fill("It also says that my account is locked.")
    page.get_by_role("button", name="Send as the customer").click()
    expect(page.locator(".d-feed")).to_contain_text("my account is locked", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Send my text anyway")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_label("Draft of the reply")).to_have_value("My own words.")


def test_what_is_typed_in_a_mail_draft_stays_when_another_one_comes(org: SalesforceCrm, tab: Page) -> None:
    case = org.open_case("Lamp", QUESTION)
    tab.goto(f"{org.base_url}/desk/cases/{case.id}")
    _reply(tab, "First.")
    mails = tab.get_by_label("E-mail text")
    expect(mails).to_have_value("First.", timeout=PATIENCE_MS)
    expect(tab.get_by_label("Your reply")).to_have_value("", timeout=PATIENCE_MS)
    mails.fill("First, and more.")
    _reply(tab, "Second.")
    expect(mails).to_have_count(2, timeout=PATIENCE_MS)
    assert {one.input_value() for one in mails.all()} == {"First, and more.", "Second."}
    org.customer_writes(case, "Hello?")
    expect(tab.locator(".d-feed")).to_contain_text("Hello?", timeout=PATIENCE_MS)


def _reply(tab: Page, text: str) -> None:
    """An own text, put into a mail draft."""
    tab.get_by_label("Your reply").fill(text)
    tab.get_by_role("button", name="Put it into a mail draft").click()


def test_the_pages_are_accessible(org: SalesforceCrm, tab: Page) -> None:
    org.seed()
    case = next(one["Id"] for one in org.org.store.all_of("Case"))
    tab.goto(f"{org.base_url}/desk/cases/{case}")
    _reply(tab, "A reply of mine.")
    expect(tab.get_by_label("E-mail text")).to_be_visible(timeout=PATIENCE_MS)
    assert _violations(tab) == []
    for path in ("", "new"):
        tab.goto(f"{org.base_url}/desk/{path}")
        assert _violations(tab) == []


def _violations(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document).then((result) => result.violations)")
    return [f"{item['id']}: {item['nodes'][0]['html']}" for item in found]
