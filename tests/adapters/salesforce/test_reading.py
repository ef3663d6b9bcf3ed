"""Reading a case from an org: one call, whole, and what cannot be read is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import CaseContext, CaseRef, ForeignRef, Merged, NotACase, Permanent
from crm_bridge_salesforce import messages
from crm_bridge_salesforce.adapter import SalesforceAdapter
from crm_bridge_salesforce.client import SubAnswer
from crm_bridge_salesforce.emulator.handle import SalesforceCrm
from crm_bridge_salesforce.ids import full, is_id
from crm_bridge_salesforce.learned import learned_from

Connect = Callable[..., SalesforceAdapter]


@pytest.fixture
def adapter(connect: Connect, org: SalesforceCrm) -> Iterator[SalesforceAdapter]:
    yield connect(org.config, clock=org.clock)
    org.org.schema.show_all(org.clock.now())


def read(adapter: SalesforceAdapter, case: CaseRef) -> CaseContext:
    context = adapter.read_case(case)
    assert isinstance(context, CaseContext)
    return context


def put(org: SalesforceCrm, kind: str, **values: Any) -> str:
    """A record made by an agent of the org."""
    record = org.org.store.put_new(org.org.object(kind), values, org.org.people.id_of("Ana Agent"))
    return str(record["Id"])


def change(org: SalesforceCrm, kind: str, record: str, **values: Any) -> None:
    known = org.org.store.live(record)
    assert known is not None
    org.org.store.change(org.org.object(kind), known, values, org.org.people.admin)


# --- calls --------------------------------------------------------------------------------------------------------


def test_a_case_costs_one_call_once_it_is_known_what_may_be_seen(
    adapter: SalesforceAdapter, org: SalesforceCrm
) -> None:
    cases = [org.open_case(f"Sign-in {number}", "I cannot sign in.") for number in range(100)]
    read(adapter, cases[0])
    with org.calls.during() as calls:
        for case in cases:
            read(adapter, case)
    assert dict(calls) == {"composite": 100}


def test_children_on_further_pages_are_read(connect: Connect) -> None:
    crm = SalesforceCrm(page_rows=7)
    crm.start()
    try:
        case = crm.open_case("Sign-in", "I cannot sign in.")
        for number in range(20):
            crm.customer_writes(case, f"Message {number}.")
        context = read(connect(crm.config, clock=crm.clock), case)
        assert [one.id for one in context.public_messages] == [one.id for one in crm.thread(case)]
    finally:
        crm.stop()


def test_a_field_that_vanished_is_learned_and_read_around(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = org.open_case("Sign-in", "I cannot sign in.")
    assert not read(adapter, case).unreadable
    org.org.schema.hide("Case", "Priority", org.clock.now())
    org.org.schema.hide("EmailMessage", "CcAddress", org.clock.now())
    with org.calls.during() as calls:
        context = read(adapter, case)
    assert {one.name for one in context.unreadable} == {"Case.Priority", "EmailMessage.CcAddress"}
    assert (context.priority, calls["composite"]) == ("", 3)


def test_a_poll_also_learns_what_vanished(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    cursor = adapter.changed_since(None).cursor
    org.org.schema.hide("Case", "Status", org.clock.now())
    case = org.open_case("Sign-in", "I cannot sign in.")
    assert case in {one.ref for one in adapter.changed_since(cursor).items}


# --- messages -----------------------------------------------------------------------------------------------------


def test_the_description_of_a_web_form_is_the_first_message(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = CaseRef(
        id=put(org, "Case", Subject="Help", Description="It broke.", Origin="Web", SuppliedEmail="eve@example.org")
    )
    context = read(adapter, case)
    (first,) = context.messages
    assert (first.id, first.text, first.direction, first.public) == (case.id, "It broke.", "incoming", True)
    assert context.addressing is not None
    assert (context.addressing.to, context.addressing.in_reply_to) == (("eve@example.org",), case.id)


def test_the_description_of_a_mail_is_not_told_twice(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = org.open_case("Sign-in", "I cannot sign in.\n\n> On Monday you wrote:\n> Hello")
    assert len(read(adapter, case).messages) == 1


def test_a_mail_to_a_colleague_is_no_answer_to_the_customer(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = org.open_case("Sign-in", "I cannot sign in.")
    internal = put(
        org, "EmailMessage", ParentId=case.id, Incoming=False, Status="3", TextBody="Do you know this?",
        FromAddress="support@example.com", ToAddress="expert@example.com",
    )  # fmt: skip
    public = {one.id for one in read(adapter, case).public_messages}
    assert internal not in public


def test_the_draft_of_a_mail_is_no_message(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = org.open_case("Sign-in", "I cannot sign in.")
    draft = put(org, "EmailMessage", ParentId=case.id, Incoming=False, Status="5", TextBody="Dear")
    assert draft not in {one.id for one in read(adapter, case).messages}


def test_a_mail_without_plain_text_is_read_from_its_html(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = org.open_case("Sign-in", "I cannot sign in.")
    written = put(
        org, "EmailMessage", ParentId=case.id, Incoming=True, Status="0", FromAddress="ann@example.org",
        HtmlBody="<p>Dear <b>team</b>,</p><p>it broke.</p>",
    )  # fmt: skip
    with org.calls.during() as calls:
        text = next(one.text for one in read(adapter, case).messages if one.id == written)
    assert text.split() == ["Dear", "team,", "it", "broke."]
    assert calls["composite"] <= 3


@pytest.mark.parametrize(
    "headers",
    ["Auto-Submitted: auto-replied", "auto-submitted:auto-generated; x=y", "Precedence: bulk", "X-Autoreply: yes",
     "Return-Path: <>", "From: a\nPrecedence:auto_reply\nTo: b"],
)  # fmt: skip
def test_headers_of_automatic_mail_are_known(headers: str) -> None:
    assert messages._is_automatic({"Headers": headers}, incoming=True)


@pytest.mark.parametrize(
    "headers", [None, "", "Auto-Submitted: no", "Subject: Auto-Submitted: yes", "Precedence: first-class"]
)
def test_headers_of_ordinary_mail_are_not_taken_for_automatic(headers: str | None) -> None:
    assert not messages._is_automatic({"Headers": headers}, incoming=True)


def test_what_the_composer_puts_below_an_answer_is_cut_off() -> None:
    text = "Dear Ann,\n\nuse the link.\n\n--------------- Original Message ---------------\nFrom: Ann\n\nHelp"
    assert messages._sent(text) == "Dear Ann,\n\nuse the link."
    assert messages._sent("Use the link.\n\nthread::R6hOgSqXMSCL9GQ1mjQ6_ic::") == "Use the link."
    assert messages._sent("Use it.\n[ ref:!00D1200.!500120:ref ]") == "Use it."


@pytest.mark.parametrize(
    ("length", "cut"), [(31_999, True), (32_000, True), (131_072, True), (100, False), (40_000, False)]
)
def test_a_text_as_long_as_its_field_is_marked_as_cut(length: int, cut: bool) -> None:
    assert messages._is_cut("a" * length) is cut


# --- people and places --------------------------------------------------------------------------------------------


def test_a_case_in_a_queue_has_a_queue_and_no_owner(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = org.open_case("Sign-in", "I cannot sign in.")
    assert read(adapter, case).owner is not None
    queue = put(org, "Group", Name="Tier 1", Type="Queue")
    change(org, "Case", case.id, OwnerId=queue)
    context = read(adapter, case)
    assert (context.owner, context.queue) == (None, "Tier 1")


def test_other_open_cases_of_the_contact_with_the_same_subject_are_named(
    adapter: SalesforceAdapter, org: SalesforceCrm
) -> None:
    first, second, other = (
        org.open_case(subject, "I cannot sign in.", customer="dora@example.org")
        for subject in ("Sign-in fails", "RE: sign-in fails", "Invoice")
    )
    org.open_case("Sign-in fails", "I cannot sign in.", customer="else@example.org")
    assert read(adapter, second).duplicates == (first,)
    assert read(adapter, other).duplicates == ()


def test_who_has_no_address_is_not_written_to(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = CaseRef(id=put(org, "Case", Subject="By phone", Description="She called.", Origin="Phone"))
    assert read(adapter, case).addressing is None


@given(st.text(max_size=60))
def test_no_text_becomes_two_recipients(text: str) -> None:
    for one in messages.addresses(text):
        assert one.count("@") == 1
        assert not set(one) & set(' ,;<>"\r\n')


# --- refs ---------------------------------------------------------------------------------------------------------


def test_a_mail_resolves_to_its_case(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = org.open_case("Sign-in", "I cannot sign in.")
    mail = org.customer_writes(case, "Hello?")
    comment = org.agent_writes(case, "Known.", agent="Ana Agent", public=False)
    assert adapter.resolve(ForeignRef(kind="EmailMessage", id=mail)) == case
    assert adapter.resolve(ForeignRef(kind="CaseComment", id=comment)) == case
    assert isinstance(adapter.resolve(ForeignRef(kind="EmailMessage", id="02sWx0000099999IAA")), NotACase)
    assert isinstance(adapter.resolve(ForeignRef(kind="Account", id="001Wx0000000001IAA")), NotACase)


def test_a_merged_case_and_a_deleted_one_are_told_apart(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    merged, survivor, deleted = (org.open_case("Sign-in", "I cannot sign in.") for _ in range(3))
    org.merge(merged, survivor)
    org.delete(deleted)
    assert adapter.read_case(merged) == Merged(into=survivor) == adapter.resolve(merged)
    assert adapter.read_case(deleted) == NotACase(reason="deleted") == adapter.resolve(deleted)
    assert adapter.read_case(CaseRef(id="500Wx0000099999IAA")) == NotACase(reason="gone")


@given(st.from_regex(r"[a-zA-Z0-9]{15}", fullmatch=True))
def test_both_spellings_of_an_id_are_one(bare: str) -> None:
    assert full(full(bare)) == full(bare)
    assert (full(bare)[:15], len(full(bare))) == (bare, 18)


@given(st.text(max_size=20))
def test_what_is_no_id_has_no_full_spelling(text: str) -> None:
    if not is_id(text):
        with pytest.raises(ValueError):
            full(text)


def test_a_known_id_gets_its_known_suffix() -> None:
    assert full("001D000000IRFma") == "001D000000IRFmaIAH"  # as in Salesforce's own documentation


def test_a_user_who_may_see_no_cases_is_told_so() -> None:
    with pytest.raises(Permanent) as raised:
        learned_from([SubAnswer(name="Case", status=404, body=[{"errorCode": "NOT_FOUND", "message": "x"}])])
    assert raised.value.code == "no_access_to_cases"
