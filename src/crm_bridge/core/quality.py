"""What is wrong with a case's data before any model reads it: findings, each naming the CRM field to repair.

Blocking only where no good answer can exist. Judges data, never style, and decides nothing about eligibility.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from crm_bridge.contract import CaseContext, Finding, Message, Severity
from crm_bridge.core.policy import QualityPolicy
from crm_bridge.core.question import open_question
from crm_bridge.core.textmatch import visible

MAX_FINDINGS = 50

_CLOSED = frozenset(
    {"closed", "solved", "resolved", "done", "geschlossen", "gelöst", "erledigt", "cerrado", "cerrada", "resuelto"}
    | {"fermé", "fermée", "résolu"}
)
_OPEN = frozenset({"open", "new", "reopened", "offen", "neu", "abierto", "abierta", "nuevo", "ouvert", "nouveau"})
_REPLY_PREFIX = re.compile(r"\s*(?:(?:re|fw|fwd|aw|wg|rv|tr|antw)\s*:\s*)*", re.IGNORECASE)


def check(context: CaseContext, policy: QualityPolicy, now: datetime) -> tuple[Finding, ...]:
    """Findings, blocking ones first. `now` must be aware."""
    found = [finding for rule in _RULES for finding in rule(context, policy, now)]
    found.sort(key=lambda finding: finding.severity is not Severity.BLOCKING)
    return tuple(found[:MAX_FINDINGS])


def _requester(context: CaseContext, _policy: QualityPolicy, _now: datetime) -> Iterator[Finding]:
    if context.requester is None:
        yield _informing("no_requester", "requester", "the case has no customer; nothing known of them can be masked")


def _address(context: CaseContext, _policy: QualityPolicy, _now: datetime) -> Iterator[Finding]:
    if context.addressing is None or not any(to.strip() for to in context.addressing.to):
        yield _blocking("no_address", "requester.email", "there is no address a reply could go to")


def _stale(context: CaseContext, policy: QualityPolicy, now: datetime) -> Iterator[Finding]:
    for item in context.fields:
        if item.updated_at is not None and now - item.updated_at > policy.stale_after:
            yield _informing("stale", _named(item.name), f"last changed {(now - item.updated_at).days} days ago")


def _duplicates(context: CaseContext, policy: QualityPolicy, _now: datetime) -> Iterator[Finding]:
    if context.duplicates:
        others = ", ".join(other.id for other in context.duplicates[:5])
        finding = _blocking if policy.duplicates_block else _informing
        yield finding("duplicate_case", "case", f"other open cases look the same: {others}")


def _contradictory_address(context: CaseContext, _policy: QualityPolicy, _now: datetime) -> Iterator[Finding]:
    known = context.requester.email.strip().casefold() if context.requester else ""
    if not known or context.addressing is None:
        return
    written_from = {to.strip().casefold() for to in context.addressing.to if "@" in to}
    if written_from and not any(known in address for address in written_from):
        yield _informing("contradictory", "requester.email", "the customer wrote from another address than on record")


def _contradictory_status(context: CaseContext, _policy: QualityPolicy, _now: datetime) -> Iterator[Finding]:
    status = context.status.strip().casefold()
    if (context.open and status in _CLOSED) or (not context.open and status in _OPEN):
        state = "open" if context.open else "closed"
        yield _informing("contradictory", "status", f"the status and the case being {state} say different things")


def _contradictory_times(context: CaseContext, _policy: QualityPolicy, _now: datetime) -> Iterator[Finding]:
    if context.updated_at is not None and context.updated_at < context.created_at:
        yield _informing("contradictory", "updated_at", "the case was changed before it was created")


def _contradictory_fields(context: CaseContext, _policy: QualityPolicy, _now: datetime) -> Iterator[Finding]:
    values: dict[str, set[str]] = {}
    for item in context.fields:
        values.setdefault(item.name, set()).add(item.value.strip().casefold())
    for name, said in values.items():
        if len(said) > 1:
            yield _informing("contradictory", _named(name), f"the field has {len(said)} different values")


def _question(context: CaseContext, policy: QualityPolicy, _now: datetime) -> Iterator[Finding]:
    waiting = _waiting(context)
    text = "\n".join(message.text for message in waiting)
    if not _says_something(text) and not _asks_in_subject(context.subject):
        yield _blocking("empty_question", "messages", "no text of the customer says what they want")
    if any(message.truncated for message in waiting):
        yield _informing("truncated", "messages", "the CRM holds more of the customer's message than could be read")
    if len(text) > policy.too_long_chars:
        yield _informing("too_long", "messages", f"the question has {len(text)} characters; its end may go unread")


def _unreadable(context: CaseContext, _policy: QualityPolicy, _now: datetime) -> Iterator[Finding]:
    for item in context.unreadable:
        name = _named(item.name)
        yield _informing(f"unreadable:{name}", name, visible(item.reason)[:200] or "it could not be read")


def _waiting(context: CaseContext) -> Sequence[Message]:
    public = [message for message in context.public_messages if not message.automatic]
    return [public[index] for index in open_question([message.author.kind for message in public])]


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _asks_in_subject(subject: str) -> bool:
    """Some write all of it into the subject line; three words may be a question, "Hello" is none."""
    words = _REPLY_PREFIX.sub("", subject, count=1).split()
    return sum(1 for word in words if _says_something(word)) >= 3


def _named(name: str) -> str:
    return visible(name).strip()[:80] or "unnamed"


def _informing(code: str, field: str, detail: str) -> Finding:
    return Finding(code=code, severity=Severity.INFORMING, field=field, detail=detail)


def _blocking(code: str, field: str, detail: str) -> Finding:
    return Finding(code=code, severity=Severity.BLOCKING, field=field, detail=detail)


_RULES: tuple[Callable[[CaseContext, QualityPolicy, datetime], Iterator[Finding]], ...] = (
    _address,
    _question,
    _requester,
    _duplicates,
    _contradictory_address,
    _contradictory_status,
    _contradictory_times,
    _contradictory_fields,
    _stale,
    _unreadable,
)
