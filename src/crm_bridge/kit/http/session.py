"""requests sessions that keep our bounds: those of `HttpClient`, and those handed to a CRM's own client library.

Owns what a session may not do (follow redirects, keep cookies, read the environment, reach other hosts, fill the
memory) and what a failure of the transport means. When a call is over says the running attempt.
"""

from __future__ import annotations

import http.client
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from crm_bridge.contract import InvalidConfig, Network, OutboundError, Permanent
from crm_bridge.kit.http import judge
from crm_bridge.kit.http.answer import BrokenAnswer, media_type, read_body
from crm_bridge.kit.http.connection import Attempt, DeadlineTransport, current_attempt
from crm_bridge.kit.http.judge import Effect
from crm_bridge.kit.http.target import base_of, proxy_for

# Everything requests, urllib3, http.client and ssl raise while a call is under way; found by a fuzzing test.
TRANSPORT_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)


def harden(session: requests.Session) -> requests.Session:
    """Neither proxies nor passwords nor certificates from the environment, no cookies, our connections only."""
    session.trust_env = False
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.adapters.clear()
    for scheme in ("http://", "https://"):
        session.mount(scheme, DeadlineTransport())
    return session


def transport_failure(operation: str, effect: Effect, attempt: Attempt, error: Exception) -> OutboundError:
    """What one of `TRANSPORT_ERRORS` means: whether the request may have left decides."""
    if not attempt.may_have_left:
        code = "tls_failed" if isinstance(error, requests.exceptions.SSLError) else "connect_failed"
        return judge.not_left(operation, code)
    code = "timeout" if attempt.is_over or _is_timeout(error) else "connection_lost"
    return judge.maybe_left(operation, code, effect)


def _is_timeout(error: Exception) -> bool:
    return isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError)


class BoundedSession(requests.Session):
    """A session for a client library that takes one (simple-salesforce and its like); one per thread.

    Usable only inside `ForeignCalls.call`, whose deadline holds for everything the library does there, whatever
    timeouts it sets or forgets. Redirects, hosts outside `allowed_hosts` (as in `HttpClient`), answers larger than
    `max_bytes` decoded and web pages with status 200 end the call in an error of the contract.
    """

    def __init__(
        self, *, allowed_hosts: frozenset[str], network: Network | None = None, max_bytes: int = 5_000_000
    ) -> None:
        super().__init__()
        harden(self)
        self._allowed_hosts = allowed_hosts
        self._network = network or Network()
        self._max_bytes = max_bytes

    def send(self, request: requests.PreparedRequest, **_wished: Any) -> requests.Response:
        """One request within the running attempt; what the library wishes of timeouts and redirects is not followed."""
        attempt = current_attempt()
        host = self._checked_host(request.url or "")
        if attempt.fresh:
            self.close()  # an idle connection may be half dead, and then nobody knew whether the request arrived
        attempt.begins_request()
        proxy = proxy_for(host, self._network)
        response = super().send(
            request,
            stream=True,
            timeout=attempt.remaining_s(),
            allow_redirects=False,
            verify=self._network.ca_bundle or True,
            proxies={"http": proxy, "https": proxy} if proxy else {},
        )
        with response:
            attempt.status, attempt.retry_after = response.status_code, response.headers.get("retry-after")
            if 300 <= response.status_code < 400 and response.status_code != 304:
                raise BrokenAnswer("redirected")
            if response.ok and media_type(response.headers.get("content-type", "")) == "text/html":
                raise BrokenAnswer("html_answer")
            response._content = read_body(response, self._max_bytes)
            response._content_consumed = True  # type: ignore[attr-defined]  # as requests itself says it
        return response

    def _checked_host(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            return base_of(f"{parts.scheme}://{parts.netloc}", self._allowed_hosts).host
        except (InvalidConfig, ValueError):
            raise Permanent("the host of this call is not allowed", code="unsafe_host") from None
