"""The PostgreSQL services an adapter is given: tokens, call budgets and a cache, shared by all processes.

The call budget is a token bucket in one statement. pyrate-limiter's PostgreSQL bucket was not taken: it makes a
table per bucket at run time and keeps its own pool.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from crm_bridge.contract import Network, Retry, Services, Token
from crm_bridge.store.database import Store
from crm_bridge.store.queue import may_start
from crm_bridge.store.tables import cache_entries, tokens

MAX_SLEEP_S = 2.0


class UtcClock:
    """The process's clock, aware."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class StoredTokens:
    """Tokens in encrypted columns; one refresh across threads and processes by an advisory lock."""

    store: Store
    connection: str

    def get(self, name: str) -> Token | None:
        return self.store.run(lambda connection: self._read(connection, name))

    def refresh(self, name: str, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        """See `contract.Tokens`. The lock is held while `fetch` runs: it must be bounded."""

        def work(connection: sa.Connection) -> Token:
            connection.execute(sa.text("set local lock_timeout = '30s'"))
            connection.execute(sa.text("set local idle_in_transaction_session_timeout = '60s'"))
            connection.execute(
                sa.text("select pg_advisory_xact_lock(hashtextextended(:name, 7))"),
                {"name": f"{self.connection}/{name}"},
            )
            held = self._read(connection, name)
            if held is not None and held != stale:
                return held
            fresh = fetch(held)
            self._write(connection, name, fresh)
            return fresh

        return self.store.run(work)

    def _read(self, connection: sa.Connection, name: str) -> Token | None:
        row = connection.execute(
            sa.select(tokens).where(tokens.c.connection == self.connection, tokens.c.name == name)
        ).one_or_none()
        if row is None:
            return None
        cipher = self.store.cipher
        return Token(
            value=cipher.decrypt(row.value_enc), extra=cipher.decrypt(row.extra_enc), expires_at=row.expires_at
        )

    def _write(self, connection: sa.Connection, name: str, token: Token) -> None:
        cipher = self.store.cipher
        values = {
            "value_enc": cipher.encrypt(token.value),
            "extra_enc": cipher.encrypt(token.extra),
            "expires_at": token.expires_at,
        }
        connection.execute(
            insert(tokens)
            .values(connection=self.connection, name=name, **values)
            .on_conflict_do_update(index_elements=["connection", "name"], set_=values)
        )


_TAKE = sa.text(
    """
    insert into call_budgets as b (connection, name, tokens, refilled_at)
    values (:connection, :name, :limit - 1, clock_timestamp())
    on conflict (connection, name) do update
        set tokens = least(:limit, b.tokens + :rate * extract(epoch from clock_timestamp() - b.refilled_at)) - 1,
            refilled_at = clock_timestamp()
        where least(:limit, b.tokens + :rate * extract(epoch from clock_timestamp() - b.refilled_at)) >= 1
    returning tokens
    """
)
_MISSING = sa.text(
    """
    select (1 - least(:limit, tokens + :rate * extract(epoch from clock_timestamp() - refilled_at))) / :rate
    from call_budgets where connection = :connection and name = :name
    """
)


@dataclass(frozen=True, kw_only=True)
class StoredLimits:
    """Call budgets as token buckets: `limit` calls at once, refilled evenly over `per_s`."""

    store: Store
    connection: str
    sleep: Callable[[float], None] = time.sleep

    def acquire(self, name: str, *, limit: int, per_s: float) -> None:
        values = {"connection": self.connection, "name": name, "limit": float(limit), "rate": limit / per_s}
        slept = 0.0
        while (wait := self._wait(values)) > 0:
            if slept + wait > MAX_SLEEP_S:
                raise Retry("the call budget is used up", code="budget", after=timedelta(seconds=max(wait, 1.0)))
            self.sleep(wait)
            slept += wait

    def _wait(self, values: dict[str, object]) -> float:
        """0.0 when a call was taken, else the seconds until one is there."""

        def work(connection: sa.Connection) -> float:
            if connection.execute(_TAKE, values).one_or_none() is not None:
                return 0.0
            return max(0.01, float(connection.execute(_MISSING, values).scalar_one()))

        return self.store.run(work)


@dataclass(frozen=True, kw_only=True)
class StoredCache:
    """Small encrypted values with an end."""

    store: Store
    connection: str

    def get(self, key: str) -> bytes | None:
        statement = sa.select(cache_entries.c.value_enc).where(
            cache_entries.c.connection == self.connection,
            cache_entries.c.key == key,
            cache_entries.c.expires_at > sa.func.now(),
        )
        found = self.store.run(lambda connection: connection.execute(statement).scalar_one_or_none())
        return None if found is None else bytes.fromhex(self.store.cipher.decrypt(found))

    def put(self, key: str, value: bytes, *, ttl_s: float) -> None:
        values = {
            "value_enc": self.store.cipher.encrypt(value.hex()),
            "expires_at": sa.func.clock_timestamp() + timedelta(seconds=ttl_s),
        }
        statement = (
            insert(cache_entries)
            .values(connection=self.connection, key=key, **values)
            .on_conflict_do_update(index_elements=["connection", "key"], set_=values)
        )
        self.store.run(lambda connection: connection.execute(statement))

    def drop(self, key: str) -> None:
        statement = sa.delete(cache_entries).where(
            cache_entries.c.connection == self.connection, cache_entries.c.key == key
        )
        self.store.run(lambda connection: connection.execute(statement))


def services_for(store: Store, *, connection: str, public_url: str, network: Network) -> Services:
    """Everything an adapter may use, scoped to one connection."""
    return Services(
        connection=connection,
        public_url=public_url,
        tokens=StoredTokens(store=store, connection=connection),
        limits=StoredLimits(store=store, connection=connection),
        cache=StoredCache(store=store, connection=connection),
        clock=UtcClock(),
        network=network,
        may_start=may_start,
    )
