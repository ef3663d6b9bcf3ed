"""What a failed call means: one table of statuses, one rule for what may have happened. Pure.

A failure after the request may have left is `Retry` where repeating does no harm, and `Ambiguous` where it could. The
texts name operation and code, and quote nothing that came back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

from crm_bridge.contract import Ambiguous, Conflict, OutboundError, Permanent, Reauthenticate, Retry


class Effect(StrEnum):
    """What a call does over there, which decides what its failure means."""

    READ = "read"
    """Changes nothing."""
    IDEMPOTENT = "idempotent"
    """Changes something, but twice is once."""
    ONCE = "once"
    """Twice would be twice: never repeated by the client, `Ambiguous` when it may have happened."""


MIN_AFTER, MAX_AFTER = timedelta(seconds=1), timedelta(hours=1)
DEFAULT_AFTER = timedelta(seconds=5)
MISROUTED_AFTER = timedelta(minutes=1)
"""A redirect or a web page in place of an API is a wrong setting or a maintenance page: no use in hurrying."""

_TRANSIENT_STATUSES = frozenset({502, 503, 504})
_UNFINISHED_STATUSES = frozenset({408, 423, 425})
"""The server did not get to it, or not yet: treated like trouble of the server."""
_LONG_AFTER = {"redirected": MISROUTED_AFTER, "html_answer": MISROUTED_AFTER}
_ABOUT_THIS_ANSWER = frozenset({"oversize", "invalid_json"})
"""What is read is itself unusable, and would be again: one huge case must not pause a whole connection."""

TRANSIENT_CODES = frozenset(
    {"connect_failed", "connection_lost"} | {f"http_{status}" for status in _TRANSIENT_STATUSES}
)
"""Codes after which the same call may be tried again at once."""


def not_left(operation: str, code: str) -> Retry:
    """The request certainly never left."""
    return Retry(f"{operation}: {code}, nothing was sent", code=code, after=DEFAULT_AFTER)


def maybe_left(operation: str, code: str, effect: Effect, *, after: timedelta | None = None) -> OutboundError:
    """The request may have arrived and may have had its effect."""
    if effect is Effect.READ and code in _ABOUT_THIS_ANSWER:
        return Permanent(f"{operation}: {code}", code=code)
    if effect is Effect.ONCE:
        return Ambiguous(f"{operation}: {code}, it may have happened", code=code)
    return Retry(f"{operation}: {code}", code=code, after=after or _LONG_AFTER.get(code, DEFAULT_AFTER))


def refused(
    operation: str, status: int, effect: Effect, retry_after: str | None, now: datetime
) -> OutboundError | None:
    """The error a status means, or None for one of success. Everything unknown counts as a broken answer."""
    if 200 <= status < 300:
        return None
    code = f"http_{status}"
    if build := _BY_STATUS.get(status):
        return build(f"{operation}: {code}", code, after_of(retry_after, now))
    if 300 <= status < 400:
        return maybe_left(operation, "redirected", effect)
    if 400 <= status < 500 and status not in _UNFINISHED_STATUSES:
        return Permanent(f"{operation}: {code}", code=code)
    return maybe_left(operation, code, effect, after=after_of(retry_after, now))


_BY_STATUS: dict[int, Callable[[str, str, timedelta], OutboundError]] = {
    401: lambda detail, code, _after: Reauthenticate(detail, code=code),
    409: lambda detail, code, _after: Conflict(detail, code=code),
    412: lambda detail, code, _after: Conflict(detail, code=code),
    429: lambda detail, code, after: Retry(detail, code=code, after=after),
}

_SECONDS = re.compile(r"[0-9]{1,4000}")


def after_of(header: str | None, now: datetime) -> timedelta:
    """`Retry-After` (RFC 9110: seconds or a date) as a time to wait, 1 s to 1 h; what makes no sense is 5 s."""
    text = (header or "").strip(" \t")
    if _SECONDS.fullmatch(text):
        return _within(timedelta(seconds=min(int(text), 86_400)))
    try:
        at = parsedate_to_datetime(text[:64])
    except (ValueError, TypeError, OverflowError, IndexError):
        return DEFAULT_AFTER
    if at.tzinfo is None:  # RFC 9110 dates are GMT; "-0000" leaves the zone out
        at = at.replace(tzinfo=UTC)
    return _within(at - now)


def _within(wait: timedelta) -> timedelta:
    return max(MIN_AFTER, min(MAX_AFTER, wait))
