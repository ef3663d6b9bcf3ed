"""Writing into an org: once by its key, never over a person's words, with few calls; comments without the package."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import (
    Addressing,
    CaseContext,
    CaseRef,
    Conflict,
    DecisionKind,
    Draft,
    Finding,
    Fingerprint,
    PanelState,
    Permanent,
    Retry,
    Severity,
    Source,
    StateKind,
    Unsupported,
)
from crm_bridge.kit.emulation import FaultRule
from crm_bridge_salesforce import comments, drafts
from crm_bridge_salesforce.adapter import SalesforceAdapter
from crm_bridge_salesforce.emulator.handle import SalesforceCrm
from crm_bridge_salesforce.refusals import refusal

Connect = Callable[..., SalesforceAdapter]
ANA, BEN = "Ana Agent", "Ben Agent"
TEXT = "Please use the reset link."


@pytest.fixture
def adapter(connect: Connect, org: SalesforceCrm) -> SalesforceAdapter:
    return connect(org.config, clock=org.clock)


@pytest.fixture(scope="module")
def bare() -> Iterator[SalesforceCrm]:
    """An org without the package."""
    crm = SalesforceCrm(installed=False)
    crm.start()
    yield crm
    crm.stop()


def opened(org: SalesforceCrm) -> CaseRef:
    return org.open_case("Sign-in", "I cannot sign in.")


def draft(adapter: SalesforceAdapter, case: CaseRef, **changes: Any) -> Draft:
    context = adapter.read_case(case)
    assert isinstance(context, CaseContext)
    assert context.addressing is not None
    public = tuple(one.id for one in context.public_messages)
    made = Draft(
        id="d-1",
        revision=1,
        answers=public[-1],
        made_from=public,
        text=TEXT,
        language="en",
        addressing=context.addressing,
    )
    return replace(made, **changes)


def state(sequence: int, kind: StateKind = StateKind.NO_DRAFT, **more: Any) -> PanelState:
    return PanelState(kind=kind, sentence="A sentence.", action="Do it.", reason="data", sequence=sequence, **more)


def records(org: SalesforceCrm, case: CaseRef) -> list[dict[str, Any]]:
    return org.org.store.referring("AI_Draft__c", "Case__c", case.id)


# --- calls --------------------------------------------------------------------------------------------------------


def test_a_handled_change_costs_one_read_and_one_write(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    cases = [opened(org) for _ in range(100)]
    adapter.read_case(cases[0])
    with org.calls.during() as calls:
        for number, case in enumerate(cases):
            adapter.write_draft(case, draft(adapter, case), f"first-{number}", None)
    assert dict(calls) == {"composite": 200}
    with org.calls.during() as calls:
        for number, case in enumerate(cases[:20]):
            org.customer_writes(case, "And another thing.")
            adapter.write_draft(case, draft(adapter, case, revision=2), f"second-{number}", drafts.fingerprint(TEXT))
    assert dict(calls) == {"composite": 60}, "one read, one look at what stands there, one write"


def test_a_state_without_a_draft_costs_at_most_one_write(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = opened(org)
    adapter.read_case(case)
    with org.calls.during() as calls:
        adapter.show(case, state(1), "k")
    assert dict(calls) == {"composite": 1}
    assert org.shown(case) == "no_draft"


def test_what_was_seen_is_forgotten_after_a_minute(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = opened(org)
    made = draft(adapter, case)
    org.clock.advance(timedelta(minutes=2))
    org.customer_writes(case, "Never mind, it works now.")
    with pytest.raises(Conflict) as raised:
        adapter.write_draft(case, made, "k-late", None)
    assert raised.value.code == "newer_message"
    assert org.standing(case) == ()


# --- records ------------------------------------------------------------------------------------------------------


def test_the_record_holds_all_that_the_component_shows(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = opened(org)
    source = Source(id="a-1", title="Reset", url="https://example.com", excerpt="Use the link.")
    made = draft(adapter, case, sources=(source,))
    adapter.write_draft(case, made, "k-record", None)
    (record,) = records(org, case)
    assert (record["Body__c"], record["Status__c"], record["Draft_Id__c"], record["Revision__c"]) == (
        TEXT, "ready", made.id, 1,
    )  # fmt: skip
    assert json.loads(record["Sources__c"])[0]["title"] == "Reset"
    assert json.loads(record["Addressing__c"])["to"] == list(made.addressing.to)
    assert json.loads(record["Made_From__c"]) == list(made.made_from)
    assert org.shown(case) == "ready"


def test_a_new_revision_supersedes_the_old_record(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = opened(org)
    ref = adapter.write_draft(case, draft(adapter, case), "k-old", None)
    adapter.write_draft(case, draft(adapter, case, revision=2, text="Newer."), "k-new", ref.fingerprint)
    assert [one["Status__c"] for one in records(org, case)] == ["superseded", "ready"]


def test_a_lost_answer_is_looked_up_by_its_key(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = opened(org)
    made = draft(adapter, case)
    org.faults.add(FaultRule(operation="composite", status=500, drop_answer_after_effect=True))
    ref = adapter.write_draft(case, made, "k-lost", None)
    assert [one["Id"] for one in records(org, case)] == [ref.id]


def test_a_decision_is_read_whole(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = opened(org)
    ref = adapter.write_draft(case, draft(adapter, case), "k-decided", None)
    assert org.decide(case, "edit", BEN, revision=1, text="My words.")
    remote = adapter.read_draft(ref)
    assert remote is not None
    assert remote.decision is not None
    told = remote.decision
    assert (told.kind, told.text, told.revision) == (DecisionKind.EDIT, "My words.", 1)
    assert (told.agent.id, told.agent.name) == (org.agent(BEN).id, BEN)


def test_a_decision_that_was_heard_may_be_followed_by_a_new_draft(
    adapter: SalesforceAdapter, org: SalesforceCrm
) -> None:
    case = opened(org)
    made = draft(adapter, case)
    ref = adapter.write_draft(case, made, "k-heard", None)
    assert org.decide(case, "reject", BEN, revision=1, reason="tone")
    newer = draft(adapter, case, id="d-2", revision=2)
    with pytest.raises(Conflict) as raised:
        adapter.write_draft(case, newer, "k-after", ref.fingerprint)
    assert raised.value.code == "decided"
    adapter.show(case, state(5, StateKind.REJECTED, draft_id=made.id, draft_status="rejected"), "k")
    adapter.write_draft(case, newer, "k-after", ref.fingerprint)
    assert [one["Status__c"] for one in records(org, case)] == ["rejected", "ready"]


def test_what_became_of_a_draft_stands_on_its_record(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = opened(org)
    made = draft(adapter, case)
    adapter.write_draft(case, made, "k-became", None)
    assert org.decide(case, "accept", ANA, revision=1)
    adapter.show(case, state(7, StateKind.SENT, draft_id=made.id, draft_status="sent"), "k")
    (record,) = records(org, case)
    assert (record["Status__c"], record["Decision__c"]) == ("sent", "accept")


def test_a_state_of_another_process_is_not_shown_over_a_newer_one(connect: Connect, org: SalesforceCrm) -> None:
    case = opened(org)
    one, other = (connect(org.config, clock=org.clock) for _ in range(2))
    for adapter in (one, other):
        adapter.read_case(case)
    one.show(case, state(8), "k")
    org.clock.advance(timedelta(seconds=3))
    one.show(case, state(9, StateKind.SUPERSEDED), "k")
    other.show(case, state(6, StateKind.DRAFTING), "k")
    assert org.shown(case) == "superseded"


def test_the_withdrawal_of_an_edited_draft_is_refused(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = opened(org)
    ref = adapter.write_draft(case, draft(adapter, case), "k-edited", None)
    org.edit_in_place(case, "My own words", BEN)
    with pytest.raises(Conflict):
        adapter.withdraw_draft(ref, ref.fingerprint)
    assert records(org, case)[0]["Status__c"] == "ready"


@pytest.mark.parametrize("key", ["../x", "a/b", "", "é" * 10, "k" * 65, "a?b"])
def test_a_key_is_never_a_path(adapter: SalesforceAdapter, org: SalesforceCrm, key: str) -> None:
    case = opened(org)
    with pytest.raises(Permanent):
        adapter.write_draft(case, draft(adapter, case), key, None)
    assert records(org, case) == []


# --- limits -------------------------------------------------------------------------------------------------------


def test_above_the_share_of_the_day_nothing_is_drafted_and_everything_observed(connect: Connect) -> None:
    crm = SalesforceCrm(requests_a_day=40)
    crm.start()
    try:
        adapter = connect({**crm.config, "max_daily_share": 0.25}, clock=crm.clock)
        case = opened(crm)
        made = draft(adapter, case)
        cursor = adapter.changed_since(None).cursor
        for _ in range(10):
            adapter.read_case(case)
        for call in (lambda: adapter.write_draft(case, made, "k-share", None), lambda: adapter.list_articles(None)):
            with pytest.raises(Permanent) as raised:
                call()
            assert raised.value.code == "daily_share_used"
        assert crm.standing(case) == ()
        assert isinstance(adapter.read_case(case), CaseContext)
        adapter.changed_since(cursor)
    finally:
        crm.stop()


CONCURRENT = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."


@pytest.mark.parametrize(
    ("status", "code", "message", "after"),
    [
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", timedelta(minutes=15)),
        (403, "REQUEST_LIMIT_EXCEEDED", CONCURRENT, timedelta(seconds=30)),
        (400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", timedelta(seconds=2)),
        (400, "QUERY_TIMEOUT", "Your query request was running for too long.", timedelta(seconds=30)),
    ],
)
def test_what_passes_is_waited_for(status: int, code: str, message: str, after: timedelta) -> None:
    error = refusal("write", status, [{"message": message, "errorCode": code}])
    assert isinstance(error, Retry)
    assert error.after == after
    assert message not in str(error)


# --- without the package ------------------------------------------------------------------------------------------


def test_without_the_package_a_draft_is_an_internal_comment(connect: Connect, bare: SalesforceCrm) -> None:
    adapter, case = connect(bare.config, clock=bare.clock), opened(bare)
    made = draft(adapter, case)
    ref = adapter.write_draft(case, made, "k-comment", None)
    assert adapter.write_draft(case, made, "k-comment", None) == ref
    (standing,) = bare.standing(case)
    assert TEXT in standing
    remote = adapter.read_draft(ref)
    assert remote is not None
    assert (remote.ref, remote.text, remote.decision) == (ref, TEXT, None)
    with pytest.raises(Unsupported):
        adapter.withdraw_draft(ref, ref.fingerprint)
    with pytest.raises(Unsupported):
        adapter.show(case, state(1), "k")
    context = adapter.read_case(case)
    assert isinstance(context, CaseContext)
    assert not any(TEXT in one.text for one in context.messages), "our own draft is no message of the case"


def test_who_wants_records_is_told_that_the_package_is_missing(connect: Connect, bare: SalesforceCrm) -> None:
    adapter, case = connect({**bare.config, "target": "record"}, clock=bare.clock), opened(bare)
    with pytest.raises(Unsupported) as raised:
        adapter.write_draft(case, draft(adapter, case), "k-record", None)
    assert raised.value.code == "app_not_installed"
    assert bare.standing(case) == ()


def test_a_long_draft_stands_in_several_comments(connect: Connect, bare: SalesforceCrm) -> None:
    adapter, case = connect({**bare.config, "target": "comment"}, clock=bare.clock), opened(bare)
    text = "\n".join(f"Step {number}: press the büttön and wait." for number in range(300))
    made = draft(adapter, case, text=text)
    ref = adapter.write_draft(case, made, "k-long", None)
    assert adapter.write_draft(case, made, "k-long", None) == ref
    standing = bare.standing(case)
    assert len(standing) > 2
    assert all(len(one.encode()) <= 4_000 for one in standing)
    for number in range(300):
        assert any(f"Step {number}:" in one for one in standing)


# --- pure ---------------------------------------------------------------------------------------------------------

ADDRESSING = Addressing(channel="email", sender="support@example.com", to=("ann@example.org",), in_reply_to="02s")


def pure(text: str) -> Draft:
    return Draft(
        id="d-1", revision=1, answers="02s", made_from=("02s",), text=text, language="en", addressing=ADDRESSING
    )


@given(st.text(min_size=1, max_size=12_000).filter(str.strip))
def test_no_part_of_a_comment_is_too_long_and_each_is_known_again(text: str) -> None:
    parts = comments.parts(pure(text), "key")
    for part in parts:
        assert len(part.encode("utf-8", "replace")) <= 4_000
        assert comments.is_ours(part)
        assert comments.has_mark(part, "key")
        assert not comments.has_mark(part, "other")


def test_a_list_that_does_not_fit_its_field_stays_a_list() -> None:
    many = tuple(Source(id=f"a-{number}", title="Title", excerpt="word " * 400) for number in range(100))
    kept = json.loads(drafts.draft_fields("500", replace(pure("Hi"), sources=many))["Sources__c"])
    assert 0 < len(kept) < 100


def test_a_long_state_still_fits_its_fields() -> None:
    finding = Finding(code="x", severity=Severity.INFORMING, field="f", detail="d" * 2_000)
    fields = drafts.state_fields(state(1, findings=(finding,) * 50), datetime.now(UTC))
    assert json.loads(fields["CRMB_State_Detail__c"])["findings"] == []
    assert len(fields["CRMB_State_Detail__c"]) <= drafts.MAX_JSON_CHARS


@pytest.mark.parametrize("other", ["Dear Ann\r\n\r\nHello  \r\n", "  Dear Ann\n\nHello", "Dear Ann\n\nHello\n\n"])
def test_what_salesforce_does_to_a_text_is_no_edit(other: str) -> None:
    assert drafts.fingerprint(other) == drafts.fingerprint("Dear Ann\n\nHello")
    assert drafts.fingerprint("Dear Ann\n\nHello!") != Fingerprint(value=drafts.fingerprint(other).value)
