"""Calls that go through somebody else's client library, with the same promises as `HttpClient`.

Owns limits, the lease, the deadline, counting, trying again, and the translation of every foreign exception: nothing
but an `OutboundError` comes out. What a CRM's own error codes mean is the adapter's judge.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from crm_bridge.contract import OutboundError, Retry, Services
from crm_bridge.kit.calls import CallCounter
from crm_bridge.kit.http import judge
from crm_bridge.kit.http.answer import BrokenAnswer
from crm_bridge.kit.http.connection import Attempt, running
from crm_bridge.kit.http.judge import Effect
from crm_bridge.kit.http.repeat import Believed, repeated
from crm_bridge.kit.http.session import TRANSPORT_ERRORS, transport_failure
from crm_bridge.kit.limits import CallLimits, Limit

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What is known when a library raised `error`.

    `left`: a request may have left (always true for a library that does not use our session). `status` and
    `retry_after` are those of the last answer our session saw, None when there was none.
    """

    operation: str
    effect: Effect
    error: Exception
    left: bool
    status: int | None
    retry_after: str | None

    def by_status(self) -> OutboundError:
        """What the status says, by the same table as `HttpClient`; without one, that nobody knows what happened."""
        if self.status is None:
            return self.unknown("foreign_error")
        asked = judge.refused(self.operation, self.status, self.effect, self.retry_after, datetime.now(UTC))
        # A library that stumbles over an answer of success: it may well have happened.
        return asked or self.unknown("unusable_answer")

    def unknown(self, code: str) -> OutboundError:
        """`Ambiguous` where repeating could do harm, else `Retry`."""
        if not self.left:
            return judge.not_left(self.operation, code)
        return judge.maybe_left(self.operation, code, self.effect)


Judge = Callable[[Failure], OutboundError]


class ForeignCalls:
    """The calls of one connection through a library that raises `raises`; safe to use from several threads.

    Give the library a `BoundedSession` where it takes a session: only then the deadline holds down to the socket.
    `judge` turns a failure into an `OutboundError`; without one the HTTP status decides. Every request is taken from
    `limits` and counted in `calls`.

    ::

        query = self._calls.call("read_case", lambda: self._client().query(soql), effect=Effect.READ)
    """

    def __init__(
        self,
        services: Services,
        *,
        raises: tuple[type[Exception], ...],
        judge: Judge = Failure.by_status,
        limits: Iterable[Limit] = (),
        calls: CallCounter | None = None,
        total_s: float = 10.0,
    ) -> None:
        self._may_start = services.may_start
        self._limits = CallLimits(limits, services.limits)
        self._raises = raises
        self._judge = judge
        self._total_s = total_s
        self.calls = calls if calls is not None else CallCounter()

    def call(self, operation: str, function: Callable[[], T], *, effect: Effect, total_s: float | None = None) -> T:
        """What `function` returns, or an `OutboundError`. It is called up to three times for READ and IDEMPOTENT."""
        ends_at = time.monotonic() + (total_s or self._total_s)
        try:
            return repeated(lambda: self._attempt(operation, function, effect, ends_at), effect=effect, ends_at=ends_at)
        except OutboundError as error:
            log.info("outbound_call_failed", operation=operation, effect=effect.value, code=error.code)
            raise

    def _attempt(self, operation: str, function: Callable[[], T], effect: Effect, ends_at: float) -> T:
        self._take(operation)
        if effect is not Effect.READ and not self._may_start():
            raise Retry(f"{operation}: the lease is over, nothing was sent", code="lease_over")
        attempt = Attempt(ends_at, fresh=effect is Effect.ONCE, on_further_request=lambda: self._take(operation))
        try:
            with running(attempt):
                return function()
        except OutboundError:
            raise
        except BrokenAnswer as error:
            raise judge.maybe_left(operation, error.code, effect) from None
        except self._raises as error:
            judged = self._judge(_failure(operation, effect, error, attempt))
            raise (Believed(judged) if attempt.retry_after else judged) from None
        except TRANSPORT_ERRORS as error:
            raise _of_transport(operation, effect, error, attempt) from None

    def _take(self, operation: str) -> None:
        self._limits.acquire(operation)
        self.calls.count(operation)


def _failure(operation: str, effect: Effect, error: Exception, attempt: Attempt) -> Failure:
    return Failure(
        operation=operation,
        effect=effect,
        error=error,
        left=attempt.may_have_left or not attempt.used,
        status=attempt.status,
        retry_after=attempt.retry_after,
    )


def _of_transport(operation: str, effect: Effect, error: Exception, attempt: Attempt) -> OutboundError:
    if attempt.used and attempt.status is None:
        return transport_failure(operation, effect, attempt, error)
    # Not our session, or an answer came and the library stumbled over it: e.g. a ValueError of its JSON.
    return _failure(operation, effect, error, attempt).by_status()
