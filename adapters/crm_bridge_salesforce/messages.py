"""Mails, comments and the description of a case as messages: who wrote them, who sees them, their text. Pure.

Everything read is untrusted: texts are cleaned, quoted history is cut off where that is safe, an address is only one
when it can stand for exactly one recipient. What cannot be used raises, and `usable` makes a contract's error of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from crm_bridge.contract import Author, Message
from crm_bridge.contract.case import AuthorKind, is_one_address
from crm_bridge.contract.value import MAX_ID_LENGTH
from crm_bridge.kit.parsing import clean_text, newest_reply, plain_text
from crm_bridge_salesforce.attachments import More
from crm_bridge_salesforce.comments import is_ours
from crm_bridge_salesforce.ids import CASE, COMMENT, full
from crm_bridge_salesforce.ids import EMAIL as EMAIL_MESSAGE

Document = Mapping[str, Any]

EMAIL, PORTAL = "email", "portal"
MAX_QUOTED_CHARS = 50_000
"""Longer mails are kept whole: looking for quoted history in them is not worth the time."""

CUT_AT = (32_000, 131_072)
"""So many characters a mail's text has at most, by edition and age of the org; spaces at its end are dropped."""

PORTAL_USERS = frozenset(
    {"Guest", "CspLitePortal", "CustomerSuccess", "PowerCustomerSuccess", "PowerPartner", "SelfService"}
)
_PLACE = {CASE: 0, EMAIL_MESSAGE: 1, COMMENT: 2}
AUTOMATION = frozenset({"AutomatedProcess", "CloudIntegrationUser"})
_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")
_HEADER = re.compile(r"^(auto-submitted|precedence|x-autoreply|x-autorespond|x-auto-response-suppress|return-path)"
                     r"[ \t]*:[ \t]*(.*)$", re.IGNORECASE | re.MULTILINE)  # fmt: skip
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
# What Salesforce's own composer puts between an answer and the mail it quotes, and its token for threading.
_QUOTED = re.compile(r"^-{5,} *(?:Original|Forwarded) Message *-{5,}[ \t]*$", re.MULTILINE | re.IGNORECASE)
_THREADING = re.compile(r"^[ \t]*(?:thread::[\w:-]{1,80}::|\[? ?ref:[!_.\w]{5,80}:ref ?\]?)[ \t]*$", re.MULTILINE)


def emails(records: Iterable[Document], *, customer: Collection[str], me: str, more: More) -> list[Message]:
    """The mails of a case; drafts are none. `customer`: addresses known to be the customer's, in lower case."""
    kept = [one for one in records if one.get("Status") != "5"]
    theirs = {*customer, *(_lower(one.get("FromAddress")) for one in kept if one.get("Incoming") is True)} - {""}
    return [_email(one, theirs=theirs, me=me, more=more) for one in kept]


def comments(records: Iterable[Document], *, me: str) -> list[Message]:
    """The comments of a case; drafts of ours that stand as comments are no messages."""
    return [_comment(one, me=me) for one in records if not is_ours(str(one.get("CommentBody") or ""))]


def description(case: Document, mails: Sequence[Message]) -> Message | None:
    """What the customer wrote into a web form; None where the first mail is that text already."""
    text = clean_text(str(case.get("Description") or "")).strip()
    if not text or any(one.direction == "incoming" and _same_start(text, one.text) for one in mails):
        return None
    name = clean_text(str(case.get("SuppliedName") or ""))
    return Message(
        id=full(case["Id"]),
        thread=full(case["Id"]),
        channel=str(case.get("Origin") or "web").lower()[:40],
        direction="incoming",
        author=Author(
            kind="customer", id=_usable(case.get("SuppliedEmail") or case.get("ContactId") or "customer"), name=name
        ),
        public=True,
        text=text,
        sent_at=moment(case["CreatedDate"]),
        truncated=_is_cut(text),
    )


