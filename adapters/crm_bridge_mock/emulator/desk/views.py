"""What the templates show, made from the dictionaries of the desk's API. Pure: no Flask, no clock of its own.

A field that is missing is shown as empty, never as an error: the page has to open whatever a case looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from crm_bridge_mock.emulator.desk.quoting import split_quoted
from crm_bridge_mock.emulator.desk.states import Look, badge, look

RECENT_MESSAGES = 6
"""So many messages of a thread stand open; what is older is folded behind one line."""

_CASE_ID = re.compile(r"\bcase_\w+")
_AGES = ((86400, "d"), (3600, "h"), (60, "min"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One case in the inbox. `age` is of the newest thing said, `asked_at` orders those of the same rank."""

    id: str
    number: str
    subject: str
    customer: str
    language: str
    age: str
    asked_at: str
    look: Look
    badge: str
    waits: bool
    blocked: bool
    """Its draft has a remark that has to be acknowledged before it can be sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bubble:
    """One message of the thread; `new` and `quoted` are plain text. `side`: customer, agent, note or system."""

    id: str
    side: str
    author: str
    kind: str
    new: str
    quoted: str
    sent_at: str
    age: str
    attachments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseView:
    """One case as the page shows it. `composer_key` changes whenever the composer has to be another one."""

    id: str
    number: str
    subject: str
    status: str
    customer: str
    email: str
    language: str
    state: Mapping[str, Any]
    sentence: str
    look: Look
    badge: str
    draft: Mapping[str, Any] | None
    text: str
    revision: int
    newest: str
    bubbles: tuple[Bubble, ...]
    composer_key: str

    @property
    def earlier(self) -> tuple[Bubble, ...]:
        return self.bubbles[:-RECENT_MESSAGES]

    @property
    def recent(self) -> tuple[Bubble, ...]:
        return self.bubbles[-RECENT_MESSAGES:]

    @property
    def blocking_flags(self) -> tuple[Mapping[str, Any], ...]:
        flags = (self.draft or {}).get("flags") or ()
        return tuple(flag for flag in flags if flag.get("severity") == "blocking")

    def after(self, message_id: str) -> tuple[Bubble, ...]:
        """Public messages newer than the one named; none when it is unknown or empty."""
        public = [bubble for bubble in self.bubbles if bubble.side in ("customer", "agent")]
        ids = [bubble.id for bubble in public]
        return tuple(public[ids.index(message_id) + 1 :]) if message_id in ids else ()


def age(moment: str, now: datetime) -> str:
    """ "4 min", "3 h", "2 d"; "now" under a minute; empty when the time cannot be read."""
    try:
        seconds = (now - datetime.fromisoformat(moment)).total_seconds()
    except (TypeError, ValueError):
        return ""
    for size, unit in _AGES:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"


def inbox(cases: Iterable[Mapping[str, Any]], now: datetime) -> list[Row]:
    """Rows in the order of work: what waits for a person first, and of these who waits longest."""
    rows = [_row(case, now) for case in cases]
    return sorted(rows, key=lambda row: (row.look.rank, row.asked_at, row.id))


def case_view(case: Mapping[str, Any], now: datetime) -> CaseView:
    """Everything the page of one case shows."""
    state, draft = _mapping(case.get("state")), case.get("draft") or None
    shown = _shown(case, state)
    customer = _mapping(case.get("customer"))
    bubbles = tuple(_bubble(message, customer, now) for message in case.get("messages") or ())
    public = [bubble.id for bubble in bubbles if bubble.side in ("customer", "agent")]
    # What there is no draft of was never written here: only the state knows its revision.
    told = state.get("revision") if state.get("kind") == "no_draft" else None
    revision = int(told or (draft or {}).get("revision") or state.get("revision") or 0)
    return CaseView(
        id=str(case["id"]),
        number=str(case.get("number") or case["id"]),
        subject=str(case.get("subject") or "(no subject)"),
        status=str(case.get("status", "open")),
        customer=str(customer.get("name") or customer.get("email") or "Unknown customer"),
        email=str(customer.get("email") or ""),
        language=str(case.get("language") or ""),
        state=state,
        sentence=_sentence(state),
        look=shown,
        badge=badge(shown, state),
        draft=draft,
        text=_lines(_text(case, draft, shown)),
        revision=revision,
        newest=public[-1] if public else "",
        bubbles=bubbles,
        composer_key=_composer_key(case, shown, state, draft),
    )


def as_sentence(text: object) -> str:
    """With a capital and a full stop: remarks come as halves of sentences."""
    said = str(text or "").strip()
    return said and said[0].upper() + said[1:] + ("" if said[-1] in ".!?…" else ".")


def with_cases(text: str, rows: Iterable[Row]) -> list[tuple[str, str]]:
    """A text in pieces: (words, "") or (number, id) of a case. The bridge names cases by ids, agents by numbers."""
    numbers = {row.id: row.number for row in rows}
    pieces: list[tuple[str, str]] = []
    end = 0
    for found in _CASE_ID.finditer(text):
        if found.group() in numbers:
            pieces += [(text[end : found.start()], ""), (numbers[found.group()], found.group())]
            end = found.end()
    return [*pieces, (text[end:], "")]


def same_text(ours: str, theirs: str) -> bool:
    """Equal but for line ends and space at the end, which a browser's text area changes by itself."""
    return _lines(ours).rstrip() == _lines(theirs).rstrip()


