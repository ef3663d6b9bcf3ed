"""Outbound messages: what is told, in what form, and how often."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from crm_bridge.kit.emulation import FaultRule, Outgoing, Reply
from crm_bridge.kit.inbound import path_token
from crm_bridge_salesforce.emulator import SalesforceCrm

OUT, SF = "{http://soap.sforce.com/2005/09/outbound}", "{urn:sobject.enterprise.soap.sforce.com}"
ACK = (
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
    b"</notificationsResponse></soapenv:Body></soapenv:Envelope>"
)


def ids(body: bytes) -> list[str]:
    """The ids of the records in a message."""
    return [one.text for one in ElementTree.fromstring(body).iter(f"{SF}Id")]


def numbers(body: bytes) -> list[str]:
    """The ids of its notifications."""
    return [one.findtext(f"{OUT}Id") for one in ElementTree.fromstring(body).iter(f"{OUT}Notification")]


class Bridge:
    """Answers in turn, the last one for ever."""

    def __init__(self, *answers: Reply) -> None:
        self._answers = list(answers)
        self.heard: list[Outgoing] = []

    def __call__(self, outgoing: Outgoing) -> Reply:
        self.heard.append(outgoing)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def test_a_message_has_the_form_of_the_product(crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello & <b>", "x")
    first, second = crm.deliveries()
    assert first.target == f"/webhooks/demo/{path_token(crm.secrets[0])}"
    assert first.header("SOAPAction") == '""'
    root = ElementTree.fromstring(first.body)
    (told,) = root.iter(f"{OUT}notifications")
    assert [one.tag.removeprefix(OUT) for one in told] == [
        "OrganizationId",
        "ActionId",
        "SessionId",
        "EnterpriseUrl",
        "PartnerUrl",
        "Notification",
    ]
    assert told.findtext(f"{OUT}OrganizationId") == crm.org.people.organization_id
    assert (told.findtext(f"{OUT}ActionId") or "").startswith("04k")
    assert told.find(f"{OUT}SessionId").attrib["{http://www.w3.org/2001/XMLSchema-instance}nil"] == "true"
    (record,) = root.iter(f"{OUT}sObject")
    assert record.attrib["{http://www.w3.org/2001/XMLSchema-instance}type"] == "sf:Case"
    assert ids(first.body) == [case.id]
    (mail,) = ElementTree.fromstring(second.body).iter(f"{OUT}sObject")
    assert [(one.tag.removeprefix(SF), one.text) for one in mail][1] == ("ParentId", case.id)


def test_a_message_has_up_to_100_notifications_of_one_kind(crm: SalesforceCrm) -> None:
    opened = [crm.open_case(f"Case {number}", "x").id for number in range(120)]
    bodies = [one.body for one in crm.deliveries()]
    told = [one for body in bodies for one in ids(body)]
    assert set(opened) <= set(told)
    assert len(told) == 240
    assert max(len(numbers(body)) for body in bodies) <= 100
    for body in bodies:
        assert len({one[:3] for one in ids(body)}) == 1
    assert len(bodies) <= 6


def test_every_kind_of_change_is_told(crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x")
    crm.deliveries()
    for change in (
        lambda: crm.customer_writes(case, "More."),
        lambda: crm.agent_writes(case, "Hi.", agent="Ana Agent"),
        lambda: crm.change(case),
        lambda: crm.close(case),
        lambda: crm.reopen(case),
    ):
        change()
        assert len(crm.deliveries()) == 1


def test_what_the_bridge_writes_is_not_told_back(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x").id
    crm.deliveries()
    api("PATCH", f"/sobjects/Case/{case}", {"CRMB_State__c": "ready"})
    assert crm.deliveries() == []
    crm.integration_tells = True
    api("PATCH", f"/sobjects/Case/{case}", {"CRMB_State__c": "sent"})
    assert len(crm.deliveries()) == 1


def test_a_draft_of_a_mail_is_nobodys_business(crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x").id
    crm.deliveries()
    ana, mails = crm.org.people.id_of("Ana Agent"), crm.org.object("EmailMessage")
    draft = crm.org.store.put_new(mails, {"ParentId": case, "Status": "5", "Incoming": False}, ana)
    assert crm.deliveries() == []
    crm.org.store.change(mails, draft, {"Status": "3"}, ana)
    assert len(crm.deliveries()) == 1


def test_a_record_deleted_meanwhile_is_told_without_its_data(crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x")
    crm.delete(case)
    for one in crm.deliveries():
        assert ids(one.body) == []
        assert len(numbers(one.body)) == 1


@pytest.mark.parametrize(
    "refused",
    [
        Reply(status=200),
        Reply(status=200, body=ACK.replace(b"true", b"false")),
        Reply(status=503, body=ACK),
        Reply(status=400),
        Reply(status=413),
    ],
)
def test_only_an_acknowledgement_ends_redelivery(crm: SalesforceCrm, refused: Reply) -> None:
    bridge = Bridge(refused, refused, Reply(status=200, body=ACK))
    crm.connect(bridge)
    crm.release()
    crm.change(_opened(crm))
    crm.deliver(attempts=3)
    assert len({tuple(numbers(one.body)) for one in bridge.heard}) == 1
    assert crm.outbox.pending() == 0


def test_the_newest_data_is_told(crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x")
    merged_into = crm.open_case("Other", "x")
    crm.merge(case, merged_into)
    told = [one for delivery in crm.deliveries() for one in ids(delivery.body)]
    assert case.id not in told
    assert merged_into.id in told


def test_messages_are_doubled_dropped_and_come_out_of_order(crm: SalesforceCrm) -> None:
    bridge = Bridge(Reply(status=200, body=ACK))
    crm.connect(bridge)
    crm.release()
    case = _opened(crm)
    crm.faults.add(FaultRule(operation="webhook", duplicate=1), FaultRule(operation="webhook", drop=True))
    crm.change(case)
    crm.deliver()
    assert [len(numbers(one.body)) for one in bridge.heard] == [1, 1]
    crm.change(case)
    crm.deliver()
    assert len(bridge.heard) == 2
    crm.faults.add(FaultRule(operation="webhook", reorder=True))
    crm.change(case)
    crm.change(case)
    crm.deliver()
    first, second = numbers(bridge.heard[2].body)
    assert first > second


def test_a_signer_signs_as_messages_are_signed(crm: SalesforceCrm) -> None:
    _opened(crm, quiet=False)
    (told, _) = crm.deliveries()
    signed = crm.signer.sign(told.body)
    assert (signed.target, dict(signed.headers)) == (told.target, dict(told.headers))
    assert crm.signer.renewed().sign(b"").target != told.target


def _opened(crm: SalesforceCrm, *, quiet: bool = True) -> Any:
    held = crm._holding
    crm.hold()
    case = crm.open_case("Hello", "x")
    if quiet:
        crm.deliveries()
    if not held:
        crm.release()
    return case
