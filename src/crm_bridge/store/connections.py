"""The rows of connections: pinned to one remote org, paused by trouble, stopped by a person."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from crm_bridge.contract import InvalidConfig
from crm_bridge.store.encryption import Cipher
from crm_bridge.store.tables import connections

MAX_PAUSE = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionStatus:
    """`stopped_*`: a person did it. `paused_*`: trouble with the CRM, ends by itself."""

    name: str
    started_at: datetime
    stopped_at: datetime | None
    stopped_by: str | None
    stop_reason: str | None
    paused_until: datetime | None
    pause_reason: str | None
    changes_cursor: str | None
    articles_cursor: str | None


def register(connection: sa.Connection, *, name: str, adapter: str, remote_id: str, enabled: bool) -> None:
    """Make the row of a configured connection, or check that it still is the same org. Raises `InvalidConfig`."""
    connection.execute(
        insert(connections)
        .values(name=name, adapter=adapter, remote_id=remote_id, enabled=enabled)
        .on_conflict_do_update(index_elements=["name"], set_={"enabled": enabled})
    )
    row = connection.execute(
        sa.select(connections.c.adapter, connections.c.remote_id).where(connections.c.name == name)
    ).one()
    if (row.adapter, row.remote_id) != (adapter, remote_id):
        raise InvalidConfig(
            f"connections.{name}",
            f"this name belongs to {row.adapter} {row.remote_id or '(no id)'} in the database,"
            f" and is now configured as {adapter} {remote_id or '(no id)'}; use another name for another org",
        )


def disable_others(connection: sa.Connection, configured: Collection[str]) -> None:
    """Connections that are not configured any more: what they stored stays, nothing of them is claimed."""
    connection.execute(
        sa.update(connections)
        .where(connections.c.enabled, connections.c.name.not_in(sorted(configured)))
        .values(enabled=False)
    )


_STATUS = sa.select(*[connections.c[field] for field in ConnectionStatus.__dataclass_fields__]).where(
    connections.c.name == sa.bindparam("name")
)


def status(connection: sa.Connection, name: str) -> ConnectionStatus | None:
    row = connection.execute(_STATUS, {"name": name}).one_or_none()
    return None if row is None else ConnectionStatus(**row._mapping)


def pause(connection: sa.Connection, name: str, *, wait: timedelta, reason: str) -> timedelta:
    """Pause a connection for `wait`; in-memory-free, so every process sees it at its next claim."""
    wait = min(max(wait, timedelta(seconds=1)), MAX_PAUSE)
    connection.execute(
        sa.text(
            """
            update connections
            set paused_until = greatest(coalesce(paused_until, 'epoch'), clock_timestamp() + :wait),
                pause_reason = :reason, pauses = pauses + 1
            where name = :name
            """
        ),
        {"name": name, "wait": wait, "reason": reason},
    )
    return wait


def serve_well(connection: sa.Connection, name: str) -> None:
    """A call worked: forget past trouble."""
    connection.execute(
        sa.update(connections)
        .where(
            connections.c.name == name,
            connections.c.pauses > 0,
            # A call that was under way when another one was told to wait ends no pause.
            sa.or_(connections.c.paused_until.is_(None), connections.c.paused_until <= sa.func.clock_timestamp()),
        )
        .values(pauses=0, pause_reason=None, paused_until=None)
    )


def stop(connection: sa.Connection, name: str, *, by: str, reason: str) -> None:
    """A person stops a connection: nothing of it is claimed from now on."""
    connection.execute(
        sa.update(connections)
        .where(connections.c.name == name)
        .values(stopped_at=sa.func.clock_timestamp(), stopped_by=by, stop_reason=reason)
    )


def resume(connection: sa.Connection, name: str) -> None:
    connection.execute(
        sa.update(connections)
        .where(connections.c.name == name)
        .values(stopped_at=None, stopped_by=None, stop_reason=None, paused_until=None, pause_reason=None)
    )


def remember_cursor(connection: sa.Connection, name: str, column: str, cursor: str) -> None:
    """`column` is `changes_cursor` or `articles_cursor`."""
    connection.execute(sa.update(connections).where(connections.c.name == name).values({column: cursor}))


def requester_secret(connection: sa.Connection, cipher: Cipher, name: str) -> bytes:
    """The secret behind the keys of this connection's requesters, made at its first use and never changed."""
    statement = sa.select(connections.c.requester_secret_enc).where(connections.c.name == name)
    stored = connection.execute(statement).scalar_one()
    if stored is None:
        # Whoever comes second waits for the row and keeps what the first one made.
        made = sa.func.coalesce(connections.c.requester_secret_enc, cipher.encrypt(secrets.token_hex(32)))
        stored = connection.execute(
            sa.update(connections)
            .where(connections.c.name == name)
            .values(requester_secret_enc=made)
            .returning(connections.c.requester_secret_enc)
        ).scalar_one()
    return bytes.fromhex(cipher.decrypt(stored))


def usable(connection: sa.Connection, name: str) -> ConnectionStatus | None:
    """The status of a connection that is neither stopped nor paused now, else None."""
    columns = [connections.c[field] for field in ConnectionStatus.__dataclass_fields__]
    row = connection.execute(
        sa.select(*columns).where(
            connections.c.name == name,
            connections.c.stopped_at.is_(None),
            sa.or_(connections.c.paused_until.is_(None), connections.c.paused_until <= sa.func.clock_timestamp()),
        )
    ).one_or_none()
    return None if row is None else ConnectionStatus(**row._mapping)
