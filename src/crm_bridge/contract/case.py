"""A case as read from the CRM: its messages, people, fields, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from crm_bridge.contract.delivery import CaseRef, Ref
from crm_bridge.contract.value import MAX_ID_LENGTH, Value


@dataclass(frozen=True, kw_only=True, slots=True)
class NotYet(Value):
    """The CRM has not linked this ref to a case yet; look again after `after`."""

    after: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class NotACase(Value):
    """There is no case here and will be none: deleted, another kind of object, not ours."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged(Value):
    """The case lives on as another one."""

    into: CaseRef


Resolution = CaseRef | NotYet | NotACase | Merged


AuthorKind = Literal["customer", "agent", "bridge", "system"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Person(Value):
    """Somebody the CRM knows. `id` is the CRM's."""

    id: str
    name: str = ""
    email: str = ""
    phone: str = ""
    account: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Author(Value):
    """Who wrote a message. `bridge` = this connection's own user, `system` = automation of the CRM."""

    kind: AuthorKind
    id: str
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment(Value):
    """Name, MIME type and size in bytes; contents are never read."""

    name: str
    type: str = ""
    size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Message(Value):
    """One message of a case. `text` is plain, without quoted history where the adapter could tell.

    `automatic`: an auto-reply, bounce or notification (RFC 3834); never starts a draft.
    `truncated`: the CRM holds more than was read. `key`: the idempotency key we gave when the bridge sent it.
    """

    id: str
    thread: str
    channel: str
    direction: Literal["incoming", "outgoing"]
    author: Author
    public: bool
    automatic: bool = False
    text: str
    html: str | None = None
    language: str | None = None
    sent_at: datetime
    truncated: bool = False
    attachments: tuple[Attachment, ...] = ()
    key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseField(Value):
    """One more field as read. `label` is the CRM's name for people, `updated_at` its age where known."""

    name: str
    value: str
    label: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable(Value):
    """Something that could not be read, and why (a permission, a missing relation)."""

    name: str
    reason: str


_NO_ADDRESS = frozenset(' ,;<>()"\\')


def is_one_address(text: str) -> bool:
    """Whether a text of a CRM can stand for exactly one recipient: never two, never another header."""
    return 0 < len(text) <= MAX_ID_LENGTH and text.isprintable() and not _NO_ADDRESS & set(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Addressing(Value):
    """Where a reply goes. Computed by the adapter from what it read, never from a draft."""

    channel: str
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    in_reply_to: str
    thread: str = ""

    def __post_init__(self) -> None:
        for address in (self.sender, *self.to, *self.cc):
            if not is_one_address(address):
                raise ValueError("an address is one printable word: no spaces, lists, angle brackets or line ends")


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseContext(Value):
    """The snapshot of a case as read from the CRM. `messages` are in the CRM's order, oldest first.

    `version` is the CRM's own version or etag. `unreadable` lists what could not be read, so that nobody takes
    an empty field for a known one. `duplicates` are other open cases of the requester that look the same.
    """

    case: CaseRef
    number: str
    subject: str
    open: bool
    status: str
    version: str | None
    channel: str
    messages: tuple[Message, ...]
    addressing: Addressing | None
    requester: Person | None
    owner: Person | None = None
    queue: str = ""
    language: str | None = None
    priority: str = ""
    created_at: datetime
    updated_at: datetime | None = None
    observed_at: datetime
    fields: tuple[CaseField, ...] = ()
    duplicates: tuple[CaseRef, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    url: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def public_messages(self) -> tuple[Message, ...]:
        """What the customer can see, oldest first."""
        return tuple(message for message in self.messages if message.public)


BY_BRIDGE = "bridge"
"""Who changed a case, when it was this connection's own user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change(Value):
    """One changed case found by a poll. `by` is the id of who changed it last, `BY_BRIDGE` when that was this
    connection's own user, None when unknown. `version` is what `read_case` gives as the case's version."""

    ref: Ref
    version: str
    by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes(Value):
    """One page of `changed_since`. The cursor survives restarts; `more` = ask again at once."""

    items: tuple[Change, ...]
    cursor: str
    more: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Article(Value):
    """A knowledge article. `body` is plain text; `deleted` removes it from the store."""

    id: str
    title: str
    body: str
    language: str
    url: str = ""
    version: str = ""
    updated_at: datetime | None = None
    deleted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Articles(Value):
    """One page of `list_articles`; the same cursor rules as `Changes`."""

    items: tuple[Article, ...]
    cursor: str
    more: bool = False
