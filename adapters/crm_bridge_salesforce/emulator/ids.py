"""Record ids: 15 characters that keep case, 18 with a suffix for those who lose it. It owns no records."""

from __future__ import annotations

import re

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
INSTANCE = "Wx0"


def make_id(prefix: str, number: int) -> str:
    """The 18-character id of the `number`-th record of a key prefix."""
    return full_id(f"{prefix}{INSTANCE}{_base62(number):0>9}")


def full_id(text: str) -> str:
    """The 18 characters of an id of 15. Raises `ValueError` for what is no id, or has a wrong suffix."""
    if _ID.fullmatch(text) is None:
        raise ValueError("an id has 15 or 18 letters and digits")
    first = text[:15]
    whole = first + "".join(_check(first[start : start + 5]) for start in (0, 5, 10))
    if len(text) == 18 and text.upper() != whole.upper():
        raise ValueError("the suffix does not belong to this id")
    return whole


def full_id_or_none(value: object) -> str | None:
    """The 18 characters, or None for what is no id."""
    try:
        return full_id(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _check(five: str) -> str:
    return _SUFFIX[sum(1 << place for place, letter in enumerate(five) if "A" <= letter <= "Z")]


def _base62(number: int) -> str:
    text = ""
    while number:
        number, rest = divmod(number, 62)
        text = _DIGITS[rest] + text
    return text or "0"
