"""What comes in: Outbound Messages by the secret in their path, notices of Apex by their signature, and bad XML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st
from salesforce_tables import APEX_SECRET, ORGANIZATION, PATH_TOKEN, delivery, table

from crm_bridge.contract import (
    CaseRef,
    Delivery,
    EventKind,
    ForeignRef,
    InvalidDelivery,
    Receipt,
    VerificationFailed,
)
from crm_bridge.kit.inbound import path_token
from crm_bridge.kit.signing import new_secret
from crm_bridge_salesforce import soap, webhooks
from crm_bridge_salesforce.adapter import SalesforceAdapter

Connect = Callable[..., SalesforceAdapter]
SAMPLES = Path(__file__).parent / "samples"
CASE = "500Wx0000000001IAA"
GOOD = (SAMPLES / "case-created" / "body").read_bytes()


@pytest.fixture
def adapter(connect: Connect) -> SalesforceAdapter:
    return connect(table())


def sample(name: str) -> bytes:
    return (SAMPLES / name / "body").read_bytes()


def notice(document: Any = None, *, secret: str = APEX_SECRET, at: datetime | None = None, **changes: Any) -> Delivery:
    """As the Apex code posts it."""
    told = document if document is not None else {"type": "decision", "organizationId": ORGANIZATION, "caseId": CASE}
    body, moment = json.dumps(told).encode(), at or datetime.now(UTC)
    stamp = str(int(moment.timestamp()))
    headers = {
        "X_CRM_Bridge_Timestamp": stamp,
        "X_CRM_Bridge_Signature": webhooks.sign(secret, timestamp=stamp, body=body),
    }
    return delivery(body, target="/webhooks/sf", at=moment, **{**headers, **changes})


# --- Outbound Messages --------------------------------------------------------------------------------------------


def test_every_notification_is_a_hint_about_its_record(adapter: SalesforceAdapter) -> None:
    events = adapter.parse(adapter.verify(delivery(sample("batch-of-cases"))))
    assert [event.about for event in events] == [CaseRef(id=CASE), CaseRef(id="500Wx0000000003IAA")]
    assert all(event.raw == {} and event.occurred_at is None for event in events)
    assert len({event.key for event in events}) == 2


def test_a_mail_leads_to_its_case_where_it_names_one(adapter: SalesforceAdapter) -> None:
    (known,) = adapter.parse(adapter.verify(delivery(sample("mail-of-a-case"))))
    (foreign,) = adapter.parse(adapter.verify(delivery(sample("mail-by-its-own-id"))))
    assert known.about == CaseRef(id=CASE)
    assert foreign.about == ForeignRef(kind="EmailMessage", id="02sWx0000000002IAA")


def test_a_notification_of_a_deleted_record_is_kept(adapter: SalesforceAdapter) -> None:
    (one,) = re.findall(rb"<sObject.*</sObject>", GOOD, re.DOTALL)
    (event,) = adapter.parse(adapter.verify(delivery(GOOD.replace(one, b""))))
    assert (event.kind, event.about) == (EventKind.UNKNOWN, ForeignRef(kind="Notification", id="04lWx0000000001IAA"))


def test_elements_are_found_by_namespace_and_never_by_prefix(adapter: SalesforceAdapter) -> None:
    (event,) = adapter.parse(adapter.verify(delivery(sample("other-prefixes"))))
    assert event.about == CaseRef(id=CASE)
    with pytest.raises(InvalidDelivery):
        soap.parse(GOOD.replace(b"http://soap.sforce.com/2005/09/outbound", b"urn:somebody.else"))


def test_a_short_id_names_the_same_case_as_a_long_one(adapter: SalesforceAdapter) -> None:
    (event,) = adapter.parse(adapter.verify(delivery(GOOD.replace(b"500Wx0000000001IAA", b"500Wx0000000001"))))
    assert event.about == CaseRef(id=CASE)


def test_the_organization_is_compared_in_either_spelling(adapter: SalesforceAdapter) -> None:
    assert adapter.parse(adapter.verify(delivery(GOOD.replace(ORGANIZATION.encode(), ORGANIZATION[:15].encode()))))
    with pytest.raises(InvalidDelivery, match="another organization"):
        adapter.parse(adapter.verify(delivery(sample("invalid-other-organization"))))


def test_a_hundred_notifications_are_read_and_one_more_is_refused(adapter: SalesforceAdapter) -> None:
    (one,) = re.findall(rb"<Notification>.*</Notification>", GOOD, re.DOTALL)
    hundred = GOOD.replace(one, b"".join(one.replace(b"04lWx0000000001", b"04lWx%010d" % n) for n in range(100)))
    events = adapter.parse(adapter.verify(delivery(hundred)))
    assert len({event.key for event in events}) == 100
    with pytest.raises(InvalidDelivery, match="at most 100"):
        adapter.parse(adapter.verify(delivery(hundred.replace(one[:14], one + one[:14], 1))))


@pytest.mark.parametrize(
    "target",
    [
        "/webhooks/sf",
        "/webhooks/sf/",
        f"/webhooks/sf/{PATH_TOKEN[:-1]}0",
        f"/webhooks/sf/{PATH_TOKEN}/more",
        f"/panel/sf/{PATH_TOKEN}",
        f"/webhooks/sf/x?{PATH_TOKEN}",
    ],
)
def test_another_path_is_refused(adapter: SalesforceAdapter, target: str) -> None:
    with pytest.raises(VerificationFailed):
        adapter.verify(delivery(GOOD, target=target))


def test_secrets_in_the_path_rotate_in_either_form(connect: Connect) -> None:
    newer, older = new_secret(), PATH_TOKEN
    adapter = connect(table(webhook_secrets=[newer, older]))
    for token in (path_token(newer), older):
        assert not adapter.verify(delivery(GOOD, target=f"/webhooks/sf/{token}")).signed_body
    with pytest.raises(VerificationFailed):
        connect(table(webhook_secrets=[newer])).verify(delivery(GOOD))


def test_only_what_was_stored_is_acknowledged(adapter: SalesforceAdapter) -> None:
    yes = adapter.acknowledge(delivery(GOOD), Receipt(events=1, new=0))
    no = adapter.acknowledge(delivery(b""), None)
    acks = [fromstring(one.body).find(f".//{{{soap.OUTBOUND}}}Ack") for one in (yes, no)]
    assert [ack.text for ack in acks if ack is not None] == ["true", "false"]
    assert yes.content_type.startswith("text/xml")


# --- bad XML ------------------------------------------------------------------------------------------------------

BILLION_LAUGHS = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>' + GOOD
BAD = (
    b"", b"[]", b"<", b"<a/>", b"\xff\xfe<\x00a\x00/\x00>\x00", b"<a>" * 50_000, b"<a " + b"b='c' " * 30_000 + b"/>",
    BILLION_LAUGHS, GOOD + GOOD, GOOD[:-20], GOOD.replace(b"500Wx0000000001IAA", b"../../../etc/passwd"),
    GOOD.replace(b"500Wx0000000001IAA", b"https://evil.test/x"), GOOD.replace(b"sf:Case\"", b"sf:Case'; DROP\""),
    GOOD.replace(b"</Notification>", b"</Notification><!--" + b"-" * 300_000 + b"-->"),
    GOOD.replace(b'encoding="UTF-8"', b'encoding="UTF-7"'), GOOD.replace(b'encoding="UTF-8"', b'encoding="x-none"'),
    b'<?xml-stylesheet href="http://127.0.0.1:1/x"?><a xmlns:xi="http://www.w3.org/2001/XInclude"/>',
)  # fmt: skip


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_bad_xml_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(InvalidDelivery) as raised:
        soap.parse(body)
    assert "evil" not in str(raised.value)


def test_the_samples_that_are_called_invalid_are() -> None:
    for name in ("invalid-document-type", "invalid-case-without-id", "invalid-truncated"):
        with pytest.raises(InvalidDelivery):
            soap.parse(sample(name))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.binary(max_size=20))
def test_no_damage_to_a_message_breaks_parsing(begin: int, length: int, instead: bytes) -> None:
    damaged = GOOD[:begin] + instead + GOOD[begin + length :]
    try:
        message = soap.parse(damaged)
    except InvalidDelivery:
        return
    assert all(re.fullmatch(r"[A-Za-z0-9]{18}", one.record) for one in message.notifications)


# --- notices of Apex ----------------------------------------------------------------------------------------------


def test_a_signed_notice_says_that_the_draft_of_a_case_changed(adapter: SalesforceAdapter) -> None:
    verified = adapter.verify(notice())
    (event,) = adapter.parse(verified)
    assert (verified.signed_body, event.kind, event.about) == (True, EventKind.DRAFT_CHANGED, CaseRef(id=CASE))


def test_a_notice_of_an_unknown_type_is_kept(adapter: SalesforceAdapter) -> None:
    told = {"type": "newer", "organizationId": ORGANIZATION, "caseId": CASE}
    (event,) = adapter.parse(adapter.verify(notice(told)))
    assert event.kind is EventKind.UNKNOWN


@pytest.mark.parametrize(
    "document", [[], {}, {"caseId": CASE}, {"caseId": "x", "organizationId": ORGANIZATION}, {"organizationId": "00D"}]
)
def test_a_signed_notice_that_names_no_case_of_ours_is_refused(adapter: SalesforceAdapter, document: Any) -> None:
    with pytest.raises(InvalidDelivery):
        adapter.parse(adapter.verify(notice(document)))


def test_whatever_is_changed_in_a_notice_is_refused(adapter: SalesforceAdapter) -> None:
    good = notice()
    stamp = good.header("x-crm-bridge-timestamp") or ""
    for bad in (
        replace(good, body=good.body + b" "),
        replace(good, received_at=good.received_at + timedelta(minutes=6)),
        replace(good, received_at=good.received_at - timedelta(minutes=6)),
        notice(X_CRM_Bridge_Timestamp=str(int(stamp) + 1)),
        notice(X_CRM_Bridge_Signature="v1=" + "0" * 64),
        notice(X_CRM_Bridge_Signature=""),
        notice(X_CRM_Bridge_Timestamp="\u0663"),
        notice(secret="another secret of the same length"),
        replace(good, headers={**good.headers, "x-crm-bridge-signature": "v1=" + "0" * 64}),
        replace(good, headers={}),
    ):
        with pytest.raises(VerificationFailed):
            adapter.verify(bad)


def test_without_apex_secrets_no_notice_is_believed(connect: Connect) -> None:
    adapter = connect(table(apex_secrets=[]))
    for secret in ("", APEX_SECRET):
        with pytest.raises(VerificationFailed):
            adapter.verify(notice(secret=secret))


def test_secrets_of_apex_rotate(connect: Connect) -> None:
    adapter = connect(table(apex_secrets=["the newer of the two secrets", APEX_SECRET]))
    assert adapter.verify(notice()).signed_body
    assert adapter.verify(notice(secret="the newer of the two secrets")).signed_body