def in_order(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Oldest first. A second is all that Salesforce keeps; ids of one object grow, and people comment on mails."""
    return tuple(sorted(messages, key=lambda one: (one.sent_at, _PLACE.get(one.id[:3], len(_PLACE)), one.id)))


def moment(text: str) -> datetime:
    """An aware time of the API (`2026-11-23T13:00:00.000+0000`). Raises `ValueError`."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found


def addresses(value: object) -> tuple[str, ...]:
    """Every address in a list as it stands in a header field."""
    found = _ADDRESS.findall(str(value or "")[:4_000])
    return tuple(dict.fromkeys(one for one in found if is_one_address(one)))


# --- mails --------------------------------------------------------------------------------------------------------


def _email(record: Document, *, theirs: Collection[str], me: str, more: More) -> Message:
    incoming = record["Incoming"] is True
    direction: Literal["incoming", "outgoing"] = "incoming" if incoming else "outgoing"
    raw = clean_text(str(record.get("TextBody") or "")) or plain_text(more.html.get(full(record["Id"]), ""))
    return Message(
        id=full(record["Id"]),
        thread=_usable(record.get("ThreadIdentifier") or record["Id"]),
        channel=EMAIL,
        direction=direction,
        author=_sender(record) if incoming else creator(record, me=me),
        public=incoming or _reaches(record, theirs),
        automatic=_is_automatic(record, incoming=incoming),
        text=_received(raw) if incoming else _sent(raw),
        sent_at=moment(record["MessageDate"] or record["SystemModstamp"]),
        truncated=_is_cut(raw),
        attachments=more.of(record),
    )


def _sender(record: Document) -> Author:
    address = str(record.get("FromAddress") or "")
    return Author(kind="customer", id=_usable(address or "unknown"), name=clean_text(str(record.get("FromName") or "")))


def creator(record: Document, *, me: str) -> Author:
    """Who created a record: our own user, an agent, a customer in a portal, or automation."""
    user = str(record.get("CreatedById") or "")
    about = record.get("CreatedBy") or {}
    name = clean_text(str(about.get("Name") or ""))
    return Author(kind=_kind_of(user, str(about.get("UserType") or ""), me), id=_usable(user or "unknown"), name=name)


def _kind_of(user: str, user_type: str, me: str) -> AuthorKind:
    if user and user == me:
        return "bridge"
    if user_type in AUTOMATION:
        return "system"
    return "customer" if user_type in PORTAL_USERS else "agent"


def _reaches(record: Document, theirs: Collection[str]) -> bool:
    """Whether a mail of ours went to the customer, and not to a colleague or a supplier; in doubt it did."""
    recipients = (*addresses(record.get("ToAddress")), *addresses(record.get("CcAddress")))
    return not recipients or not theirs or any(one.lower() in theirs for one in recipients)


def _is_automatic(record: Document, *, incoming: bool) -> bool:
    """RFC 3834 and what mail programs did before it; what Salesforce sends by itself."""
    if record.get("IsBounced") is True:
        return True
    if not incoming:
        about = record.get("CreatedBy") or {}
        return about.get("UserType") in AUTOMATION
    given = {name.lower(): value.strip().lower() for name, value in _HEADER.findall(str(record.get("Headers") or ""))}
    return (
        given.get("auto-submitted", "no").partition(";")[0].strip() != "no"
        or given.get("precedence", "") in _BULK
        or "x-autoreply" in given
        or "x-autorespond" in given
        or given.get("return-path") == "<>"
    )


def _received(text: str) -> str:
    return text if len(text) > MAX_QUOTED_CHARS else newest_reply(text)


def _sent(text: str) -> str:
    """What the agent wrote: without the mail their composer quotes below it, and without the threading token."""
    found = _QUOTED.search(text)
    return _THREADING.sub("", text[: found.start()] if found else text).strip()


def _is_cut(text: str) -> bool:
    return any(limit - 8 <= len(text) <= limit for limit in CUT_AT)


# --- comments -----------------------------------------------------------------------------------------------------


def _comment(record: Document, *, me: str) -> Message:
    author = creator(record, me=me)
    public = record["IsPublished"] is True
    return Message(
        id=full(record["Id"]),
        thread=full(record["Id"]),
        channel=PORTAL,
        direction="incoming" if author.kind == "customer" else "outgoing",
        author=author,
        public=public,
        automatic=author.kind == "system",
        text=clean_text(str(record.get("CommentBody") or "")).strip(),
        sent_at=moment(record["CreatedDate"]),
    )


# --- inside -------------------------------------------------------------------------------------------------------


def _usable(value: object) -> str:
    """A text of the CRM that can stand for an id: printable, and no longer than one may be."""
    text = "".join(one for one in str(value) if one.isprintable())[:MAX_ID_LENGTH]
    return text or "unknown"


def _lower(value: object) -> str:
    return str(value or "").lower()


def _same_start(one: str, other: str) -> bool:
    """Whether a description is the mail the case was made of: the whole mail, which is shown without its quotes."""
    left, right = " ".join(one.split()), " ".join(other.split())
    shorter = min(len(left), len(right))
    return shorter > 0 and left[:shorter] == right[:shorter]
