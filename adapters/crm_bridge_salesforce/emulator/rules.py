"""What a write means for one object: the rules of cases, mails, people and articles, as data of functions.

A rule gets the record before and after and gives what is kept. It owns no storage and tells nobody. Like the product, a
new mail or comment changes nothing of its case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.ids import make_id

if TYPE_CHECKING:
    from crm_bridge_salesforce.emulator.store import Store

Rule = Callable[["Store", Record | None, Record], Record]

CLOSED = "Closed"
NEW, READ, SENT, DRAFT = "0", "1", "3", "5"
"""Values of the status of a mail."""
BRIDGE_USER_NAME = "CRM Bridge Integration"
"""Whose permission set says that it is the bridge."""
_DECIDED = frozenset({"accepted", "edited", "rejected", "regenerated"})
_DECIDING = ("Status__c", "Decision__c", "Decided_By__c", "Decided_At__c")
_ON_EVERY_WRITE = frozenset({"LastModifiedDate", "LastModifiedById", "SystemModstamp"})
_OF_SENT_MAIL = frozenset({"IsExternallyVisible", "ParentId", "RelatedToId"})


def case(store: Store, before: Record | None, record: Record) -> Record:
    """Closed by its status; its number, contact's address and account follow."""
    if before is None:
        record["CaseNumber"] = f"{1000 + store.records.next_number('CaseNumber'):08}"
    record["IsClosed"] = record.get("Status") == CLOSED
    if not record["IsClosed"]:
        record["ClosedDate"] = None
    elif before is None or not before["IsClosed"]:
        record["ClosedDate"] = store.now()
    contact = store.live(record["ContactId"]) if record.get("ContactId") else None
    record["ContactEmail"] = contact["Email"] if contact else None
    record["ContactPhone"] = contact["Phone"] if contact else None
    if contact and not record.get("AccountId"):
        record["AccountId"] = contact["AccountId"]
    return record


def email_message(store: Store, before: Record | None, record: Record) -> Record:
    """Only a draft may still be written; its case stands in two fields."""
    parent, related = record.get("ParentId"), record.get("RelatedToId")
    record["ParentId"] = parent or (related if str(related).startswith("500") else None)
    record["RelatedToId"] = related or parent
    if before is None or (before["Status"] == DRAFT and record["Status"] != DRAFT):
        given = record.get("MessageDate") if before is None else None
        record["MessageDate"] = given or store.now()
        if not record.get("MessageIdentifier"):
            record["MessageIdentifier"] = f"<{record['Id']}@salesforce.example>"
    if before is not None and before["Status"] != DRAFT:
        _check_sent_mail(before, record)
    if record.get("ReplyToEmailMessageId"):
        answered = store.live(record["ReplyToEmailMessageId"])
        if answered is not None and answered["Status"] == DRAFT:
            detail = "You can't reply to a draft email message."
            raise Refused(400, "FIELD_INTEGRITY_EXCEPTION", detail, ["ReplyToEmailMessageId"])
    return record


def _check_sent_mail(before: Record, record: Record) -> None:
    names = (name for name in record if not name.endswith("__c") and name not in _ON_EVERY_WRITE)
    changed = {name for name in names if before.get(name) != record[name]}
    if before["Status"] == NEW and record["Status"] in (READ, "2", "4"):
        changed.discard("Status")
    if changed - _OF_SENT_MAIL:
        detail = "You can only update an email message that is a draft."
        raise Refused(400, "INSUFFICIENT_ACCESS_OR_READONLY", detail, sorted(changed - _OF_SENT_MAIL))


def person(_store: Store, _before: Record | None, record: Record) -> Record:
    """First and last name make the name."""
    record["Name"] = " ".join(part for part in (record.get("FirstName"), record.get("LastName")) if part)
    return record


def ai_draft(store: Store, before: Record | None, record: Record) -> Record:
    """Numbered by itself; the package's validation rules say who decides, and when."""
    changed = before is None or any(before.get(name) != record.get(name) for name in _DECIDING)
    if changed and record.get("Status__c") in _DECIDED:
        _check_decider(store, record)
        if before is not None and before["Status__c"] != "ready":
            said = "This draft is not ready any more: it was decided, or something newer stands."
            raise Refused(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", said, [])
    if before is None:
        record["Name"] = f"AID-{store.records.next_number('AI_Draft__c'):08}"
    return record


def _check_decider(store: Store, record: Record) -> None:
    saver = store.get(record["LastModifiedById"])
    is_bridge = saver is not None and saver["Name"] == BRIDGE_USER_NAME
    if is_bridge or record.get("Decided_By__c") != record["LastModifiedById"]:
        said = "A draft is decided by the person who saves the decision, with their own name."
        raise Refused(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", said, [])


def article(store: Store, before: Record | None, record: Record) -> Record:
    """A version of an article: which article it is, and since when it can be read."""
    if before is None and not record.get("KnowledgeArticleId"):
        record["KnowledgeArticleId"] = make_id("kA0", store.records.next_number("id.kA0"))
        record["ArticleNumber"] = f"{store.records.next_number('ArticleNumber'):09}"
        record["VersionNumber"] = 1
        record["IsLatestVersion"] = True
    if record.get("PublishStatus") == "Online":
        record["LastPublishedDate"] = store.now()
    return record


RULES: Mapping[str, Rule] = {
    "Case": case,
    "EmailMessage": email_message,
    "Contact": person,
    "Lead": person,
    "User": person,
    "AI_Draft__c": ai_draft,
    "Knowledge__kav": article,
}
