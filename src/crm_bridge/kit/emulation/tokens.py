"""The token endpoint of an emulated CRM: OAuth 2.0 grants (RFC 6749), tokens that expire, refresh tokens that rotate.

It owns which tokens are good; they are records and survive a restart. The form of what it answers is the emulator's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from crm_bridge.kit.emulation.answers import HttpAnswer, json_answer
from crm_bridge.kit.emulation.clock import EmulatorClock
from crm_bridge.kit.emulation.records import RecordStore

_ACCESS, _REFRESH, _AGE = "access_token", "refresh_token", "token_age"

Form = Mapping[str, str]
Grant = Callable[[Form], str | None]
"""Looks at a form whose client is known; None grants, a text is the OAuth error code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Issued:
    """What was granted. `refresh_token` is "" where there is none."""

    access_token: str
    refresh_token: str
    expires_in_s: int | None
    issued_at: datetime


def standard_form(issued: Issued) -> dict[str, Any]:
    """The answer of RFC 6749, section 5.1."""
    document: dict[str, Any] = {"access_token": issued.access_token, "token_type": "Bearer"}
    if issued.expires_in_s is not None:
        document["expires_in"] = issued.expires_in_s
    if issued.refresh_token:
        document["refresh_token"] = issued.refresh_token
    return document


def standard_refusal(error: str) -> HttpAnswer:
    """The answer of RFC 6749, section 5.2."""
    return json_answer(401 if error == "invalid_client" else 400, {"error": error, "error_description": error})


class TokenEndpoint:
    """Grants `client_credentials` and `refresh_token` to `clients` (id -> secret), and whatever `grants` adds.

    `expires_s` None: tokens end only by `expire_all`. `rotates`: every refresh gives a new refresh token and ends the
    one that was used. `success` makes the document of an answer, `refusal` the whole answer to an OAuth error code.
    """

    def __init__(
        self,
        records: RecordStore,
        clock: EmulatorClock,
        *,
        clients: Mapping[str, str],
        expires_s: int | None = 1800,
        rotates: bool = True,
        grants: Mapping[str, Grant] | None = None,
        success: Callable[[Issued], dict[str, Any]] = standard_form,
        refusal: Callable[[str], HttpAnswer] = standard_refusal,
    ) -> None:
        self._records = records
        self._clock = clock
        self._clients = dict(clients)
        self._expires_s = expires_s
        self._rotates = rotates
        self._grants: dict[str, Grant] = {"client_credentials": lambda _form: None, **(grants or {})}
        self._success = success
        self._refusal = refusal

    def answer(self, form: Form, authorization: str = "") -> HttpAnswer:
        """What a token request (its form, its `Authorization` header) is answered."""
        with self._records.transaction():
            kind = form.get("grant_type", "")
            if not self._knows(form, authorization):
                return self._refusal("invalid_client")
            if kind == _REFRESH:
                return self._refreshed(form.get(_REFRESH, ""))
            grant = self._grants.get(kind)
            error = "unsupported_grant_type" if grant is None else grant(form)
            return self._refusal(error) if error else self._granted(refresh_token="")

    def accepts(self, authorization: str | None) -> bool:
        """Whether `Bearer <token>` is good at this moment."""
        kind, _, value = (authorization or "").partition(" ")
        kept = self._records.get(_ACCESS, value.strip()) if kind.lower() == "bearer" else None
        if kept is None or kept["age"] != self._age():
            return False
        return kept["ends"] is None or self._clock.now() < datetime.fromisoformat(kept["ends"])

    def expire_all(self) -> None:
        """Every access token given out so far is refused from now on; refresh tokens stay good."""
        with self._records.transaction():
            self._records.put(_AGE, _AGE, {"age": self._age() + 1})

    def new_refresh_token(self) -> str:
        """One as it comes out of an installation, for the connection's configuration."""
        value = f"refresh-{secrets.token_urlsafe(24)}"
        self._records.put(_REFRESH, value, {"id": value})
        return value

    def _refreshed(self, used: str) -> HttpAnswer:
        if self._records.get(_REFRESH, used) is None:
            return self._refusal("invalid_grant")
        if not self._rotates:
            return self._granted(refresh_token=used)
        self._records.delete(_REFRESH, used)
        return self._granted(refresh_token=self.new_refresh_token())

    def _granted(self, *, refresh_token: str) -> HttpAnswer:
        value = f"access-{secrets.token_urlsafe(24)}"
        now = self._clock.now()
        ends = None if self._expires_s is None else (now + timedelta(seconds=self._expires_s)).isoformat()
        self._records.put(_ACCESS, value, {"ends": ends, "age": self._age()})
        issued = Issued(access_token=value, refresh_token=refresh_token, expires_in_s=self._expires_s, issued_at=now)
        return json_answer(200, self._success(issued))

    def _knows(self, form: Form, authorization: str) -> bool:
        given_id, given_secret = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        wanted = self._clients.get(given_id)
        return wanted is not None and hmac.compare_digest(wanted.encode(), given_secret.encode())

    def _age(self) -> int:
        kept = self._records.get(_AGE, _AGE)
        return int(kept["age"]) if kept else 0


def _basic(authorization: str) -> tuple[str, str] | None:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return unquote(name), unquote(secret)
