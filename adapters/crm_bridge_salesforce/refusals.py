"""What a refusal of Salesforce means: one table of its error codes, one of statuses. Pure.

Its answers name an `errorCode` in a list, `[{message, errorCode, fields}]`, also inside a composite answer of status
200. Sources: REST API guide ("Status Codes and Error Responses"), facts page. Nothing of a message is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from crm_bridge.contract import Conflict, OutboundError, Permanent, Reauthenticate, Retry, Unsupported

TOTAL_LIMIT_AFTER = timedelta(minutes=15)
"""The daily limit is a rolling one of 24 hours: there is no use in asking every few seconds."""
SOON, LATER = timedelta(seconds=2), timedelta(seconds=30)

INVALID_FIELD = "invalid_field"
"""A field or object we were not told about any more: learn again what this user may see."""
DUPLICATE = "duplicate_value"
GONE = frozenset({"not_found", "entity_is_deleted", "http_404"})
_HALTED = "PROCESSING_HALTED"
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,60}")

JUDGED = frozenset({300, 400, 401, 403, 404, 405, 409, 410, 412, 414, 415, 420, 428, 431})
"""Statuses whose body says more than the status does."""


def refusal(operation: str, status: int, body: Any) -> OutboundError | None:
    """The error an answer means, or None for one of success."""
    if 200 <= status < 300:
        return None
    for code, message in _named(body):
        if build := _BY_CODE.get(code):
            return build(operation, message)
    named = next((code for code, _ in _named(body)), "")
    code = named.lower() or f"http_{status}"
    return _by_status(operation, status, code)


def first_refusal(operation: str, answers: Iterable[tuple[int, Any]]) -> OutboundError | None:
    """Of the answers to a composite request of which all failed together: the one that made the others fail."""
    found = [error for status, body in answers if not _halted(body) and (error := refusal(operation, status, body))]
    return found[0] if found else None


def _by_status(operation: str, status: int, code: str) -> OutboundError:
    detail = f"{operation}: {code}"
    if build := _BY_STATUS.get(status):
        return build(detail, code)
    if status >= 500 or status == 429:
        return Retry(detail, code=code)
    return Permanent(detail, code=code)


def _halted(body: Any) -> bool:
    return any(code == _HALTED for code, _ in _named(body))


def _named(body: Any) -> list[tuple[str, str]]:
    """(code, message) of every error in a body; whatever is no error is passed over."""
    entries = body if isinstance(body, list) else [body]
    found = []
    for entry in entries[:20]:
        code = entry.get("errorCode") if isinstance(entry, Mapping) else None
        if isinstance(code, str) and _CODE.fullmatch(code):
            found.append((code, str(entry.get("message", ""))[:300]))
    return found


# --- tables -------------------------------------------------------------------------------------------------------


def _retry(code: str, after: timedelta) -> Callable[[str, str], OutboundError]:
    return lambda operation, _message: Retry(f"{operation}: {code}", code=code, after=after)


def _permanent(code: str) -> Callable[[str, str], OutboundError]:
    return lambda operation, _message: Permanent(f"{operation}: {code}", code=code)


def _refused_user(code: str) -> Callable[[str, str], OutboundError]:
    return lambda operation, _message: Reauthenticate(f"{operation}: {code}", code=code)


def _request_limit(operation: str, message: str) -> OutboundError:
    if "concurrent" in message.lower():
        return Retry(f"{operation}: too many long calls at once", code="concurrent_requests", after=LATER)
    return Retry(f"{operation}: the calls of the day are used up", code="daily_limit", after=TOTAL_LIMIT_AFTER)


_BY_CODE: Mapping[str, Callable[[str, str], OutboundError]] = {
    "INVALID_SESSION_ID": _refused_user("invalid_session_id"),
    "API_DISABLED_FOR_ORG": _refused_user("api_disabled_for_org"),
    "API_CURRENTLY_DISABLED": _retry("api_currently_disabled", TOTAL_LIMIT_AFTER),
    "REQUEST_LIMIT_EXCEEDED": _request_limit,
    "UNABLE_TO_LOCK_ROW": _retry("unable_to_lock_row", SOON),
    "QUERY_TIMEOUT": _retry("query_timeout", LATER),
    "SERVER_UNAVAILABLE": _retry("server_unavailable", LATER),
    "INVALID_FIELD": _permanent(INVALID_FIELD),
    "INVALID_TYPE": _permanent(INVALID_FIELD),
    "DUPLICATE_VALUE": _permanent(DUPLICATE),
    "UNSUPPORTED_API_VERSION": lambda operation, _message: Unsupported(
        f"{operation}: this org does not speak the configured api_version", code="unsupported_api_version"
    ),
}

_BY_STATUS: Mapping[int, Callable[[str, str], OutboundError]] = {
    300: lambda detail, _code: Permanent(detail, code="external_id_not_unique"),
    401: lambda detail, code: Reauthenticate(detail, code=code),
    412: lambda detail, _code: Conflict(detail, code="modified_meanwhile"),
    420: lambda detail, code: Retry(detail, code=code, after=LATER),
}
