"""What stands between an emulated CRM's API and its callers: counting, rate limits, access tokens and faults.

A WSGI middleware. It owns the order of these and how a fault is played; which calls are operations, and the form of
every refusal, are the emulator's. Pages for people pass untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from crm_bridge.kit.calls import CallCounter
from crm_bridge.kit.emulation import wire
from crm_bridge.kit.emulation.answers import Environ, HttpAnswer, StartResponse, WsgiApp, ask
from crm_bridge.kit.emulation.faults import FaultRule, Faults
from crm_bridge.kit.emulation.rates import RateLimits, Usage

SPARED = FaultRule(times=None)
"""A rule that does nothing."""


class Disturbed(Protocol):
    """What the middleware asks of an emulator."""

    @property
    def app(self) -> Any: ...
    @property
    def faults(self) -> Faults: ...
    def operation(self, environ: Environ) -> str | None: ...
    def admits(self, operation: str, environ: Environ) -> bool: ...
    def expire_tokens(self) -> bool: ...
    def refusal(self, status: int, code: str) -> HttpAnswer: ...
    def limit_headers(self, usages: Sequence[Usage]) -> dict[str, str]: ...
    def limit_exceeded(self, usage: Usage) -> HttpAnswer: ...


class Disturbance:
    """The app of an emulator as callers meet it. `pause(seconds)` waits; true ends what it waited for."""

    def __init__(
        self, crm: Disturbed, rates: RateLimits, counter: CallCounter, *, pause: Callable[[float], Any]
    ) -> None:
        self._crm = crm
        self._rates = rates
        self._counter = counter
        self._pause = pause

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        operation = self._crm.operation(environ)
        app: WsgiApp = self._crm.app
        if operation is None:
            return app(environ, start)
        self._counter.count(operation)
        rule = self._crm.faults.take(operation) or SPARED
        self._pause(rule.delay_s)
        if rule.expire_token:
            self._crm.expire_tokens()
        answer = self._answer(rule, operation, environ)
        if rule.reset:
            wire.reset(environ)
        return self._on_the_wire(rule, _dressed(rule, answer), environ, start)

    def _answer(self, rule: FaultRule, operation: str, environ: Environ) -> HttpAnswer:
        """What is answered, after the effect it may have."""
        instead = self._instead(rule)
        lost = rule.drop_answer_after_effect
        if lost or (instead is None and not rule.reset):
            effect = self._done(operation, environ)
            return instead or effect
        return instead or HttpAnswer(status=500)

    def _instead(self, rule: FaultRule) -> HttpAnswer | None:
        if rule.rate_limit is not None:
            return self._crm.limit_exceeded(self._rates.used_up(rule.rate_limit))
        if rule.redirect_to is not None:
            return HttpAnswer(status=rule.status or 307, headers=(("Location", rule.redirect_to),))
        if rule.body is not None:
            headers = (("Content-Type", "application/json"),)
            return HttpAnswer(status=rule.status or 200, headers=headers, body=rule.body.encode())
        return self._crm.refusal(rule.status, "fault") if rule.status is not None else None

    def _done(self, operation: str, environ: Environ) -> HttpAnswer:
        usages, refusing = self._rates.take(operation)
        if refusing is not None:
            answer = self._crm.limit_exceeded(refusing)
        elif not self._crm.admits(operation, environ):
            answer = self._crm.refusal(401, "unauthorized")
        else:
            answer = ask(self._crm.app, environ)
        return answer.with_headers(self._crm.limit_headers(usages)) if usages else answer

    def _on_the_wire(
        self, rule: FaultRule, answer: HttpAnswer, environ: Environ, start: StartResponse
    ) -> Iterable[bytes]:
        if rule.truncate is not None:
            return wire.cut_off(answer, start, rule.truncate)
        if rule.drop_answer_after_effect and self._instead(rule) is None:
            return wire.cut_off(answer, start, 1)
        if rule.drip:
            return wire.dripped(answer, start, environ, rule.drip, self._pause)
        if rule.endless:
            return wire.endless(answer, start, self._pause)
        return wire.whole(answer, start)


def _dressed(rule: FaultRule, answer: HttpAnswer) -> HttpAnswer:
    """The answer with the headers the rule wishes."""
    headers = dict(rule.headers)
    if rule.content_type is not None:
        headers["Content-Type"] = rule.content_type
    if rule.retry_after is not None:
        headers["Retry-After"] = str(rule.retry_after)
    return answer.with_headers(headers) if headers else answer
