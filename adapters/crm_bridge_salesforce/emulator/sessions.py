"""Access tokens: who they stand for and how long. It owns grants (client credentials, JWT bearer), not their form."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm_bridge.kit.emulation import EmulatorClock, RecordStore
from crm_bridge_salesforce.emulator.jwt import BadAssertion, KeyPair, claims_of
from crm_bridge_salesforce.emulator.people import People

LIFETIME = timedelta(hours=2)
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LATEST_END = timedelta(minutes=5)
LOGIN_URLS = ("https://login.salesforce.com", "https://test.salesforce.com")
_TOKEN, _AGE = "access_token", "token_age"


class NotGranted(Exception):
    """An OAuth error: `code` and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, kw_only=True)
class App:
    """The external client app an admin has made for the bridge."""

    client_id: str
    client_secret: str = field(repr=False)


class Sessions:
    """Every session of an org. They are records: a restart ends none."""

    def __init__(self, records: RecordStore, clock: EmulatorClock, people: People, app: App, keys: KeyPair) -> None:
        self._records = records
        self._clock = clock
        self._people = people
        self._app = app
        self._keys = keys
        self._grants: Mapping[str, Callable[[Mapping[str, str], str], str]] = {
            "client_credentials": self._client_credentials,
            JWT_BEARER: self._jwt_bearer,
        }

    def grant(self, form: Mapping[str, str], base_url: str) -> tuple[str, str]:
        """(access token, id of the user) for a token request. Raises `NotGranted`."""
        grant = self._grants.get(form.get("grant_type", ""))
        if grant is None:
            raise NotGranted("unsupported_grant_type", "grant type not supported")
        user = grant(form, base_url)
        return self.open(user), user

    def open(self, user: str) -> str:
        """A session of a user: its access token."""
        token = f"{self._people.organization_id[:15]}!{secrets.token_urlsafe(64)}"
        ends = (self._clock.now() + LIFETIME).isoformat()
        self._records.put(_TOKEN, token, {"user": user, "ends": ends, "age": self._age()})
        return token

    def user_of(self, token: str) -> str | None:
        """Whose session a token is, None when it is none or has ended."""
        kept = self._records.get(_TOKEN, token)
        if kept is None or kept["age"] != self._age():
            return None
        return str(kept["user"]) if self._clock.now() < datetime.fromisoformat(kept["ends"]) else None

    def end(self, token: str) -> bool:
        """Revoke a token; whether it was one."""
        known = self._records.get(_TOKEN, token) is not None
        self._records.delete(_TOKEN, token)
        return known

    def end_all(self) -> None:
        """Refuse every token given out so far."""
        with self._records.transaction():
            self._records.put(_AGE, _AGE, {"age": self._age() + 1})

    def _client_credentials(self, form: Mapping[str, str], _base_url: str) -> str:
        self._check_client(form)
        given = form.get("client_secret", "").encode()
        if not hmac.compare_digest(self._app.client_secret.encode(), given):
            raise NotGranted("invalid_client", "invalid client credentials")
        return self._people.integration

    def _jwt_bearer(self, form: Mapping[str, str], base_url: str) -> str:
        try:
            claims = claims_of(form.get("assertion", ""), self._keys.public)
        except BadAssertion:
            raise NotGranted("invalid_grant", "invalid assertion") from None
        if claims.get("iss") != self._app.client_id:
            raise NotGranted("invalid_client_id", "client identifier invalid")
        if str(claims.get("aud")).rstrip("/") not in (*LOGIN_URLS, base_url):
            raise NotGranted("invalid_grant", "audience is invalid")
        self._check_end(claims.get("exp"))
        user = self._people.by_username(str(claims.get("sub")))
        if user is None:
            raise NotGranted("invalid_grant", "user hasn't approved this consumer")
        return str(user["Id"])

    def _check_end(self, given: object) -> None:
        """`exp` in seconds; clients are about that write the number as a text."""
        now = self._clock.now().timestamp()
        ends = float(given) if isinstance(given, int | float | str) and str(given).isdigit() else 0.0
        if now >= ends:
            raise NotGranted("invalid_grant", "assertion is expired")
        if ends > now + LATEST_END.total_seconds():
            raise NotGranted("invalid_grant", "assertion is valid for too long")

    def _check_client(self, form: Mapping[str, str]) -> None:
        if form.get("client_id") != self._app.client_id:
            raise NotGranted("invalid_client_id", "client identifier invalid")

    def _age(self) -> int:
        kept = self._records.get(_AGE, _AGE)
        return int(kept["age"]) if kept else 0
