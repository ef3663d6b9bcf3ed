"""The conversation of a case as its customer has it, out of the records. Nothing of it goes through an adapter."""

from __future__ import annotations

from crm_bridge.contract import Author, Message
from crm_bridge.contract.case import AuthorKind
from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rules import DRAFT
from crm_bridge_salesforce.emulator.values import moment_of


def messages_of(org: Org, case: Record) -> tuple[Message, ...]:
    """Mails and published comments, oldest first; the description where no mail came in before."""
    mails = [one for one in org.store.referring("EmailMessage", "ParentId", case["Id"]) if not one["IsDeleted"]]
    mails = [one for one in mails if one["Status"] != DRAFT]
    comments = [one for one in org.store.referring("CaseComment", "ParentId", case["Id"]) if not one["IsDeleted"]]
    told = [_mail(org, case, one) for one in mails]
    told += [_comment(org, case, one) for one in comments if one["IsPublished"]]
    told.sort(key=lambda one: one.sent_at)
    if not any(one["Incoming"] for one in mails) and case["Description"]:
        told.insert(0, _description(case))
    return tuple(told)


def _mail(org: Org, case: Record, mail: Record) -> Message:
    return Message(
        id=mail["Id"],
        thread=case["Id"],
        channel="email",
        direction="incoming" if mail["Incoming"] else "outgoing",
        author=_customer(case) if mail["Incoming"] else _user(org, mail["CreatedById"]),
        public=True,
        automatic="Auto-Submitted" in (mail["Headers"] or ""),
        text=mail["TextBody"] or "",
        html=mail["HtmlBody"],
        sent_at=moment_of(mail["MessageDate"]),
    )


def _comment(org: Org, case: Record, comment: Record) -> Message:
    return Message(
        id=comment["Id"],
        thread=case["Id"],
        channel="comment",
        direction="outgoing",
        author=_user(org, comment["CreatedById"]),
        public=True,
        text=comment["CommentBody"] or "",
        sent_at=moment_of(comment["CreatedDate"]),
    )


def _description(case: Record) -> Message:
    return Message(
        id=case["Id"],
        thread=case["Id"],
        channel=str(case["Origin"] or "").lower(),
        direction="incoming",
        author=_customer(case),
        public=True,
        text=case["Description"],
        sent_at=moment_of(case["CreatedDate"]),
    )


def _customer(case: Record) -> Author:
    return Author(kind="customer", id=case["ContactId"] or case["SuppliedEmail"] or "", name=case["SuppliedName"] or "")


def _user(org: Org, user: str) -> Author:
    kinds: dict[str, AuthorKind] = {org.people.integration: "bridge", org.people.automatic: "system"}
    row = org.store.get(user)
    return Author(kind=kinds.get(user, "agent"), id=user, name=row["Name"] if row else "")
