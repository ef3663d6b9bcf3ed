"""What the pages show, made from records: rows of the list, details, the feed, mail drafts. It changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rules import DRAFT

MAX_ROWS, MAX_FEED = 200, 200
DETAILS: tuple[tuple[str, str], ...] = (
    ("Case Number", "CaseNumber"),
    ("Status", "Status"),
    ("Priority", "Priority"),
    ("Case Origin", "Origin"),
    ("Language", "Language"),
    ("Date/Time Opened", "CreatedDate"),
    ("Contact Email", "ContactEmail"),
    ("Contact Phone", "ContactPhone"),
    ("Web Name", "SuppliedName"),
)
STATE_FIELDS: tuple[tuple[str, str], ...] = (
    ("AI draft state", "CRMB_State__c"),
    ("AI draft sentence", "CRMB_Sentence__c"),
    ("AI draft reason", "CRMB_Reason__c"),
)
_TIMES = frozenset({"CreatedDate"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One case in the list view."""

    id: str
    number: str
    subject: str
    contact: str
    status: str
    priority: str
    state: str
    reason: str
    sentence: str
    opened: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing of the feed. `kind`: incoming, outgoing, comment or description."""

    id: str
    kind: str
    title: str
    who: str
    to: str
    text: str
    at: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class MailDraft:
    """A private mail draft of the agent who looks."""

    id: str
    to: str
    cc: str
    subject: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePage:
    """A case with all that its page shows."""

    id: str
    number: str
    subject: str
    contact: str
    account: str
    owner: str
    closed: bool
    description: str
    details: tuple[tuple[str, str], ...]
    states: tuple[tuple[str, str], ...]
    feed: tuple[Item, ...]
    drafts: tuple[MailDraft, ...]


def key(shown: object) -> str:
    """Changes whenever what is shown does."""
    text = json.dumps(shown, default=asdict, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rows(org: Org) -> tuple[Row, ...]:
    """The newest cases, newest first."""
    cases = [one for one in org.store.all_of("Case") if not one["IsDeleted"]]
    cases.sort(key=lambda one: (one["CreatedDate"], one["CaseNumber"]), reverse=True)
    return tuple(_row(org, one) for one in cases[:MAX_ROWS])


def case_page(org: Org, case: Record, user: str) -> CasePage:
    """A case as this user sees it."""
    mails = [one for one in _of(org, "EmailMessage", case) if org.sees(user, one)]
    own = [one for one in mails if one["Status"] == DRAFT and one["CreatedById"] == user]
    told = [(_mail(org, one), one["MessageDate"]) for one in mails if one["Status"] != DRAFT]
    told += [(_comment(org, one), one["CreatedDate"]) for one in _of(org, "CaseComment", case)]
    told.sort(key=lambda one: (one[1], one[0].id), reverse=True)
    return CasePage(
        id=case["Id"],
        number=case["CaseNumber"],
        subject=case["Subject"] or "(no subject)",
        contact=_name(org, case["ContactId"]) or case["SuppliedName"] or "",
        account=_name(org, case["AccountId"]),
        owner=_name(org, case["OwnerId"]),
        closed=case["IsClosed"],
        description=case["Description"] or "",
        details=_shown(case, DETAILS),
        states=_shown(case, STATE_FIELDS),
        feed=tuple(item for item, _ in told[:MAX_FEED]),
        drafts=tuple(_draft(one) for one in reversed(own)),
    )


def moment_text(stamp: str) -> str:
    """`2026-11-23 13:00` of a record's time, in UTC."""
    return stamp[:16].replace("T", " ")


def _row(org: Org, case: Record) -> Row:
    return Row(
        id=case["Id"],
        number=case["CaseNumber"],
        subject=case["Subject"] or "(no subject)",
        contact=_name(org, case["ContactId"]) or case["SuppliedName"] or "",
        status=case["Status"] or "",
        priority=case["Priority"] or "",
        state=case.get("CRMB_State__c") or "",
        reason=case.get("CRMB_Reason__c") or "",
        sentence=case.get("CRMB_Sentence__c") or "",
        opened=moment_text(case["CreatedDate"]),
    )


def _shown(case: Mapping[str, Any], fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    found = ((label, name, case.get(name)) for label, name in fields)
    return tuple((label, moment_text(value) if name in _TIMES else str(value)) for label, name, value in found if value)


def _of(org: Org, sobject: str, case: Record) -> list[Record]:
    return [one for one in org.store.referring(sobject, "ParentId", case["Id"]) if not one["IsDeleted"]]


def _mail(org: Org, mail: Record) -> Item:
    incoming = mail["Incoming"]
    return Item(
        id=mail["Id"],
        kind="incoming" if incoming else "outgoing",
        title=mail["Subject"] or "(no subject)",
        who=(mail["FromName"] or mail["FromAddress"] or "") if incoming else _name(org, mail["CreatedById"]),
        to=mail["ToAddress"] or "",
        text=mail["TextBody"] or mail["HtmlBody"] or "",
        at=moment_text(mail["MessageDate"] or mail["CreatedDate"]),
        files=_files(org, mail),
    )


def _comment(org: Org, comment: Record) -> Item:
    public = "Comment, seen by the customer" if comment["IsPublished"] else "Internal comment"
    who, at = _name(org, comment["CreatedById"]), moment_text(comment["CreatedDate"])
    text = comment["CommentBody"] or ""
    return Item(id=comment["Id"], kind="comment", title=public, who=who, to="", text=text, at=at)


def _draft(mail: Record) -> MailDraft:
    to, cc = mail["ToAddress"] or "", mail["CcAddress"] or ""
    return MailDraft(id=mail["Id"], to=to, cc=cc, subject=mail["Subject"] or "", text=mail["TextBody"] or "")


def _files(org: Org, mail: Record) -> tuple[str, ...]:
    if not mail["HasAttachment"]:
        return ()
    links = org.store.referring("ContentDocumentLink", "LinkedEntityId", mail["Id"])
    found = [org.store.live(one["ContentDocumentId"]) for one in links if not one["IsDeleted"]]
    return tuple(".".join(filter(None, (one["Title"], one["FileExtension"]))) for one in found if one is not None)


def _name(org: Org, record_id: str | None) -> str:
    record = org.store.live(record_id) if record_id else None
    return str(record["Name"] or "") if record else ""
