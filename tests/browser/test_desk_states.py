"""Every state an agent can see is shown with its sentence and offers what can be done, without a complaint."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from crm_bridge.contract import NoDraftReason, StateKind

from .conftest import Served
from .fake_desk import SENTENCES

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]

OFFERED = {
    StateKind.DRAFTING: "Send reply",
    StateKind.READY: "Accept and send",
    StateKind.NO_DRAFT: "Try again…",
    StateKind.SUPERSEDED: "Send reply",
    StateKind.SENDING: "Undo",
    StateKind.HANDED_OVER: "Send mail",
    StateKind.SENT: "Close case",
    StateKind.COULD_NOT_SEND: "Try sending again",
    StateKind.UNCONFIRMED: "It went out",
    StateKind.REJECTED: "Try again…",
    StateKind.ANSWERED_OTHERWISE: "Close case",
    StateKind.DECIDED_TOO_LATE: "Send reply",
}


def test_every_state_of_the_closed_list_shows_its_sentence_and_what_can_be_done(
    served: Served, open_page: OpenPage
) -> None:
    made = {kind: served.desk.put(kind) for kind in StateKind}
    page = open_page(served.url + "/desk/")
    assert set(OFFERED) == set(StateKind)
    for kind, case_id in made.items():
        page.goto(served.case(case_id))
        sentence, action = SENTENCES[kind]
        expect(page.locator("#state")).to_contain_text(sentence)
        expect(page.locator("#state")).to_contain_text(action)
        expect(page.locator("#composer").get_by_role("button", name=OFFERED[kind])).to_be_visible()


def test_every_reason_for_no_draft_is_named_in_the_inbox(served: Served, open_page: OpenPage) -> None:
    for reason in NoDraftReason:
        served.desk.put(StateKind.NO_DRAFT, reason=reason.value)
    page = open_page(served.url + "/desk/")
    badges = page.locator(".row .badge").all_inner_texts()
    assert len(badges) == len(set(badges)) == len(NoDraftReason)


def test_an_automatic_reply_is_not_called_answered(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.ANSWERED_OTHERWISE, reason="automatic")
    page = open_page(served.case(case_id))
    expect(page.locator(".row .badge")).to_contain_text("Automatic reply")
    expect(page.locator("#state .badge")).to_contain_text("Automatic reply")


def test_a_finding_is_said_once_in_whole_sentences_and_names_cases_by_number(
    served: Served, open_page: OpenPage
) -> None:
    other = served.desk.put(StateKind.SENT, number="1004")
    case_id = served.desk.put(StateKind.NO_DRAFT, reason="data")
    detail = f"other open cases look the same: {other}"
    finding = {"code": "duplicate_case", "severity": "blocking", "field": "case", "detail": detail}
    sentence = f"No draft: the data of this case is not good enough. {detail}"
    served.desk.move(case_id, StateKind.NO_DRAFT, reason="data", sentence=sentence, findings=[finding])
    page = open_page(served.case(case_id))
    expect(page.locator("#state .sentence")).to_have_text("No draft: the data of this case is not good enough.")
    expect(page.locator("#state .remarks")).to_contain_text("Other open cases look the same: 1004.")
    expect(page.locator("#state .remarks a")).to_have_attribute("href", f"/desk/cases/{other}")


def test_a_draft_that_has_to_be_looked_at_first_is_told_apart_in_the_inbox(served: Served, open_page: OpenPage) -> None:
    flag = {"code": "amount_unfounded", "severity": "blocking", "detail": "In no source.", "excerpt": "EUR 49.90"}
    served.desk.put(StateKind.READY, subject="Odd", flags=[flag])
    served.desk.put(StateKind.READY, subject="Fine")
    page = open_page(served.url + "/desk/")
    expect(page.locator(".row", has_text="Odd")).to_contain_text("Look first")
    expect(page.locator(".row", has_text="Fine")).not_to_contain_text("Look first")


def test_the_inbox_shows_first_what_waits_for_me_and_can_show_only_that(served: Served, open_page: OpenPage) -> None:
    served.desk.every_state()
    page = open_page(served.url + "/desk/")
    first = [text.strip() for text in page.locator(".row .badge").all_inner_texts()[:3]]
    assert [text.split(" ", 1)[1] for text in first] == ["Could not send", "Unconfirmed", "Draft ready"]
    page.get_by_role("link", name="Waiting for me").click()
    expect(page.locator(".row")).to_have_count(6 + len(NoDraftReason))
    expect(page.locator(".row", has_text="Drafting")).to_have_count(0)


def test_a_new_state_arrives_by_itself_and_is_announced_once(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.DRAFTING)
    page = open_page(served.case(case_id))
    expect(page.locator("#announce")).to_be_empty()
    served.desk.draft(case_id, "Here is the answer.")
    served.desk.move(case_id, StateKind.READY)
    expect(page.get_by_role("button", name="Accept and send")).to_be_visible()
    expect(page.locator("#reply-text")).to_have_value("Here is the answer.")
    expect(page.locator("#announce")).to_contain_text("A draft is ready.")
    expect(page.locator(".row .badge")).to_contain_text("Draft ready")


def test_the_draft_stands_with_its_sources_remarks_and_addressing(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.case(served.desk.put(StateKind.READY)))
    reply = page.get_by_role("region", name="Reply")
    expect(reply.get_by_role("link", name="Reset your password")).to_have_attribute("rel", "noopener noreferrer")
    expect(reply.get_by_role("link", name="Sign in")).to_have_count(0)
    for text in ("The link works for one hour", "three years ago", "support@example.com", "team@example.com", "email"):
        expect(reply.get_by_text(text).first).to_be_visible()
    expect(reply.get_by_text("revision 1")).to_be_visible()


def test_internal_notes_look_internal_and_quoted_text_is_folded(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.READY)
    served.desk.say(case_id, "Do not trust this one.", author="agent", public=False)
    served.desk.say(case_id, "Any news?\n\nOn Mon, 2 Nov 2026, Support wrote:\n> An older word.")
    page = open_page(served.case(case_id))
    expect(page.locator(".bubble.note")).to_contain_text("Internal note")
    expect(page.get_by_text("An older word.")).to_be_hidden()
    page.get_by_text("Quoted text").click()
    expect(page.get_by_text("An older word.")).to_be_visible()
    served.desk.say(case_id, "One more thing.")
    expect(page.get_by_text("One more thing.").first).to_be_visible()
    expect(page.get_by_text("An older word.")).to_be_visible()


def test_customer_markup_is_only_ever_text(served: Served, open_page: OpenPage) -> None:
    evil = (
        "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
        "<hx-partial hx-target='body'>gone</hx-partial>"
    )
    case_id = served.desk.put(StateKind.READY, subject=evil, customer={"name": evil, "email": "x@example.com"})
    served.desk.say(case_id, evil + " https://evil.example/")
    served.desk.draft(case_id, evil)
    page = open_page(served.case(case_id))
    served.desk.say(case_id, evil)
    expect(page.locator(".bubble")).to_have_count(3)
    expect(page.locator("#reply-text")).to_have_value(evil)
    assert page.title() != "owned"
    assert page.locator("#thread a, #thread img, #thread script").count() == 0


def test_nothing_is_asked_again_for_while_nothing_changes(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.case(served.desk.put(StateKind.SENT)))
    statuses: list[int] = []
    page.on("response", lambda answer: statuses.append(answer.status) if "/live" in answer.url else None)
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').filter(e => e.name.includes('/live')).length >= 4"
    )
    assert 304 in statuses
    assert set(statuses[2:]) <= {304}


def test_a_long_thread_folds_what_is_old(served: Served, open_page: OpenPage) -> None:
    case_id = served.desk.put(StateKind.READY)
    for number in range(12):
        served.desk.say(case_id, f"Message {number}.")
    page = open_page(served.case(case_id))
    expect(page.get_by_text("Message 11.")).to_be_visible()
    expect(page.get_by_text("Message 0.")).to_be_hidden()
    page.get_by_text("earlier messages").click()
    expect(page.get_by_text("Message 0.")).to_be_visible()
