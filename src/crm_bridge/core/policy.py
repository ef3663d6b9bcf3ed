"""What an operator decides for one connection, as values, and who is in the rollout at all.

Owns the policies the pure steps are given (voice, masking, quality, guard) and the include/exclude rules. Reads no
configuration: `settings` validates and builds these values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from crm_bridge.contract import CaseContext

Rules = Mapping[str, tuple[str, ...]]
"""Field name -> accepted values, e.g. `{"queue": ("Billing", "Returns")}`. Compared without case."""

BLOCKING_FLAGS = frozenset(
    {
        "amount_not_found",
        "attachment_promised",
        "contact_not_in_sources",
        "disguised",
        "internal_note_overlap",
        "link_not_in_sources",
        "placeholder",
        "promise_not_found",
        "secret",
        "too_long",
        "unresolved_mask",
    }
)
"""Flags an agent must acknowledge by name unless an operator decides otherwise."""

SHAREABLE_FIELDS = frozenset({"category", "order", "order_number", "plan", "product", "topic", "version"})
"""Fields that say what a case is about and nothing of who asks; others are shared only when allow-listed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Voice:
    """How this company begins and ends a reply, and who signs it. Empty = the assistant's own way."""

    greeting: str = ""
    closing: str = ""
    signer: str = ""


NO_VOICE = Voice()


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskingPolicy:
    """What may reach an assistant besides public messages: notes are off, fields are an allow list of names."""

    internal_notes: bool = False
    field_allow_list: frozenset[str] = SHAREABLE_FIELDS


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityPolicy:
    """When data is remarked on. `too_long_chars` counts the text of the open question."""

    stale_after: timedelta = timedelta(days=365)
    duplicates_block: bool = False
    too_long_chars: int = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardPolicy:
    """`allowed_link_hosts` may be linked with any path, their subdomains too; `blocking` holds flag codes."""

    allowed_link_hosts: frozenset[str] = frozenset()
    blocking: frozenset[str] = BLOCKING_FLAGS


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionPolicy:
    """Everything the pipeline asks an operator about one connection.

    `daily_cost_limit` is in the currency of the price table, `holdout` the share (0..1) measured without AI.
    """

    mode: Literal["shadow", "suggest"] = "suggest"
    start_from: datetime
    debounce: timedelta = timedelta(seconds=5)
    undo: timedelta = timedelta(seconds=10)
    max_drafts_per_hour: int | None = None
    daily_cost_limit: float | None = None
    include: Rules = field(default_factory=lambda: MappingProxyType({}))
    exclude: Rules = field(default_factory=lambda: MappingProxyType({}))
    voice: Voice = NO_VOICE
    masking: MaskingPolicy = MaskingPolicy()
    quality: QualityPolicy = QualityPolicy()
    guard: GuardPolicy = GuardPolicy()
    holdout: float = 0.0
    experiment_salt: str = ""

    def __post_init__(self) -> None:
        if self.start_from.tzinfo is None:
            raise ValueError("ConnectionPolicy.start_from must be an aware datetime")
        if not 0.0 <= self.holdout <= 1.0:
            raise ValueError("ConnectionPolicy.holdout must lie between 0 and 1")
        if self.debounce < timedelta(0) or self.undo < timedelta(0):
            raise ValueError("ConnectionPolicy.debounce and undo must not be negative")


_READERS: Mapping[str, Callable[[CaseContext], str]] = {
    "queue": lambda context: context.queue,
    "language": lambda context: context.language or "",
    "channel": lambda context: context.channel,
    "priority": lambda context: context.priority,
    "status": lambda context: context.status,
}
RULE_FIELDS = frozenset(_READERS)
"""Rule names every CRM has; any other name means a field of the case by that name."""


def eligible(context: CaseContext, include: Rules, exclude: Rules) -> str | None:
    """None when the case is in the rollout, else the name of the field that kept it out.

    Looks at fields as read and never at a text. An empty field satisfies no include rule and no exclude rule.
    """
    for name, wanted in include.items():
        if not _matches(name, _read(context, name), wanted):
            return name
    for name, unwanted in exclude.items():
        if _matches(name, _read(context, name), unwanted):
            return name
    return None


def _read(context: CaseContext, name: str) -> str:
    reader = _READERS.get(name)
    if reader is not None:
        return reader(context)
    return next((item.value for item in context.fields if item.name == name), "")


def _matches(name: str, value: str, accepted: tuple[str, ...]) -> bool:
    said = value.strip().casefold()
    if not said:
        return False
    choices = {choice.strip().casefold() for choice in accepted}
    # A rule "en" means every English: en-GB and en_US as well.
    return said in choices or (name == "language" and said.replace("_", "-").split("-")[0] in choices)
