"""Literals against the type of a field: dates and the words for them, numbers, ids. It compares nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.ids import full_id_or_none
from crm_bridge_salesforce.emulator.schema import Field
from crm_bridge_salesforce.emulator.soql.tree import Value
from crm_bridge_salesforce.emulator.values import moment_of, stamp

_COUNTED = re.compile(r"(LAST|NEXT)_N_(DAYS|WEEKS|MONTHS|YEARS):(\d{1,5})")
_DAYS = {"DAYS": 1, "WEEKS": 7, "MONTHS": 30, "YEARS": 365}
_NUMBERS = frozenset({"int", "double", "currency", "percent"})
_MOMENTS = frozenset({"date", "datetime"})

_LONGEST = timedelta(days=365_000)
"""No span leaves the years there are."""

Span = tuple[Any, Any]
"""From, and up to but without; both the same for a plain value."""


def span_of(field: Field, literal: Value, now: datetime) -> Span:
    """What a literal means for a field, as its values are kept. Raises `Refused` where the kinds do not fit."""
    if literal.kind == "word" and literal.value.lower() == "null":
        return None, None
    if field.kind in _MOMENTS:
        return _moments(field, literal, now)
    if field.kind == "boolean":
        return _same(_boolean(field, literal))
    if field.kind in _NUMBERS:
        if literal.kind != "number":
            raise _wrong(field, literal, "double" if field.kind != "int" else "int")
        return _same(float(literal.value))
    if literal.kind != "text":
        raise _wrong_text(field)
    if field.kind in ("id", "reference") and literal.value:
        found = full_id_or_none(literal.value)
        if found is None:
            raise Refused(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.value[:80]}")
        return _same(found)
    return _same(literal.value or None)


def _same(value: Any) -> Span:
    return value, value


def _boolean(field: Field, literal: Value) -> bool:
    if literal.kind != "word" or literal.value.lower() not in ("true", "false"):
        raise _wrong(field, literal, "boolean")
    return bool(literal.value.lower() == "true")


def _moments(field: Field, literal: Value, now: datetime) -> Span:
    if literal.kind == "moment":
        whole = "T" in literal.value
        if whole != (field.kind == "datetime"):
            raise _wrong(field, literal, field.kind)
        try:
            moment = moment_of(literal.value)
        except (ValueError, OverflowError):
            raise _wrong(field, literal, field.kind) from None
        return _same(_kept(field, moment))
    if literal.kind != "word":
        raise _wrong(field, literal, field.kind)
    begin, end = _named(literal.value.upper(), now) or (None, None)
    if begin is None or end is None:
        raise _wrong(field, literal, field.kind)
    return _kept(field, begin), _kept(field, end)


def _kept(field: Field, moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat() if field.kind == "date" else stamp(moment)


def _named(word: str, now: datetime) -> tuple[datetime, datetime] | None:
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)
    if word in _NAMED:
        return _NAMED[word](today)
    counted = _COUNTED.fullmatch(word)
    if counted is None:
        return None
    length = min(timedelta(days=_DAYS[counted[2]] * int(counted[3])), _LONGEST)
    return (today - length, today + day) if counted[1] == "LAST" else (today + day, today + day + length)


def _days(first: int, last: int) -> Callable[[datetime], tuple[datetime, datetime]]:
    return lambda today: (today + timedelta(days=first), today + timedelta(days=last))


def _week(weeks: int) -> Callable[[datetime], tuple[datetime, datetime]]:
    def span(today: datetime) -> tuple[datetime, datetime]:
        sunday = today - timedelta(days=(today.weekday() + 1) % 7) + timedelta(weeks=weeks)
        return sunday, sunday + timedelta(weeks=1)

    return span


def _this_month(today: datetime) -> tuple[datetime, datetime]:
    first = today.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def _last_month(today: datetime) -> tuple[datetime, datetime]:
    first = today.replace(day=1)
    return (first - timedelta(days=1)).replace(day=1), first


_NAMED: Mapping[str, Callable[[datetime], tuple[datetime, datetime]]] = {
    "TODAY": _days(0, 1),
    "YESTERDAY": _days(-1, 0),
    "TOMORROW": _days(1, 2),
    "LAST_90_DAYS": _days(-90, 1),
    "THIS_WEEK": _week(0),
    "LAST_WEEK": _week(-1),
    "THIS_MONTH": _this_month,
    "LAST_MONTH": _last_month,
}


def _wrong(field: Field, literal: Value, wanted: str) -> Refused:
    kind = {"datetime": "dateTime"}.get(wanted, wanted)
    quoted = " and should not be enclosed in quotes" if literal.kind == "text" else ""
    detail = f"value of filter criterion for field '{field.name}' must be of type {kind}{quoted}"
    return Refused(400, "INVALID_FIELD", detail)


def _wrong_text(field: Field) -> Refused:
    said = "must be of type string and should be enclosed in quotes"
    detail = f"value of filter criterion for field '{field.name}' {said}"
    return Refused(400, "INVALID_FIELD", detail)
