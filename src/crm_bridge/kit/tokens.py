"""Access tokens of a connection: fetched once for everybody, before they end, and once more when one is refused.

Owns when a token is fetched; how is the adapter's `fetch`, and who waits for whom is `services.tokens`. It never logs
or quotes one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from crm_bridge.contract import OutboundError, Reauthenticate, Retry, Services, Token

T = TypeVar("T")

REFRESH_BEFORE = timedelta(minutes=1)
"""A token with less time left than this is replaced: it has to outlive the call it is used for."""

HOLD_OFF_S = 10.0
"""After a failed early refresh the old token, still good, is used for so long before the next try."""


class TokenProvider:
    """The token `name` of one connection; safe to use from several threads.

    `fetch(stored)` makes one bounded call to the token endpoint and returns a `Token`: `stored` is what was kept before
    (its `extra` may hold a rotated refresh token), None the first time. What it raises goes to the caller; a refusal of
    the credentials has to be `Reauthenticate`. The new token is stored before anybody uses it.
    """

    def __init__(
        self,
        services: Services,
        fetch: Callable[[Token | None], Token],
        *,
        name: str = "access",
        refresh_before: timedelta = REFRESH_BEFORE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._fetch = fetch
        self._name = name
        self._refresh_before = refresh_before
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._not_early_until = -float("inf")

    def token(self) -> Token:
        """A token that is good for a while. Raises what `fetch` raises when there is none to be had."""
        stored = self._services.tokens.get(self._name)
        if stored is None or self._ends_within(stored, timedelta()):
            return self.renew(stored)
        if self._ends_within(stored, self._refresh_before) and self._may_refresh_early():
            return self._renewed_early(stored)
        return stored

    def renew(self, refused: Token | None) -> Token:
        """A token other than `refused`; only the first who asks fetches one, the others get what it brought."""
        return self._services.tokens.refresh(self._name, refused, self._fetch)

    def call(self, attempt: Callable[[Token], T]) -> T:
        """`attempt` with a token, and once more with a new one when it raises `Reauthenticate`.

        A refused call had no effect, so this is right for every effect. Refused again, `Reauthenticate` stands.
        """
        token = self.token()
        try:
            return attempt(token)
        except Reauthenticate:
            fresh = self.renew(token)
            if fresh.value == token.value:
                raise  # the CRM gives out the very token it refuses
        return attempt(fresh)

    def _ends_within(self, token: Token, margin: timedelta) -> bool:
        return token.expires_at is not None and token.expires_at - self._services.clock.now() <= margin

    def _may_refresh_early(self) -> bool:
        with self._lock:
            return self._monotonic() >= self._not_early_until

    def _renewed_early(self, stored: Token) -> Token:
        try:
            return self.renew(stored)
        except Retry:
            # The token endpoint is in trouble, and this token is still good: no reason to stop.
            with self._lock:
                self._not_early_until = self._monotonic() + HOLD_OFF_S
            return stored


def bearer(token: Token) -> dict[str, str]:
    """The header of RFC 6750."""
    return {"Authorization": f"Bearer {token.value}"}


def refused_grant(error: OutboundError) -> Reauthenticate:
    """What a token endpoint's refusal (400 `invalid_grant`, 401 `invalid_client`, …) means: an admin has to look."""
    return Reauthenticate("the token endpoint refuses the credentials", code=error.code)
