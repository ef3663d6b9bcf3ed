"""The one database: engine, cipher and transactions that are tried again on deadlocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import psycopg
import sqlalchemy as sa
import tenacity
from sqlalchemy.dialects.postgresql import insert

from crm_bridge.contract import InvalidConfig
from crm_bridge.store.encryption import Cipher, UnreadableColumn
from crm_bridge.store.tables import encryption_keys

T = TypeVar("T")

_DEADLOCK_CODES = frozenset({"40P01", "40001"})


class StoreUnavailable(Exception):
    """The database cannot be reached or cannot take more; nothing was stored."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """What every query needs. One per process; thread-safe."""

    engine: sa.Engine
    cipher: Cipher

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one transaction; twice more on a deadlock. Raises `StoreUnavailable` on a lost database."""
        attempt = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_deadlock),
            stop=tenacity.stop_after_attempt(3),
            wait=tenacity.wait_random(0.005, 0.05),
            reraise=True,
        )
        try:
            result: T = attempt(self._once, work)
            return result
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            raise StoreUnavailable(type(error).__name__) from error

    def _once(self, work: Callable[[sa.Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        self.engine.dispose()


def is_deadlock(error: BaseException) -> bool:
    origin = getattr(error, "orig", None)
    return isinstance(origin, psycopg.Error) and origin.sqlstate in _DEADLOCK_CODES


def connect(url: str, *, pool_size: int = 10, max_overflow: int = 10) -> sa.Engine:
    """An engine on a `postgresql://` URL. Statements are bounded so that a lock never hangs a request."""
    return sa.create_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text ends in logs, and parameters are what customers wrote
        connect_args={
            "connect_timeout": 5,
            "options": "-c timezone=UTC -c statement_timeout=30000 -c lock_timeout=10000"
            " -c idle_in_transaction_session_timeout=60000",
        },
    )


def sqlalchemy_url(url: str) -> str:
    """`postgresql://` as SQLAlchemy wants it for psycopg 3."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise InvalidConfig("database_url", '"embedded" or postgresql://user@host/db')
    return f"postgresql+psycopg://{rest}"


_NOW = sa.text("select clock_timestamp()")


def now(connection: sa.Connection) -> datetime:
    """The database's clock: the only one leases, undo windows and due times are compared with."""
    moment: datetime = connection.execute(_NOW).scalar_one()
    return moment


def pin_keys(store: Store) -> None:
    """Remember the keys in use and refuse to start when one that stored rows need is missing.

    Raises `InvalidConfig`.
    """

    known = store.run(
        lambda connection: connection.execute(sa.select(encryption_keys.c.fingerprint, encryption_keys.c.canary)).all()
    )
    for row in known:
        try:
            store.cipher.decrypt(row.canary)
        except UnreadableColumn:
            raise InvalidConfig(
                "security.encryption_keys",
                f"the key with fingerprint {row.fingerprint} is missing, and stored rows need it;"
                " put it back in the list (the first key encrypts, all decrypt)",
            ) from None
    # Only a start that goes on may pin its key: a wrong one would be needed for ever.
    canary = insert(encryption_keys).values(
        fingerprint=store.cipher.fingerprints[0], canary=store.cipher.encrypt("crm-bridge")
    )
    store.run(lambda connection: connection.execute(canary.on_conflict_do_nothing()))
