"""Contract values to and from plain JSON, for encrypted columns and for the panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from crm_bridge.contract import Addressing, Attachment, Author, Finding, Flag, Message, Severity, Source


def to_json(value: Any) -> Any:
    """A frozen value as JSON-able data; `raw` and `html` are left out, times are ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: to_json(getattr(value, item.name)) for item in fields(value) if item.name not in {"raw", "html"}
        }
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    return value


def addressing_from(data: Mapping[str, Any] | None) -> Addressing | None:
    if data is None:
        return None
    return Addressing(**{**data, "to": tuple(data["to"]), "cc": tuple(data["cc"])})


def sources_from(data: Sequence[Mapping[str, Any]]) -> tuple[Source, ...]:
    return tuple(Source(**item) for item in data)


def flags_from(data: Sequence[Mapping[str, Any]]) -> tuple[Flag, ...]:
    return tuple(Flag(**{**item, "severity": Severity(item["severity"])}) for item in data)


def findings_from(data: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    return tuple(Finding(**{**item, "severity": Severity(item["severity"])}) for item in data)


def message_from(data: Mapping[str, Any]) -> Message:
    return Message(
        **{
            **data,
            "author": Author(**data["author"]),
            "sent_at": datetime.fromisoformat(data["sent_at"]),
            "attachments": tuple(Attachment(**item) for item in data["attachments"]),
        }
    )
