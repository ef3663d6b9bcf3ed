"""What people do in the org: decide in the component, send their own mail, merge and edit; and what is true then."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from typing import Any

import pytest

from crm_bridge.contract import Attachment, CaseRef
from crm_bridge.testing.handle import EmulatedCrm, Signer
from crm_bridge_salesforce.emulator import SalesforceCrm
from crm_bridge_salesforce.emulator.apex import ApexRefused, Decision

ANA, BEN = "Ana Agent", "Ben Agent"


@pytest.fixture
def case(api: Any, crm: SalesforceCrm) -> CaseRef:
    """A case with a draft, revision 1."""
    opened = crm.open_case("Hello", "It broke.")
    draft(api, crm, opened)
    crm.deliveries()
    return opened


def draft(api: Any, crm: SalesforceCrm, case: CaseRef, revision: int = 1, **more: Any) -> str:
    made_from = [one.id for one in crm.thread(case)]
    fields = {"Case__c": case.id, "Body__c": "Try again.", "Revision__c": revision, "Status__c": "ready"}
    fields |= {"Made_From__c": json.dumps(made_from), "Answers__c": made_from[-1]}
    reply = api("PATCH", f"/sobjects/AI_Draft__c/External_Key__c/k{case.id}{revision}", {**fields, **more})
    assert reply.status == 201, reply.body
    return str(reply.body["id"])


def decision(crm: SalesforceCrm, case: CaseRef, kind: str = "accept", agent: str = ANA, **more: Any) -> Decision:
    newest = crm.apex.newest(case.id) or {}
    known = {"draft": newest["Id"], "revision": int(newest["Revision__c"]), "user": crm.agent(agent).id}
    return Decision(**{"case": case.id, "kind": kind, **known, **more})


def refusal(crm: SalesforceCrm, wanted: Decision) -> str:
    with pytest.raises(ApexRefused) as refused:
        crm.apex.decide(wanted)
    return refused.value.code


def test_the_handle_is_what_the_suite_asks_for(crm: SalesforceCrm) -> None:
    assert isinstance(crm, EmulatedCrm)
    assert isinstance(crm.signer, Signer)


def test_accepting_makes_the_persons_own_mail_draft(api: Any, crm: SalesforceCrm, case: CaseRef) -> None:
    assert crm.decide(case, "accept", ANA, revision=1)
    decided = api.rows("SELECT Status__c, Decision__c, Decided_By__r.Name, Email_Message__c FROM AI_Draft__c")[0]
    assert (decided["Status__c"], decided["Decided_By__r"]["Name"]) == ("accepted", ANA)
    mail = crm.org.store.get(decided["Email_Message__c"]) or {}
    assert (mail["Status"], mail["IsPrivateDraft"], mail["TextBody"]) == ("5", True, "Try again.")
    assert (mail["Subject"], mail["ToAddress"], mail["AutomationType"]) == (
        "Re: Hello",
        "ann@example.org",
        "AiAssisted",
    )
    assert mail["ReplyToEmailMessageId"] == crm.thread(case)[0].id
    assert [one.text for one in crm.thread(case)] == ["It broke."]
    assert crm.send_natively(case, BEN) is None
    sent = crm.send_natively(case, ANA)
    assert (crm.thread(case)[-1].id, crm.thread(case)[-1].author.name) == (sent, ANA)
    assert api.read("EmailMessage", str(sent))["Status"] == "3"


def test_the_same_answer_again_is_the_first_one(crm: SalesforceCrm, case: CaseRef) -> None:
    wanted = decision(crm, case)
    first, second = crm.apex.decide(wanted), crm.apex.decide(wanted)
    assert first == second
    mails = crm.org.store.referring("EmailMessage", "ParentId", case.id)
    assert len([one for one in mails if one["Status"] == "5"]) == 1


def test_of_two_people_at_once_one_decides(crm: SalesforceCrm, case: CaseRef) -> None:
    begin, results = threading.Barrier(2), {}

    def run(agent: str) -> None:
        begin.wait(30)
        results[agent] = crm.decide(case, "accept", agent, revision=1)

    threads = [threading.Thread(target=run, args=(agent,)) for agent in (ANA, BEN)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results.values()) == [False, True]
    mails = crm.org.store.referring("EmailMessage", "ParentId", case.id)
    assert len([one for one in mails if one["Status"] == "5"]) == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"kind": "forget"}, "unknown_decision"),
        ({"kind": "edit", "text": "  "}, "blank"),
        ({"kind": "edit", "text": "x" * 131_073}, "too_long"),
        ({"kind": "reject"}, "reason_missing"),
        ({"kind": "respond"}, "instruction_missing"),
        ({"revision": 2}, "not_newest"),
        ({"draft": "a0B000000000000AAA"}, "no_draft"),
    ],
)
def test_what_makes_no_sense_is_refused(crm: SalesforceCrm, case: CaseRef, changed: Any, code: str) -> None:
    wanted = decision(crm, case)
    fields = {name: getattr(wanted, name) for name in ("case", "draft", "revision", "kind", "user")}
    assert refusal(crm, Decision(**{**fields, **changed})) == code


def test_only_the_newest_draft_that_is_ready_can_be_decided(api: Any, crm: SalesforceCrm, case: CaseRef) -> None:
    older = decision(crm, case)
    newer = draft(api, crm, case, revision=2)
    assert refusal(crm, older) == "not_newest"
    api("PATCH", f"/sobjects/AI_Draft__c/{newer}", {"Status__c": "superseded"})
    assert refusal(crm, decision(crm, case)) == "not_ready"
    draft(api, crm, case, revision=3)
    crm.apex.decide(decision(crm, case))
    assert refusal(crm, decision(crm, case, agent=BEN)) == "already_decided"


def test_what_the_customer_wrote_since_has_to_be_named(crm: SalesforceCrm, case: CaseRef) -> None:
    newest = crm.customer_writes(case, "It works now.")
    assert refusal(crm, decision(crm, case)) == "newer_message"
    assert refusal(crm, decision(crm, case, "edit", text="Good!")) == "newer_message"
    decided = crm.apex.decide(decision(crm, case, "edit", text="Good!", answers=newest))
    assert (decided["Final_Body__c"], decided["Decision_Answers__c"]) == ("Good!", newest)


def test_a_blocking_flag_has_to_be_acknowledged_or_edited_away(api: Any, crm: SalesforceCrm, case: CaseRef) -> None:
    flag = {"code": "promise", "severity": "blocking", "excerpt": "Try again."}
    draft(api, crm, case, revision=2, Flags__c=json.dumps([flag, {"code": "link", "severity": "informing"}]))
    assert refusal(crm, decision(crm, case)) == "flags_not_acknowledged"
    assert refusal(crm, decision(crm, case, "edit", text="Please try again. Thanks")) == "flags_not_acknowledged"
    assert crm.apex.decide(decision(crm, case, "edit", text="Wait for us."))["Status__c"] == "edited"
    draft(api, crm, case, revision=3, Flags__c=json.dumps([flag]))
    assert crm.apex.decide(decision(crm, case, acknowledged=["promise"]))["Acknowledged__c"] == "promise"


def test_the_bridge_decides_nothing(api: Any, crm: SalesforceCrm, case: CaseRef) -> None:
    record = (crm.apex.newest(case.id) or {})["Id"]
    for who in (crm.org.people.integration, crm.agent(ANA).id):
        changed = {"Status__c": "accepted", "Decision__c": "accept", "Decided_By__c": who}
        reply = api("PATCH", f"/sobjects/AI_Draft__c/{record}", changed)
        assert (reply.status, reply.code) == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert crm.decide(case, "accept", ANA, revision=1)
    assert api("PATCH", f"/sobjects/AI_Draft__c/{record}", {"Status__c": "sent"}).status == 204


def test_a_decision_is_told_once_and_signed(crm: SalesforceCrm, case: CaseRef) -> None:
    crm.decide(case, "reject", ANA, revision=1, reason="tone")
    (told,) = crm.deliveries()
    at = told.header("X-CRM-Bridge-Timestamp") or ""
    mac = hmac.new(crm.apex_secret.encode(), at.encode() + b"." + told.body, hashlib.sha256).hexdigest()
    assert (told.target, told.header("X-CRM-Bridge-Signature")) == ("/webhooks/demo", f"v1={mac}")
    document = json.loads(told.body)
    assert (document["type"], document["caseId"]) == ("decision", case.id)
    assert set(document) == {"type", "organizationId", "caseId", "draftId", "at"}


def test_a_reason_that_is_none_of_the_list_is_said_in_words(crm: SalesforceCrm, case: CaseRef) -> None:
    assert crm.decide(case, "reject", ANA, revision=1, reason="too friendly")
    newest = crm.apex.newest(case.id) or {}
    assert (newest["Reason__c"], newest["Comment__c"]) == ("other", "too friendly")


def test_a_merged_case_lives_on_in_the_survivor(api: Any, crm: SalesforceCrm, case: CaseRef) -> None:
    survivor = crm.open_case("Other", "Second.")
    assert crm.merge(case, survivor)
    gone = api.query(f"SELECT IsDeleted, MasterRecordId FROM Case WHERE Id = '{case.id}'", every=True).body["records"]
    assert [(one["IsDeleted"], one["MasterRecordId"]) for one in gone] == [(True, survivor.id)]
    assert {one.text for one in crm.thread(case)} == {"It broke.", "Second."}


def test_what_stands_follows_what_people_do(crm: SalesforceCrm, case: CaseRef, api: Any) -> None:
    assert crm.standing(case) == ("Try again.",)
    assert crm.edit_in_place(case, "My words", BEN)
    assert crm.standing(case) == ("My words",)
    assert crm.remove_draft(case)
    assert crm.standing(case) == ()
    assert not crm.decide(case, "accept", ANA, revision=1)
    api.create("CaseComment", ParentId=case.id, CommentBody="Our note", IsPublished=False)
    crm.agent_writes(case, "Their note", agent=ANA, public=False)
    assert crm.standing(case) == ("Our note",)
    api("PATCH", f"/sobjects/Case/{case.id}", {"CRMB_State__c": "ready"})
    assert crm.shown(case) == "ready"


def test_the_thread_is_what_the_customer_has(crm: SalesforceCrm, api: Any) -> None:
    case = crm.open_case("Hello", "One")
    crm.customer_writes(case, "Two", html="<p>Two</p>", automatic=True)
    crm.agent_writes(case, "Three", agent=ANA)
    crm.agent_writes(case, "hidden", agent=ANA, public=False)
    api.create("CaseComment", ParentId=case.id, CommentBody="Four", IsPublished=True)
    told = crm.thread(case)
    assert [one.text for one in told] == ["One", "Two", "Three", "Four"]
    assert [one.author.kind for one in told] == ["customer", "customer", "agent", "bridge"]
    assert [one.automatic for one in told] == [False, True, False, False]
    web = api.create("Case", Subject="By form", Description="Help me", Origin="Web", SuppliedEmail="bo@example.org")
    assert [(one.id, one.text) for one in crm.thread(CaseRef(id=web))] == [(web, "Help me")]


def test_articles_are_published_changed_and_deleted(api: Any, crm: SalesforceCrm) -> None:
    statement = "SELECT UrlName, Answer__c, IsDeleted FROM Knowledge__kav WHERE PublishStatus = 'Online'"
    crm.publish("reset", "Reset", "Old.")
    crm.publish("reset", "Reset", "New.")
    assert api.rows(statement) == [{"UrlName": "reset", "Answer__c": "New.", "IsDeleted": False}]
    crm.publish("reset", "Reset", "New.", deleted=True)
    assert api.rows(statement) == []
    assert api.query(statement, every=True).body["records"][0]["IsDeleted"] is True


def test_files_of_a_mail_are_documents_linked_to_it(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "One")
    files = (Attachment(name="Invoice 7.pdf", type="application/pdf", size=9), Attachment(name="notes", size=None))
    mail = crm.customer_attaches(case, "Two", files)
    links = "(SELECT ContentDocument.Title, ContentDocument.FileExtension FROM ContentDocumentLinks)"
    reply = api.query(f"SELECT (SELECT Id, HasAttachment, {links} FROM EmailMessages ORDER BY Id DESC) FROM Case")
    newest = reply.body["records"][0]["EmailMessages"]["records"][0]
    documents = [one["ContentDocument"] for one in newest["ContentDocumentLinks"]["records"]]
    assert (newest["Id"], newest["HasAttachment"]) == (mail, True)
    assert [(one["Title"], one["FileExtension"]) for one in documents] == [("Invoice 7", "pdf"), ("notes", None)]
    assert api.query("SELECT Id FROM ContentDocumentLink").code == "MALFORMED_QUERY"
    assert len(api.rows(f"SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '{mail}'")) == 2
