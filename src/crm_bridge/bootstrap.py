"""The only place where things are joined: settings, database, adapters, assistant, policies -> a runtime."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from crm_bridge.assistants import Assistant, build_assistant, detect_language
from crm_bridge.contract import InvalidConfig
from crm_bridge.core.policy import ConnectionPolicy, GuardPolicy, MaskingPolicy, QualityPolicy, Voice
from crm_bridge.kit.schemas import NO_KNOWN_KEY
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.registry import load_adapter
from crm_bridge.settings import CONNECTION_KEYS, ConnectionSettings, Settings, load_settings
from crm_bridge.store import connections, migrate
from crm_bridge.store.database import Store, StoreUnavailable, connect, pin_keys
from crm_bridge.store.embedded import EmbeddedServer
from crm_bridge.store.encryption import Cipher
from crm_bridge.store.services import services_for

EMBEDDED = "embedded"
STOP_DATABASE_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database that can be used: its URL, and the embedded server behind it when there is one."""

    url: str
    server: EmbeddedServer | None = None


def open_database(settings: Settings) -> Database:
    """The database of a configuration, started when it is the embedded one. Migrated only then.

    Raises `EmbeddedDatabaseError`, `InvalidConfig`, `StoreUnavailable`.
    """
    if settings.database_url != EMBEDDED:
        return Database(url=settings.database_url)
    server = EmbeddedServer(settings.data_dir)
    url = server.ensure_running()
    engine = connect(url, pool_size=1, max_overflow=0)
    try:
        migrate.upgrade(engine)
    finally:
        engine.dispose()
    return Database(url=url, server=server)


@contextmanager
def running_database(settings: Settings) -> Iterator[Database]:
    """The database while the block runs. An embedded server that was started for it goes down with it again.

    One that ran before, a supervisor's for example, is left alone.
    """
    database = open_database(settings)
    try:
        yield database
    finally:
        if database.server is not None and database.server.child is not None:
            database.server.stop(STOP_DATABASE_S)


def bootstrap(settings: Settings | None = None, *, database: Database | None = None) -> Runtime:
    """A runtime for one process. Without arguments from the configuration the environment names.

    Raises `InvalidConfig`, `EmbeddedDatabaseError`, `SchemaOutdated`, `StoreUnavailable`.
    """
    settings = settings or load_settings(None, os.environ)
    database = database or open_database(settings)
    with ExitStack() as undo:
        store = open_store(settings, database.url)
        undo.callback(store.close)
        pin_keys(store)
        joined = {name: _join(settings, store, connection) for name, connection in sorted(settings.connections.items())}
        store.run(lambda transaction: connections.disable_others(transaction, settings.connections))
        runtime = Runtime(
            store=store,
            connections=MappingProxyType(joined),
            assistant=_assistant(settings),
            detect_language=detect_language,
        )
        undo.pop_all()
    return runtime


def open_store(settings: Settings, url: str) -> Store:
    """The store behind a URL, when its schema is the one this code needs."""
    store = Store(engine=connect(url), cipher=Cipher(settings.security.encryption_keys))
    try:
        status = migrate.status(store.engine)
    except sa.exc.OperationalError as error:
        store.close()
        raise StoreUnavailable("it does not answer, or refuses us") from error
    if not status.up_to_date:
        store.close()
        raise migrate.SchemaOutdated(
            f"the database is at version {status.current or 'none'}, this program needs {status.wanted}:"
            " run `crm-bridge db upgrade`"
        )
    return store


def _assistant(settings: Settings) -> Assistant:
    try:
        return build_assistant(settings.assistant, settings.network)
    except InvalidConfig as error:
        raise settings.in_assistant(error) from error


def _with_our_keys(error: InvalidConfig) -> InvalidConfig:
    """An adapter knows its own keys only: a mistyped one of ours looks like a wrong one of its own."""
    near = get_close_matches(error.path, CONNECTION_KEYS, n=1)
    if not near or not error.expected.startswith(f"{NO_KNOWN_KEY};"):
        return error
    return InvalidConfig(error.path, f"{NO_KNOWN_KEY} (did you mean {near[0]}?)", error.origin)


def _join(settings: Settings, store: Store, wanted: ConnectionSettings) -> ConnectionRuntime:
    services = services_for(store, connection=wanted.name, public_url=settings.public_url, network=settings.network)
    try:
        adapter = load_adapter(wanted.adapter, wanted.adapter_config, settings.public_url, services)
    except InvalidConfig as error:
        raise settings.in_connection(wanted.name, _with_our_keys(error)) from error

    def register(transaction: sa.Connection) -> datetime:
        connections.register(
            transaction,
            name=wanted.name,
            adapter=wanted.adapter,
            remote_id=adapter.remote_id,
            enabled=wanted.enabled,
        )
        status = connections.status(transaction, wanted.name)
        assert status is not None
        return status.started_at

    started_at = store.run(register)
    return ConnectionRuntime(
        name=wanted.name, adapter=adapter, policy=_policy(wanted, started_at), enabled=wanted.enabled
    )


def _policy(wanted: ConnectionSettings, started_at: datetime) -> ConnectionPolicy:
    masking: dict[str, Any] = {"internal_notes": wanted.masking.internal_notes}
    if wanted.masking.field_allow_list is not None:
        masking["field_allow_list"] = wanted.masking.field_allow_list
    quality: dict[str, Any] = {"duplicates_block": wanted.quality.duplicates_block}
    if wanted.quality.stale_after_h is not None:
        quality["stale_after"] = timedelta(hours=wanted.quality.stale_after_h)
    guard: dict[str, Any] = {"allowed_link_hosts": wanted.guard.allowed_link_hosts}
    if wanted.guard.blocking is not None:
        guard["blocking"] = wanted.guard.blocking
    return ConnectionPolicy(
        mode=wanted.mode,
        start_from=started_at if wanted.start_from == "now" else wanted.start_from,
        debounce=timedelta(seconds=wanted.debounce_s),
        undo=timedelta(seconds=wanted.undo_s),
        max_drafts_per_hour=wanted.max_drafts_per_hour,
        daily_cost_limit=wanted.daily_cost_limit,
        include=wanted.include,
        exclude=wanted.exclude,
        voice=Voice(greeting=wanted.voice.greeting, closing=wanted.voice.closing, signer=wanted.voice.signer),
        masking=MaskingPolicy(**masking),
        quality=QualityPolicy(**quality),
        guard=GuardPolicy(**guard),
        holdout=wanted.holdout,
        experiment_salt=wanted.experiment_salt,
    )


def environment_for_children(settings_file: Path | None, database: Database) -> Mapping[str, str]:
    """What a supervised web or worker process needs besides ours: the same file, and the database as it runs."""
    extra = {"CRM_BRIDGE__DATABASE_URL": database.url}
    if settings_file is not None:
        extra["CRM_BRIDGE_CONFIG"] = str(settings_file)
    return {**os.environ, **extra}
