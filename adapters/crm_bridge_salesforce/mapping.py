"""Records of Salesforce to values of the contract: the case with all that belongs to it. Pure; all of it is untrusted.

Messages are `messages.py`, drafts `drafts.py`. A case's version is made of what changed last, so that a poll, which
sees the changes only, comes to the same one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm_bridge.contract import Addressing, CaseContext, CaseField, CaseRef, Message, NotACase, Person, Unreadable
from crm_bridge.contract.case import Merged, is_one_address
from crm_bridge.kit.parsing import clean_text
from crm_bridge_salesforce import messages
from crm_bridge_salesforce.attachments import More
from crm_bridge_salesforce.fields import SHOWN
from crm_bridge_salesforce.ids import CASE, GROUP, full, is_id
from crm_bridge_salesforce.learned import Learned
from crm_bridge_salesforce.soql import MAX_COMMENTS, MAX_EMAILS

Document = Mapping[str, Any]

SUPPORT = "support"
"""Stands for the sender where no mail says which of our addresses it came to; the CRM chooses then."""

VERSION_FIELDS = ("Status", "OwnerId", "IsClosed")
"""Of a case, besides when it changed: two changes of one second are told apart by these."""

_AT = re.compile(r"[^@]+@[^@]+")
_SUBJECT_PREFIX = re.compile(r"^(?:\s*(?:re|aw|fwd?|wg)\s*:\s*)+", re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[_-][A-Za-z]{2})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseRecords:
    """What was read of one case; children over all their pages."""

    case: Document
    emails: Sequence[Document] = ()
    comments: Sequence[Document] = ()
    drafts: Sequence[Document] = ()
    others: Sequence[Document] = ()
    articles: Sequence[Document] = ()
    more: More = field(default_factory=More)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """A record that belongs to a case (or is it), and when it changed last."""

    record: str
    at: datetime


def case_context(read: CaseRecords, may: Learned, *, me: str, base_url: str, observed_at: datetime) -> CaseContext:
    """A case with all its messages, oldest first."""
    case = read.case
    ref = CaseRef(id=full(case["Id"]))
    customer = requester(case)
    known = {customer.email.lower()} if customer is not None and customer.email else set()
    mails = messages.emails(read.emails, customer=known, me=me, more=read.more)
    first = messages.description(case, mails)
    said = messages.in_order((*mails, *messages.comments(read.comments, me=me), *([first] if first else ())))
    owner, queue = _owner(case)
    return CaseContext(
        case=ref,
        number=str(case.get("CaseNumber") or ref.id),
        subject=clean_text(str(case.get("Subject") or "")),
        open=case.get("IsClosed") is not True,
        status=str(case.get("Status") or ""),
        version=version(case, stamps(read, me=me)),
        channel=_channel(case),
        messages=said,
        addressing=addressing(customer, said, read.emails),
        requester=customer,
        owner=owner,
        queue=queue,
        language=_language(case.get("Language")),
        priority=str(case.get("Priority") or ""),
        created_at=messages.moment(case["CreatedDate"]),
        updated_at=messages.moment(case["SystemModstamp"]),
        observed_at=observed_at,
        fields=tuple(_fields(read)),
        duplicates=tuple(_duplicates(case, read.others)),
        unreadable=tuple(_unreadable(read, may)),
        url=f"{base_url}/lightning/r/Case/{ref.id}/view",
        raw={name: case.get(name) for name in ("Id", "CaseNumber", "Status", "SystemModstamp")},
    )


def fate(records: Sequence[Document]) -> Merged | NotACase:
    """What became of a case that is no longer among the others."""
    if records and is_id(records[0].get("MasterRecordId"), CASE):
        return Merged(into=CaseRef(id=full(records[0]["MasterRecordId"])))
    return NotACase(reason="deleted" if records else "gone")


# --- versions -----------------------------------------------------------------------------------------------------


def stamps(read: CaseRecords, *, me: str) -> Iterator[Stamp]:
    """When the case and all that belongs to it changed last. Drafts count when somebody else changed them."""
    others = (one for one in read.drafts if one.get("LastModifiedById") != me)
    for record in (read.case, *read.emails, *read.comments, *others):
        if record.get("SystemModstamp"):
            yield Stamp(record=record["Id"], at=messages.moment(record["SystemModstamp"]))


def version(case: Document, found: Iterable[Stamp]) -> str:
    """What changed last, and when: the same for whoever sees all that changed in that second."""
    known = list(found)
    newest = max(one.at for one in known)
    changed = sorted({one.record[:15] for one in known if one.at == newest})
    told = "|".join([*changed, *(str(case.get(name)) for name in VERSION_FIELDS)])
    return f"{int(newest.timestamp())}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


# --- people -------------------------------------------------------------------------------------------------------


def requester(case: Document) -> Person | None:
    """Whose case it is: its contact, else whoever the web form or the first mail named."""
    contact = case.get("Contact") or {}
    supplied = clean_text(str(case.get("SuppliedEmail") or ""))
    if not case.get("ContactId") and not supplied:
        return None
    account = case.get("Account") or {}
    return Person(
        id=full(case["ContactId"]) if case.get("ContactId") else supplied[:200],
        name=clean_text(str(contact.get("Name") or case.get("SuppliedName") or "")),
        email=clean_text(str(contact.get("Email") or supplied)),
        phone=clean_text(str(contact.get("Phone") or case.get("SuppliedPhone") or "")),
        account=clean_text(str(account.get("Name") or "")),
    )


def addressing(customer: Person | None, said: Sequence[Message], mails: Sequence[Document]) -> Addressing | None:
    """Where a reply goes: to the customer, in answer to what they wrote last; nowhere when there is no address."""
    newest = next((one for one in reversed(said) if one.public and one.direction == "incoming"), None)
    if newest is None or customer is None or not (is_one_address(customer.email) and _AT.fullmatch(customer.email)):
        return None
    mail = next((one for one in mails if full(one["Id"]) == newest.id), {})
    ours = messages.addresses(mail.get("ToAddress"))
    sender = ours[0] if ours else SUPPORT
    taken = {customer.email.lower(), sender.lower()}
    cc = tuple(one for one in messages.addresses(mail.get("CcAddress")) if one.lower() not in taken)
    return Addressing(
        channel=newest.channel, sender=sender, to=(customer.email,), cc=cc, in_reply_to=newest.id, thread=newest.thread
    )


def _owner(case: Document) -> tuple[Person | None, str]:
    """The agent who owns it, or the name of the queue it lies in."""
    owner, name = str(case.get("OwnerId") or ""), clean_text(str((case.get("Owner") or {}).get("Name") or ""))
    if not is_id(owner):
        return None, ""
    return (None, name) if owner.startswith(GROUP) else (Person(id=full(owner), name=name), "")


# --- the rest -----------------------------------------------------------------------------------------------------


def _channel(case: Document) -> str:
    return str(case.get("Origin") or messages.EMAIL).lower()[:40]


def _language(value: object) -> str | None:
    return str(value).replace("_", "-") if isinstance(value, str) and _LANGUAGE.fullmatch(value) else None


def _fields(read: CaseRecords) -> Iterator[CaseField]:
    for name, label in SHOWN.items():
        if read.case.get(name):
            yield CaseField(name=name, value=clean_text(str(read.case[name])), label=label)
    attached = [full(one["KnowledgeArticleId"]) for one in read.articles if is_id(one.get("KnowledgeArticleId"))]
    if attached:
        yield CaseField(name="CaseArticles", value=", ".join(attached), label="Attached articles")


def _duplicates(case: Document, others: Sequence[Document]) -> Iterator[CaseRef]:
    wanted = _bare_subject(case.get("Subject"))
    for one in others:
        if wanted and one["Id"] != case["Id"] and _bare_subject(one.get("Subject")) == wanted:
            yield CaseRef(id=full(one["Id"]))


def _bare_subject(value: object) -> str:
    return " ".join(_SUBJECT_PREFIX.sub("", str(value or "")).split()).casefold()


def _unreadable(read: CaseRecords, may: Learned) -> Iterator[Unreadable]:
    yield from may.unreadable()
    for name, records, most in (
        ("EmailMessages", read.emails, MAX_EMAILS),
        ("CaseComments", read.comments, MAX_COMMENTS),
    ):
        if len(records) >= most:
            yield Unreadable(name=name, reason="too_many")