def _sentence(state: Mapping[str, Any]) -> str:
    """What the state says, without the findings that are listed under it anyway."""
    said = str(state.get("sentence") or "Nothing is known of a draft yet.")
    for finding in reversed(state.get("findings") or ()):
        said = said.removesuffix(str(finding.get("detail") or "")).rstrip()
    return said


def _shown(case: Mapping[str, Any], state: Mapping[str, Any]) -> Look:
    """Where nobody decides here, the draft is only something to copy from."""
    shown = look(state, status=str(case.get("status", "open")))
    return replace(shown, composer="own") if case.get("decided_by") == "nobody" and shown.composer == "draft" else shown


def _text(case: Mapping[str, Any], draft: Mapping[str, Any] | None, shown: Look) -> str:
    mail = _mapping(case.get("mail_draft")) if shown.composer == "handed_over" else {}
    return str(mail.get("text") or (draft or {}).get("text") or "")


def _composer_key(
    case: Mapping[str, Any], shown: Look, state: Mapping[str, Any], draft: Mapping[str, Any] | None
) -> str:
    parts: Sequence[object] = (shown.composer, state.get("kind"), state.get("reason"), state.get("undo_until"))
    standing = (draft.get("id"), draft.get("revision"), draft.get("status")) if draft else ()
    return "|".join(str(part or "") for part in (*parts, case.get("status"), *standing))


def _row(case: Mapping[str, Any], now: datetime) -> Row:
    state, customer = _mapping(case.get("state")), _mapping(case.get("customer"))
    shown = look(state, status=str(case.get("status", "open")))
    messages = case.get("messages") or ()
    said = str(
        case.get("last_message_at")
        or (messages[-1].get("sent_at") if messages else "")
        or case.get("updated_at")
        or case.get("created_at")
        or ""
    )
    return Row(
        id=str(case["id"]),
        number=str(case.get("number") or case["id"]),
        subject=str(case.get("subject") or "(no subject)"),
        customer=str(customer.get("name") or customer.get("email") or "Unknown customer"),
        language=str(case.get("language") or ""),
        age=age(said, now),
        asked_at=said,
        look=shown,
        badge=badge(shown, state),
        waits=shown.waits,
        blocked=shown.composer == "draft" and bool(_mapping(case.get("draft")).get("blocked")),
    )


def _bubble(message: Mapping[str, Any], customer: Mapping[str, Any], now: datetime) -> Bubble:
    public, automatic = bool(message.get("public", True)), bool(message.get("automatic"))
    author = str(message.get("author") or "customer")
    new, quoted = split_quoted(_lines(str(message.get("body") or "")))
    return Bubble(
        id=str(message.get("id", "")),
        side="note" if not public else "customer" if author == "customer" else "agent",
        author=str(message.get("author_name") or (customer.get("name") if author == "customer" else "") or "Support"),
        kind="Internal note" if not public else "Automatic reply" if automatic else "",
        new=new,
        quoted=quoted,
        sent_at=str(message.get("sent_at") or ""),
        age=age(str(message.get("sent_at") or ""), now),
        attachments=tuple(_attachment(item) for item in message.get("attachments") or ()),
    )


def _attachment(item: object) -> str:
    return str(item.get("name") or "attachment") if isinstance(item, Mapping) else str(item)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
