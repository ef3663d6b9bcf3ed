"""Queries: built from what may be seen, with values put in by simple-salesforce's `format_soql` only. Pure.

Names of fields come from our own tables; ids are checked before they get here. No value ever goes in as a literal hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from simple_salesforce.format import format_soql

from crm_bridge_salesforce.fields import (
    ATTACHMENT,
    DRAFT,
    DRAFT_DECIDED,
    DRAFT_WRITTEN,
    FILE,
    NOT_IN_LISTS,
    STATE_FIELDS,
)
from crm_bridge_salesforce.learned import Learned

MAX_EMAILS, MAX_COMMENTS = 200, 100
"""The newest so many are read of a case; what is older is reported as not read."""

MAX_DRAFTS = 5
EMAIL_DRAFT = "5"

_NEWEST_DRAFT = f"ORDER BY Revision__c DESC NULLS LAST, CreatedDate DESC, Id DESC LIMIT {MAX_DRAFTS}"
_STANDING = (
    "External_Key__c", "Draft_Id__c", "Revision__c", "Status__c", "Decision__c", "LastModifiedById", "SystemModstamp",
)  # fmt: skip


def case_query(case: str, may: Learned) -> str:
    """A case with the people, mails, comments and drafts that belong to it."""
    names = ["Id", *may.wanted("Case"), *_people(may)]
    if may.has_states:
        names += ["CRMB_Sequence__c", "CRMB_State_Detail__c"]
    if "EmailMessages" in may.relations:
        listed = [name for name in may.wanted("EmailMessage") if name not in NOT_IN_LISTS]
        fields = ["Id", *listed, *_creator(may, "EmailMessage")]
        newest = f"ORDER BY {_by_time(may, 'EmailMessage', 'MessageDate')}, Id DESC LIMIT {MAX_EMAILS}"
        names.append(_nested(_query(fields, "EmailMessages", _not_a_draft(may), newest)))
    if "CaseComments" in may.relations:
        fields = ["Id", *may.wanted("CaseComment"), *_creator(may, "CaseComment")]
        newest = f"ORDER BY {_by_time(may, 'CaseComment', 'CreatedDate')}, Id DESC LIMIT {MAX_COMMENTS}"
        names.append(_nested(_query(fields, "CaseComments", newest)))
    if may.has_app:
        names.append(standing_drafts())
    return _query(names, "Case", where_id(case))


def standing_drafts() -> str:
    """The newest drafts of a case as a sub-query: what of ours stands there."""
    return _nested(_query(["Id", *_STANDING], "AI_Drafts__r", _NEWEST_DRAFT))


def standing_query(case: str, may: Learned) -> str:
    """What has to be known before a draft is written: what of ours stands there, and what the customer wrote last."""
    fields = ["Id", *_STANDING, "Body__c"]
    drafts = _nested(_query(fields, "AI_Drafts__r", _NEWEST_DRAFT))
    names = ["Id", "SystemModstamp", *(STATE_FIELDS[4:] if may.has_states else ()), drafts]
    if may.has("EmailMessage", "Incoming", "MessageDate") and "EmailMessages" in may.relations:
        newest = "WHERE Incoming = true ORDER BY MessageDate DESC, Id DESC LIMIT 5"
        names.append(_nested(_query(["Id"], "EmailMessages", newest)))
    return _query(names, "Case", where_id(case))


def draft_query(draft: str, may: Learned) -> str:
    """One draft with the decision on it and who took it."""
    person = [f"Decided_By__r.{name}" for name in ("Name", "Email") if may.has("User", name)]
    told = ["Case__r.CRMB_State_Detail__c"] if may.has_states else []
    fields = ["Id", *DRAFT_WRITTEN, *DRAFT_DECIDED, "SystemModstamp", *person, *told]
    return _query(fields, DRAFT, where_id(draft))


def same_contact_query(reference: str) -> str:
    """Other open cases of the contact that an earlier part of the same call found. Its id comes from Salesforce."""
    whose = f"ContactId = '@{{{reference}.records[0].ContactId}}'"
    return _query(["Id", "Subject"], "Case", f"WHERE {whose} AND IsClosed = false ORDER BY CreatedDate DESC LIMIT 20")


def fate_query(case: str) -> str:
    """Whether a case lies in the recycle bin, and which one it was merged into."""
    return _query(["Id", "IsDeleted", "MasterRecordId"], "Case", where_id(case))


def case_articles_query(case: str) -> str:
    """The articles attached to a case."""
    return _query(["Id", "KnowledgeArticleId"], "CaseArticle", format_soql("WHERE CaseId = {} LIMIT 20", case))


def html_query(emails: Sequence[str]) -> str:
    """The HTML of mails that have no plain text."""
    return format_soql("SELECT Id, HtmlBody FROM EmailMessage WHERE Id IN {}", list(emails))


def attachments_query(emails: Sequence[str]) -> str:
    """The attachments of mails, of the older kind."""
    return _query(["Id", *ATTACHMENT], "Attachment", format_soql("WHERE ParentId IN {} LIMIT 200", list(emails)))


def files_query(emails: Sequence[str]) -> str:
    """The files that hang on mails."""
    fields = ["Id", "LinkedEntityId", *(f"ContentDocument.{name}" for name in FILE)]
    return _query(fields, "ContentDocumentLink", format_soql("WHERE LinkedEntityId IN {} LIMIT 200", list(emails)))


def parent_query(kind: Literal["EmailMessage", "CaseComment"], record: str) -> str:
    """The case a mail or comment belongs to."""
    return _query(["Id", "ParentId"], kind, where_id(record))


def own_comments_query(case: str, user: str) -> str:
    """The newest comments on a case that we wrote."""
    whose = format_soql(" AND CreatedById = {}", user) if user else ""
    where = format_soql("WHERE ParentId = {}", case)
    newest = "ORDER BY CreatedDate DESC, Id DESC LIMIT 50"
    return _query(["Id", "CommentBody"], "CaseComment", f"{where}{whose}", newest)


def comment_query(comment: str) -> str:
    """One comment."""
    return format_soql("SELECT Id, CommentBody, SystemModstamp FROM CaseComment WHERE Id = {}", comment)


def where_id(record: str) -> str:
    """The one record of a checked id."""
    return format_soql("WHERE Id = {}", record)


def moment(at: datetime) -> str:
    """A time as SOQL writes it; not quoted there, so only ever made here."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


# --- inside -------------------------------------------------------------------------------------------------------


def _query(fields: Iterable[str], source: str, *rest: str) -> str:
    return " ".join(("SELECT", ", ".join(fields), "FROM", source, *filter(None, rest)))


def _nested(query: str) -> str:
    return f"({query})"


def _people(may: Learned) -> list[str]:
    found = []
    for relation, kind, key in (("Contact", "Contact", "ContactId"), ("Account", "Account", "AccountId")):
        if may.has("Case", key):
            found += [f"{relation}.{name}" for name in may.wanted(kind)]
    # An owner is a user or a queue: both have a name.
    return [*found, "Owner.Name"] if may.has("Case", "OwnerId") and may.has("User", "Name") else found


def _creator(may: Learned, kind: str) -> list[str]:
    return [f"CreatedBy.{name}" for name in may.wanted("User")] if may.has(kind, "CreatedById") else []


def _not_a_draft(may: Learned) -> str:
    return format_soql("WHERE Status != {}", EMAIL_DRAFT) if may.has("EmailMessage", "Status") else ""


def _by_time(may: Learned, kind: str, name: str) -> str:
    return f"{name if may.has(kind, name) else 'SystemModstamp'} DESC"
