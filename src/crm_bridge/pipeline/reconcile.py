"""The safety net and the knowledge: polls for changes no webhook told us, and the sync of articles."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from datetime import timedelta

import sqlalchemy as sa
import structlog

from crm_bridge.contract import (
    BY_BRIDGE,
    Articles,
    CaseRef,
    Change,
    Event,
    EventKind,
    OutboundError,
    Reauthenticate,
    Ref,
    Retry,
)
from crm_bridge.pipeline.receive import store_found
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.pipeline.work import REAUTHENTICATE_WAIT
from crm_bridge.store import articles, cases, connections
from crm_bridge.store.connections import ConnectionStatus
from crm_bridge.store.inbox import ref_key
from crm_bridge.store.locks import try_lock

OWN_WITHIN = timedelta(seconds=8)
"""Over how long the changes of a round that we most likely know are looked at: no wave, and soon at rest again."""

MAX_PAGES = 20
"""Of one round: a long backlog is read over several rounds, so that no round is unbounded."""

log = structlog.get_logger("crm_bridge.reconcile")


def reconcile(runtime: Runtime) -> None:
    """Look for changes on every connection that can tell. One process at a time per connection."""
    for known in runtime.connections.values():
        if known.adapter.capabilities.reconcile:
            _round(runtime, known, "reconcile", _poll)


def sync_articles(runtime: Runtime) -> None:
    """Bring the knowledge articles of every connection that has some."""
    for known in runtime.connections.values():
        if known.adapter.capabilities.knowledge:
            _round(runtime, known, "articles", _articles)


Round = Callable[[Runtime, ConnectionRuntime, ConnectionStatus], None]


def _round(runtime: Runtime, known: ConnectionRuntime, name: str, work: Round) -> None:
    """One round for one connection; its trouble pauses it and leaves the others alone."""
    if not known.enabled:
        return
    with try_lock(runtime.store, f"{name}/{known.name}") as ours:
        status = runtime.store.run(lambda transaction: connections.usable(transaction, known.name))
        if not ours or status is None:
            return
        try:
            work(runtime, known, status)
        except (Retry, Reauthenticate) as error:
            _pause(runtime, known, error)
        except OutboundError as error:
            log.warning("round_failed", connection=known.name, round=name, error=error.code)


def _pause(runtime: Runtime, known: ConnectionRuntime, error: Retry | Reauthenticate) -> None:
    wait = error.after if isinstance(error, Retry) else REAUTHENTICATE_WAIT
    runtime.store.run(lambda transaction: connections.pause(transaction, known.name, wait=wait, reason=error.code))
    log.warning("connection_paused", connection=known.name, reason=error.code)


def _poll(runtime: Runtime, known: ConnectionRuntime, status: ConnectionStatus) -> None:
    cursor = status.changes_cursor
    for _ in range(MAX_PAGES):
        page = known.adapter.changed_since(cursor)
        # The events are stored before the cursor moves: a crash between the two only repeats the page.
        _store(runtime, known, page.items)
        cursor = page.cursor
        _remember(runtime, known, "changes_cursor", cursor)
        if not page.more:
            return


def _store(runtime: Runtime, known: ConnectionRuntime, found: Sequence[Change]) -> None:
    """What others changed is due as ever. What we changed last ourselves, or have read at this version, may still hide
    a change (of the same second, or one an index showed late): that is looked at too, spread over a while, so that
    our own work does not become a wave of readings a minute later."""
    versions = _versions_read(runtime, known, found)
    news: list[Event] = []
    for change in found:
        event = _event(change)
        if change.by == BY_BRIDGE or versions.get(change.ref) == change.version:
            store_found(runtime, known, [event], wait=_place_in(OWN_WITHIN, event.key or ""))
        else:
            news.append(event)
    store_found(runtime, known, news)


def _versions_read(runtime: Runtime, known: ConnectionRuntime, found: Sequence[Change]) -> dict[Ref, str]:
    refs = [change.ref.id for change in found if isinstance(change.ref, CaseRef)]
    versions = runtime.store.run(lambda transaction: cases.versions(transaction, known.name, refs))
    return {CaseRef(id=ref): version for ref, version in versions.items()}


def _place_in(span: timedelta, key: str) -> timedelta:
    """The same place for the same key, evenly spread over all keys."""
    return span * (zlib.crc32(key.encode()) / 2**32)


def _event(change: Change) -> Event:
    """The version makes the key: the same change found twice is one event."""
    kind, identity = ref_key(change.ref)
    return Event(kind=EventKind.CASE_CHANGED, about=change.ref, key=f"poll:{kind}:{identity}:{change.version}")


def _articles(runtime: Runtime, known: ConnectionRuntime, status: ConnectionStatus) -> None:
    cursor = status.articles_cursor
    for _ in range(MAX_PAGES):
        page = known.adapter.list_articles(cursor)
        _store_articles(runtime, known, page)
        cursor = page.cursor
        if not page.more:
            return


def _store_articles(runtime: Runtime, known: ConnectionRuntime, page: Articles) -> None:
    def work(transaction: sa.Connection) -> None:
        articles.upsert(transaction, known.name, page.items)
        connections.remember_cursor(transaction, known.name, "articles_cursor", page.cursor)

    runtime.store.run(work)


def _remember(runtime: Runtime, known: ConnectionRuntime, column: str, cursor: str) -> None:
    runtime.store.run(lambda transaction: connections.remember_cursor(transaction, known.name, column, cursor))
