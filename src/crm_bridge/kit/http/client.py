"""`HttpClient`: every call of an adapter or assistant that leaves the bridge.

A call has a total deadline, a cap on decoded bytes, one host, no redirects and no cookies, and ends in an `Answer` or
in an error of the contract. It takes nothing from the environment; proxy and certificates come from the settings.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import requests
import structlog

from crm_bridge.contract import Limits, Network, OutboundError, Retry, Token
from crm_bridge.kit.calls import CallCounter
from crm_bridge.kit.http import judge
from crm_bridge.kit.http.answer import Answer, BrokenAnswer, media_type, read_body
from crm_bridge.kit.http.connection import Attempt, running
from crm_bridge.kit.http.judge import Effect
from crm_bridge.kit.http.repeat import Believed, repeated
from crm_bridge.kit.http.request import OWN_HEADERS, Call, Sign, content_of, prepared
from crm_bridge.kit.http.session import TRANSPORT_ERRORS, harden, transport_failure
from crm_bridge.kit.http.target import Params, base_of, proxy_for
from crm_bridge.kit.limits import CallLimits, Limit
from crm_bridge.kit.tokens import TokenProvider, bearer

log = structlog.get_logger(__name__)


class HttpClient:
    """A client for one base URL; safe to use from several threads (each has its own session).

    `allowed_hosts` (None: the base URL's own host) may hold `*.example.com`. `total_s` bounds a call from the first
    name lookup to the last byte, retries and waiting for `limits` included. `may_start` is asked right before an effect
    leaves. `sign` gives headers for (method, raw target, body). Every attempt is taken from `limits` (which need
    `budgets`, the connection's `services.limits`) and counted in `calls`. With `tokens` every call carries
    `authorization(token)`, and is made once more with a new token when the first one is refused. Raises `InvalidConfig`
    for an unusable base URL.
    """

    def __init__(
        self,
        base_url: str,
        *,
        network: Network | None = None,
        may_start: Callable[[], bool] = lambda: True,
        allowed_hosts: frozenset[str] | None = None,
        total_s: float = 10.0,
        max_bytes: int = 5_000_000,
        headers: Mapping[str, str] | None = None,
        sign: Sign | None = None,
        limits: Iterable[Limit] = (),
        budgets: Limits | None = None,
        calls: CallCounter | None = None,
        tokens: TokenProvider | None = None,
        authorization: Callable[[Token], Mapping[str, str]] = bearer,
    ) -> None:
        self._base = base_of(base_url, allowed_hosts)
        self._network = network or Network()
        self._may_start = may_start
        self._total_s = total_s
        self._max_bytes = max_bytes
        self._headers = dict(headers or {})
        self._sign = sign
        self._limits = CallLimits(limits, budgets)
        self.calls = calls if calls is not None else CallCounter()
        self._tokens = tokens
        self._authorization = authorization
        self._local = threading.local()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    def call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        effect: Effect,
        params: Params | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        total_s: float | None = None,
        accept: Collection[int] = (),
    ) -> Answer:
        """One call of `path` below the base URL with `json` (a value to encode), a `form`, `body` (bytes) or nothing.

        `operation` is a short name for logs and errors. Statuses of 2xx and those in `accept` come back as an
        `Answer`; everything else is an `OutboundError` of the contract. Reads and idempotent calls are tried up to
        three times within the deadline when the network or a gateway fails, `Effect.ONCE` never.
        """
        if self._closed:
            raise RuntimeError("this client is closed")
        content, content_headers = content_of(operation, json, form, body)
        call = Call(
            operation=operation,
            method=method.upper(),
            url=self._base.url(path, params),
            headers={**OWN_HEADERS, **content_headers, **self._headers, **(headers or {})},
            body=content,
            effect=effect,
            accept=frozenset(accept),
            ends_at=time.monotonic() + (total_s or self._total_s),
        )
        try:
            return self._authorized(call)
        except OutboundError as error:
            log.info("outbound_call_failed", operation=operation, effect=effect.value, code=error.code)
            raise

    def close(self) -> None:
        """Close the connections of every thread. Calls after this are errors."""
        with self._lock:
            self._closed = True
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    # --- attempts -------------------------------------------------------------------------------------------------

    def _authorized(self, call: Call) -> Answer:
        if self._tokens is None:
            return self._repeated(call)
        return self._tokens.call(
            lambda token: self._repeated(replace(call, headers={**call.headers, **self._authorization(token)}))
        )

    def _repeated(self, call: Call) -> Answer:
        return repeated(lambda: self._attempt(call), effect=call.effect, ends_at=call.ends_at)

    def _attempt(self, call: Call) -> Answer:
        """One try, or an `OutboundError`."""
        self._limits.acquire(call.operation)
        session = self._session()
        if call.effect is Effect.ONCE:
            session.close()  # an idle connection may be half dead, and then nobody knew whether the request arrived
        request = prepared(call, self._sign)
        if call.effect is not Effect.READ and not self._may_start():
            raise Retry(f"{call.operation}: the lease is over, nothing was sent", code="lease_over")
        self.calls.count(call.operation)
        attempt = Attempt(call.ends_at)
        try:
            with running(attempt):
                return self._exchange(session, request, call)
        except BrokenAnswer as error:
            raise judge.maybe_left(call.operation, error.code, call.effect) from None
        except TRANSPORT_ERRORS as error:
            session.close()
            raise transport_failure(call.operation, call.effect, attempt, error) from None

    def _exchange(self, session: requests.Session, request: requests.PreparedRequest, call: Call) -> Answer:
        remaining_s = max(0.001, call.ends_at - time.monotonic())
        proxy = proxy_for(self._base.host, self._network)
        with session.send(
            request,
            stream=True,
            timeout=remaining_s,
            allow_redirects=False,
            verify=self._network.ca_bundle or True,
            proxies={"http": proxy, "https": proxy} if proxy else {},
        ) as response:
            _check_status(call, response)
            if response.ok and media_type(response.headers.get("content-type", "")) == "text/html":
                raise BrokenAnswer("html_answer")  # a login, captive or maintenance page; never an API's answer
            return Answer(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=read_body(response, self._max_bytes),
                operation=call.operation,
                effect=call.effect,
            )

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = harden(requests.Session())
            with self._lock:
                self._sessions.add(session)
        return session


def _check_status(call: Call, response: requests.Response) -> None:
    """Raise what a status means, unless it is one of success."""
    if response.status_code in call.accept:
        return
    retry_after = response.headers.get("retry-after")
    error = judge.refused(call.operation, response.status_code, call.effect, retry_after, datetime.now(UTC))
    if error is not None:
        raise Believed(error) if retry_after else error
