"""Documents of the embedded CRM to values of the contract and back. Pure.

Everything read is untrusted: texts are cleaned, quoted history is cut off, what cannot be used makes an `OutboundError`
and never a wrong value. Addressing is computed from what was read, never from a draft.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from crm_bridge.contract import (
    Addressing,
    Agent,
    ApprovedReply,
    Article,
    Articles,
    Attachment,
    Author,
    CaseContext,
    CaseField,
    CaseRef,
    Change,
    Changes,
    DecisionKind,
    Draft,
    DraftRef,
    Fingerprint,
    Merged,
    Message,
    NotACase,
    NotYet,
    PanelState,
    Person,
    RemoteDecision,
    RemoteDraft,
    Resolution,
    SentRef,
    Unreadable,
)
from crm_bridge.contract.case import is_one_address
from crm_bridge.kit.parsing import clean_text, newest_reply, plain_text

Document = Mapping[str, Any]

MAX_QUOTED_CHARS = 50_000
"""Longer mails are kept whole: looking for quoted history in them is not worth the time."""

_AUTHOR_KINDS = frozenset({"customer", "agent", "bridge", "system"})
_SUPPORT = "support"


# --- cases ------------------------------------------------------------------------------------------------------


def case_context(document: Document, *, base_url: str, observed_at: datetime) -> CaseContext:
    """A case from `GET /api/cases/<id>` with all its messages."""
    case, customer = document["case"], document["case"]["customer"]
    messages = tuple(message(item) for item in document["messages"])
    return CaseContext(
        case=CaseRef(id=case["id"]),
        number=str(case["number"]),
        subject=clean_text(str(case["subject"])),
        open=case["status"] == "open",
        status=str(case["status"]),
        version=str(case["version"]),
        channel=str(case["channel"]),
        messages=messages,
        addressing=addressing(case, messages, document["messages"]),
        requester=Person(
            id=customer["id"],
            name=clean_text(customer["name"]),
            email=customer["email"],
            phone=customer["phone"] or "",
            account=clean_text(customer["account"] or ""),
        ),
        queue=str(case["queue"]),
        language=case["language"] or None,
        priority=str(case["priority"]),
        created_at=time(case["created_at"]),
        updated_at=time(case["updated_at"]),
        observed_at=observed_at,
        fields=tuple(_fields(case, customer)),
        duplicates=tuple(CaseRef(id=other) for other in document["duplicates"]),
        unreadable=tuple(_unreadable(document)),
        url=f"{base_url}/desk/cases/{case['id']}",
        raw=dict(case),
    )


def message(item: Document) -> Message:
    """One message; `text` is what its author wrote last, as plain text."""
    author = item["author"]
    html = item["html"] or None
    return Message(
        id=item["id"],
        thread=item["thread"],
        channel=item["channel"],
        direction="incoming" if item["direction"] == "incoming" else "outgoing",
        author=Author(
            kind=author["kind"] if author["kind"] in _AUTHOR_KINDS else "system",
            id=author["id"],
            name=clean_text(author.get("name", "")),
        ),
        public=item["public"] is True,
        automatic=is_automatic(item["headers"]),
        text=_written(item["body"], html, item["channel"], item["direction"]),
        html=clean_text(html) if html else None,
        language=item["language"] or None,
        sent_at=time(item["sent_at"]),
        truncated=item.get("truncated") is True,
        attachments=tuple(
            Attachment(name=clean_text(part["name"]), type=part.get("type") or "", size=part.get("size"))
            for part in item["attachments"]
        ),
        key=item["key"],
    )


def is_automatic(headers: Mapping[str, str]) -> bool:
    """RFC 3834: an auto-reply, a bounce, a notification."""
    value = next((content for name, content in headers.items() if name.lower() == "auto-submitted"), "no")
    return value.partition(";")[0].strip().lower() != "no"


_AT = re.compile(r"[^@]+@[^@]+")


def addressing(case: Document, messages: Sequence[Message], items: Sequence[Document]) -> Addressing | None:
    """Where a reply goes: back to whoever wrote the newest public message of the customer."""
    pairs = list(zip(messages, items, strict=True))
    incoming = next(((one, item) for one, item in reversed(pairs) if one.public and one.direction == "incoming"), None)
    email = case["customer"]["email"]
    if incoming is None or not (is_one_address(email) and _AT.fullmatch(email)):
        return None
    newest, item = incoming
    sender = item["to"][0] if item["to"] else _SUPPORT
    return Addressing(
        channel=newest.channel,
        sender=sender,
        to=(email,),
        cc=tuple(address for address in item["cc"] if is_one_address(address)),
        in_reply_to=newest.id,
        thread=newest.thread,
    )


def resolution(document: Document) -> Resolution:
    """What a ref turned out to be."""
    return _RESOLUTIONS[document["status"]](document)


_RESOLUTIONS: Mapping[str, Callable[[Document], Resolution]] = {
    "case": lambda document: CaseRef(id=document["case"]),
    "merged": lambda document: Merged(into=CaseRef(id=document["into"])),
    "not_yet": lambda document: NotYet(after=timedelta(seconds=min(3600.0, max(0.1, float(document["after_s"]))))),
    "not_a_case": lambda document: NotACase(reason=str(document["reason"])[:100]),
}


def changes(document: Document) -> Changes:
    """A page of changed cases."""
    items = tuple(
        Change(ref=CaseRef(id=item["case"]), version=str(item["version"]), by=item["by"]) for item in document["items"]
    )
    return Changes(items=items, cursor=str(document["cursor"]), more=document["more"] is True)


def articles(document: Document) -> Articles:
    """A page of articles."""
    return Articles(
        items=tuple(_article(item) for item in document["items"]),
        cursor=str(document["cursor"]),
        more=document["more"] is True,
    )


# --- drafts -----------------------------------------------------------------------------------------------------


def draft_body(draft: Draft, key: str, replaces: Fingerprint | None, *, text: str) -> dict[str, Any]:
    """What `write_draft` puts; `text` is in the CRM's form."""
    return {"key": key, "replaces": replaces.value if replaces else None, "draft": {**plain(draft), "text": text}}


