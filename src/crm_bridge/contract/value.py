"""What every value of the contract shares: it refuses naive datetimes and unusable ids at once.

Values are frozen, keyword-only and complete when constructed. Every text comes from outside and is untrusted.
`raw` keeps what the CRM said, for people and for later; nothing decides by it.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

MAX_ID_LENGTH = 200
"""Ids of CRMs are short; a longer one is a mistake or an attack."""


def _check(value: object) -> None:
    """Refuse naive datetimes and unusable ids in any of our values."""
    for item in fields(value):  # type: ignore[arg-type]
        content = getattr(value, item.name)
        if isinstance(content, datetime) and content.tzinfo is None:
            raise ValueError(f"{type(value).__name__}.{item.name} must be an aware datetime")
        if item.name == "id" and isinstance(content, str):
            _check_id(content, type(value).__name__)


def _check_id(content: str, owner: str) -> None:
    if not 0 < len(content) <= MAX_ID_LENGTH or not content.isprintable():
        raise ValueError(f"{owner}.id must be 1 to {MAX_ID_LENGTH} printable characters")


class Value:
    """Base of all values: checks times and ids after construction."""

    __slots__ = ()

    def __post_init__(self) -> None:
        _check(self)
