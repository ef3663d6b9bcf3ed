"""Which fields the adapter would like to have of each object, and which of them it reports when they are missing. Data.

A field that hides behind field-level security and one that does not exist look the same to the API (INVALID_FIELD, and
the whole query fails), so only what a describe names is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DRAFT = "AI_Draft__c"
ARTICLE = "Knowledge__kav"
CASE_ARTICLE = "CaseArticle"

DESCRIBED = (
    "Case", "Contact", "Account", "EmailMessage", "CaseComment", "User", "Attachment", "ContentDocumentLink",
    "ContentDocument", DRAFT, ARTICLE, CASE_ARTICLE,
)  # fmt: skip
"""Objects that are described, in one call."""

STANDARD: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Case": (
            "CaseNumber", "Subject", "Description", "Status", "IsClosed", "Priority", "Origin", "OwnerId",
            "CreatedDate", "SystemModstamp", "LastModifiedById", "ContactId", "AccountId", "SuppliedName",
            "SuppliedEmail", "Type", "Reason",
        ),
        "Contact": ("Name", "Email", "Phone"),
        "Account": ("Name",),
        "EmailMessage": (
            "Incoming", "Status", "FromAddress", "FromName", "ToAddress", "CcAddress", "Subject", "TextBody",
            "HtmlBody", "MessageDate", "SystemModstamp", "CreatedById",
        ),
        "CaseComment": ("CommentBody", "IsPublished", "CreatedDate", "CreatedById", "SystemModstamp"),
        "User": ("Name",),
    }
)  # fmt: skip
"""What every org has: one that is missing is reported as unreadable."""

OPTIONAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Case": ("Language", "SuppliedPhone", "SuppliedCompany"),
        "EmailMessage": ("Headers", "HasAttachment", "IsBounced", "ThreadIdentifier"),
        "User": ("UserType",),
    }
)
"""What some orgs have: read where it is there, and not missed where it is not."""

NOT_IN_LISTS = frozenset({"HtmlBody"})
"""Read for the few mails that need it only: they would make every answer ten times as large."""

STATE_FIELDS = (
    "CRMB_State__c", "CRMB_Sentence__c", "CRMB_Action__c", "CRMB_Reason__c", "CRMB_Sequence__c", "CRMB_State_Since__c",
    "CRMB_State_Detail__c",
)  # fmt: skip

ATTACHMENT = ("ParentId", "Name", "ContentType", "BodyLength")
FILE = ("Title", "FileExtension", "ContentSize")
"""Of what hangs on a mail: attachments of the older kind, and files. An org has the one, the other, or both."""

DRAFT_WRITTEN = (
    "Case__c", "External_Key__c", "Draft_Id__c", "Revision__c", "Answers__c", "Made_From__c", "Body__c", "Language__c",
    "Sources__c", "Findings__c", "Flags__c", "Addressing__c", "Status__c",
)  # fmt: skip

DRAFT_DECIDED = (
    "Decision__c", "Decided_By__c", "Decided_At__c", "Final_Body__c", "Reason__c", "Comment__c", "Acknowledged__c",
    "Decision_Answers__c",
)  # fmt: skip

SHOWN: Mapping[str, str] = MappingProxyType(
    {
        "Priority": "Priority",
        "Origin": "Origin",
        "Type": "Type",
        "Reason": "Reason",
        "SuppliedCompany": "Company (as given)",
    }
)
"""Further fields of a case that go into its context, with their labels."""