def as_note(draft: Draft, context_number: str = "") -> str:
    """A draft as a note among others: headed with the message it answers, for it can never be taken away."""
    return f"Suggested reply to message {draft.answers}{context_number}:\n\n{draft.text}"


def draft_ref(document: Document) -> DraftRef:
    """What stands there after a write."""
    return DraftRef(id=document["id"], fingerprint=Fingerprint(value=document["fingerprint"]))


def remote_draft(document: Document) -> RemoteDraft:
    """What stands there now."""
    decision = document["decision"]
    return RemoteDraft(
        ref=draft_ref(document),
        revision=int(document["revision"]),
        status=str(document["status"]),
        text=clean_text(document["text"]),
        decision=_decision(decision) if decision else None,
        changed_at=time(document["changed_at"]),
    )


def state_body(state: PanelState) -> dict[str, Any]:
    """A panel state as the CRM keeps it."""
    return plain(state)


# --- replies ----------------------------------------------------------------------------------------------------


def reply_body(reply: ApprovedReply, key: str, requested_at: datetime) -> dict[str, Any]:
    """What `send` posts."""
    document = plain(reply)
    document.pop("case")
    return {**document, "key": key, "requested_at": requested_at.isoformat(timespec="microseconds")}


def sent_ref(document: Document) -> SentRef:
    """The message a reply became."""
    return SentRef(id=document["id"], sent_at=time(document["sent_at"]))


def same_text(ours: str, theirs: str) -> bool:
    """Equal but for white space."""
    return " ".join(ours.split()) == " ".join(theirs.split())


# --- inside -----------------------------------------------------------------------------------------------------


def time(text: str) -> datetime:
    """An aware time. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment


def plain(value: Any) -> dict[str, Any]:
    """A value of the contract as JSON."""
    found: dict[str, Any] = _json(asdict(value))
    return found


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _json(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [_json(content) for content in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, StrEnum) else value


def _written(body: str, html: str | None, channel: str, direction: str) -> str:
    text = clean_text(body) or (plain_text(html) if html else "")
    if channel != "email" or direction != "incoming" or len(text) > MAX_QUOTED_CHARS:
        return text
    return newest_reply(text)


def _fields(case: Document, customer: Document) -> Iterator[CaseField]:
    for name, label, value in (
        ("queue", "Queue", case["queue"]),
        ("priority", "Priority", case["priority"]),
        ("account", "Account", customer["account"]),
        ("phone", "Phone", customer["phone"]),
    ):
        if value:
            yield CaseField(name=name, value=clean_text(str(value)), label=label)


def _unreadable(document: Document) -> Iterator[Unreadable]:
    for name in document["hidden"]:
        yield Unreadable(name=str(name), reason="no_permission")
    if document.get("older") is not None:
        yield Unreadable(name="messages", reason="too_many")


def _article(item: Document) -> Article:
    return Article(
        id=item["id"],
        title=clean_text(item["title"]),
        body=clean_text(item["body"]),
        language=item["language"],
        url=item["url"],
        version=item["updated_at"],
        updated_at=time(item["updated_at"]),
        deleted=item["deleted"] is True,
    )


def _decision(document: Document) -> RemoteDecision:
    agent = document["agent"]
    return RemoteDecision(
        kind=DecisionKind(document["kind"]),
        agent=Agent(id=agent["id"], name=agent["name"]),
        revision=int(document["revision"]),
        text=document["text"],
        answers=document["answers"],
        acknowledged=tuple(document["acknowledged"]),
        reason=document["reason"],
        comment=document["comment"],
        decided_at=time(document["decided_at"]),
    )
