"""Guarded reading of bytes and texts that come from outside: JSON, free text, HTML, e-mail.

Owns what is refused (as `InvalidDelivery`, quoting nothing) and what is only replaced. It knows no CRM and no schema.
Every function is bounded in size and time, whatever the input.
"""

from __future__ import annotations

import json
import math
import re
from typing import TypeAlias

from crm_bridge.contract import InvalidDelivery
from crm_bridge.kit.mail import newest_reply
from crm_bridge.kit.text import clean_text, plain_text, repair_text

__all__ = ["JsonValue", "clean_text", "newest_reply", "parse_json", "plain_text", "repair_text"]

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
_INT64 = range(-(2**63), 2**63)
_INT64_CHARS = 20

# One token a match, strings whole: an unterminated string takes the rest, so no text is ever scanned twice.
_NESTING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_DEPTH_CHANGE = {"[": 1, "{": 1, "]": -1, "}": -1}


def parse_json(body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Strict JSON (RFC 8259) in UTF-8 without a byte order mark, or `InvalidDelivery`.

    Refused: more than `max_bytes`, nesting deeper than `max_depth`, NaN and Infinity, integers beyond 64 bit, floats
    that are not finite, an object naming a key twice. Replaced in strings, since real CRMs cut emoji in half: lone
    surrogates by U+FFFD, NUL by nothing.
    """
    if len(body) > max_bytes:
        raise InvalidDelivery(f"the body is larger than {max_bytes} bytes")
    text = _decode(body)
    _check_depth(text, max_depth)
    try:
        value: JsonValue = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_int=_bounded_int,
            parse_float=_finite_float,
            object_pairs_hook=_unique_keys,
        )
    except json.JSONDecodeError as error:
        # Its text would be fine, but it carries the whole document along.
        raise InvalidDelivery(f"the body is not JSON (at character {error.pos})") from None
    return _storable(value) if "\\u" in text else value


def _decode(body: bytes) -> str:
    if body.startswith(b"\xef\xbb\xbf"):
        raise InvalidDelivery("the body starts with a byte order mark; send plain UTF-8")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDelivery(f"the body is not UTF-8 (at byte {error.start})") from None


def _check_depth(text: str, max_depth: int) -> None:
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for token in _NESTING.finditer(text):
        depth += _DEPTH_CHANGE.get(token[0], 0)
        if depth > max_depth:
            raise InvalidDelivery(f"the body is nested deeper than {max_depth}")


def _refuse_constant(_name: str) -> JsonValue:
    raise InvalidDelivery("NaN and Infinity are not JSON")


def _bounded_int(digits: str) -> int:
    if len(digits) > _INT64_CHARS or (number := int(digits)) not in _INT64:
        raise InvalidDelivery("an integer does not fit in 64 bits")
    return number


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise InvalidDelivery("a number is too large")
    return number


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    # Cleaned first: two keys that only differ by a NUL would become one later.
    unique = {clean_text(key): value for key, value in pairs}
    if len(unique) != len(pairs):
        raise InvalidDelivery("an object names a key twice")
    return unique


def _storable(value: JsonValue) -> JsonValue:
    """The value with every string cleaned; as deep as `max_depth` allowed."""
    match value:
        case str():
            return clean_text(value)
        case list():
            return [_storable(item) for item in value]
        case dict():
            return {key: _storable(item) for key, item in value.items()}
        case _:
            return value
