"""What the bridge gives an adapter: everything is scoped to one connection.

In-memory ones live in `crm_bridge.kit.services` (enough for a first test), PostgreSQL ones in the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An access token. `value` is a secret; `extra` holds e.g. a rotated refresh token."""

    value: str
    expires_at: datetime | None = None
    extra: str = ""

    def __repr__(self) -> str:
        return f"Token(value=***, expires_at={self.expires_at!r})"


class Tokens(Protocol):
    """Tokens that several threads and processes share."""

    def get(self, name: str) -> Token | None:
        """The stored token, also when it has expired."""

    def refresh(self, name: str, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        """Replace `stale` by what `fetch` brings, in one thread of one process only.

        Whoever waited meanwhile gets what the first one brought; `fetch` gets what was stored.
        """


class Limits(Protocol):
    """Budgets of calls shared by all processes of a connection."""

    def acquire(self, name: str, *, limit: int, per_s: float) -> None:
        """Take one of `limit` calls per `per_s` seconds.

        Sleeps at most 2 s in all; raises `Retry` with the time to wait when that is not enough.
        """


class Cache(Protocol):
    """Small values with an end, e.g. a describe. Never shared between connections."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes, *, ttl_s: float) -> None: ...

    def drop(self, key: str) -> None: ...


class Clock(Protocol):
    """The time, so that tests and emulators can set it. Always aware UTC."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """The operator's network settings: honoured by every outbound call."""

    proxy: str = ""
    no_proxy: str = ""
    ca_bundle: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Everything an adapter may use besides its own configuration."""

    connection: str
    public_url: str
    tokens: Tokens
    limits: Limits
    cache: Cache
    clock: Clock
    network: Network = Network()
    may_start: Callable[[], bool] = lambda: True
    """Asked right before an effect leaves: False once the lease this work runs under is over."""
