"""Values of fields: what a write may bring, how it is kept, and the refusal for what does not fit.

It owns types and lengths; whether a record exists is the store's. Moments are kept as the API gives them, in UTC with
whole seconds, so that their texts sort as they do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from crm_bridge_salesforce.emulator.errors import Refused, malformed_id, not_json
from crm_bridge_salesforce.emulator.ids import full_id_or_none
from crm_bridge_salesforce.emulator.schema import Field

_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+")
_OFFSET = re.compile(r"([+-]\d\d)(\d\d)$")
_SHOWN = 255


def is_address(text: str) -> bool:
    """Whether a text is an e-mail address."""
    return _EMAIL.fullmatch(text) is not None


def stamp(moment: datetime) -> str:
    """`2026-11-23T13:00:00.000+0000`: a second is all this CRM keeps."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def moment_of(text: str) -> datetime:
    """An aware moment from what a caller or a record says. Raises `ValueError`."""
    moment = datetime.fromisoformat(_OFFSET.sub(r"\1:\2", text.strip().replace("Z", "+00:00")))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def value_for(field: Field, given: Any) -> Any:
    """What is kept of a given value; None clears. Raises `Refused`."""
    if given is None or given == "":
        return False if field.kind == "boolean" and given is None else None
    read: Callable[[Field, Any], Any] = _KINDS.get(field.kind, _text)
    return read(field, given)


def _text(field: Field, given: Any) -> str | None:
    if isinstance(given, dict | list):
        raise _wrong_kind("string", given)
    text = str(given).lower() if isinstance(given, bool) else str(given).strip()
    longest = int(field.document.get("length") or 0)
    if longest and len(text) > longest:
        detail = f"{field.label}: data value too large: {text[:_SHOWN]} (max length={longest})"
        raise Refused(400, "STRING_TOO_LONG", detail, [field.name])
    return text or None


def _email(field: Field, given: Any) -> str | None:
    text = _text(field, given)
    if text is not None and _EMAIL.fullmatch(text) is None:
        detail = f"{field.label}: invalid email address: {text[:_SHOWN]}"
        raise Refused(400, "INVALID_EMAIL_ADDRESS", detail, [field.name])
    return text


def _picklist(field: Field, given: Any) -> str | None:
    text = _text(field, given)
    allowed = {item["value"] for item in field.document.get("picklistValues") or () if item.get("active", True)}
    if field.says("restrictedPicklist") and text not in allowed:
        detail = f"{field.label}: bad value for restricted picklist field: {str(text)[:_SHOWN]}"
        raise Refused(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", detail, [field.name])
    return text


def _boolean(_field: Field, given: Any) -> bool:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.lower() in ("true", "false"):
        return given.lower() == "true"
    raise _wrong_kind("boolean", given)


def _number(_field: Field, given: Any) -> float:
    try:
        number = float(given)
    except (TypeError, ValueError):
        raise _wrong_kind("double", given) from None
    if isinstance(given, bool) or number != number or abs(number) > 1e18:
        raise _wrong_kind("double", given)
    return number


def _whole(_field: Field, given: Any) -> int:
    number = _number(_field, given)
    if number != int(number):
        raise _wrong_kind("int", given)
    return int(number)


def _datetime(_field: Field, given: Any) -> str:
    try:
        return stamp(moment_of(given))
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise _wrong_kind("datetime", given) from None


def _date(_field: Field, given: Any) -> str:
    try:
        return date.fromisoformat(given[:10]).isoformat()
    except (TypeError, ValueError):
        raise _wrong_kind("date", given) from None


def _reference(field: Field, given: Any) -> str:
    found = full_id_or_none(given)
    if found is None:
        raise malformed_id(field.label, str(given)[:_SHOWN], field.name)
    return found


_KINDS: Mapping[str, Callable[[Field, Any], Any]] = {
    "reference": _reference,
    "id": _reference,
    "boolean": _boolean,
    "int": _whole,
    "double": _number,
    "currency": _number,
    "percent": _number,
    "date": _date,
    "datetime": _datetime,
    "email": _email,
    "picklist": _picklist,
}


def _wrong_kind(wanted: str, given: Any) -> Refused:
    seen = {str: "VALUE_STRING", bool: "VALUE_TRUE", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}
    kind = seen.get(type(given), "START_OBJECT")
    said = f" value {given[:_SHOWN]}" if isinstance(given, str) else ""
    return not_json(
        f"Cannot deserialize instance of {wanted} from {kind}{said} or request may be missing a required field at"
        " [line:1, column:1]"
    )
