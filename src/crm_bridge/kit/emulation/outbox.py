"""What an emulated CRM still has to tell: events stored in the same transaction as the change they tell of.

It owns the queue and its batches, not the sending (`sender.py`). A batch keeps its id and its events over every retry,
as Standard Webhooks asks, also after a restart.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from crm_bridge.kit.emulation.records import RecordStore

_TABLE = """
CREATE TABLE IF NOT EXISTS outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, batch TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'pending'
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS outbox_by_state ON outbox (state, position)"
_PENDING = "SELECT position, batch, event FROM outbox WHERE state = 'pending' ORDER BY position LIMIT ?"
_OF_BATCH = "SELECT position, event FROM outbox WHERE batch = ? AND state = 'pending' ORDER BY position"
_RELEASE = "UPDATE outbox SET state = 'pending' WHERE state = 'held'"
_MARK = "UPDATE outbox SET state = ?, attempts = attempts + 1 WHERE batch = ?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Events that travel together. `id` is the webhook-id of every attempt."""

    id: str
    events: tuple[dict[str, Any], ...]


class Outbox:
    """A durable first-in-first-out queue of events in the store of an emulator."""

    def __init__(self, records: RecordStore, *, batch_size: int = 100) -> None:
        self._records = records
        self._batch_size = batch_size
        records.execute(_TABLE)
        records.execute(_INDEX)
        records.execute(_RELEASE)  # what was held back when the process ended

    def add(self, event: dict[str, Any]) -> None:
        """Queue an event, inside the transaction of the change it tells of."""
        with self._records.transaction():
            self._records.execute("INSERT INTO outbox (event) VALUES (?)", (json.dumps(event),))

    def pending(self) -> int:
        """How many events wait."""
        return int(self._records.execute("SELECT count(*) FROM outbox WHERE state IN ('pending', 'held')")[0][0])

    def refused(self) -> int:
        """How many events the receiver will never take."""
        return int(self._records.execute("SELECT count(*) FROM outbox WHERE state = 'refused'")[0][0])

    def next_batch(self) -> Batch | None:
        """The oldest batch that waits, or None. A new one is formed of the oldest events without a batch."""
        if not self._records.execute("SELECT 1 FROM outbox WHERE state = 'pending' LIMIT 1"):
            return None  # no transaction, whose commit would wake the sender again
        with self._records.transaction():
            rows = self._records.execute(_PENDING, (self._batch_size,))
            if not rows:
                return None
            batch = rows[0][1]
            if batch is None:
                batch = f"msg_{uuid.uuid4().hex}"
                positions = [row[0] for row in rows if row[1] is None]
                self._assign(batch, positions)
            events = tuple(json.loads(row[1]) for row in self._records.execute(_OF_BATCH, (batch,)))
            return Batch(id=batch, events=events)

    def delivered(self, batch: Batch) -> None:
        """It was taken: its events are told."""
        self._mark(batch, "delivered")

    def failed(self, batch: Batch) -> None:
        """It was not taken; it stays first in line."""
        self._mark(batch, "pending")

    def hold(self, batch: Batch) -> None:
        """Keep it back until `release`; others go first."""
        with self._records.transaction():
            self._records.execute("UPDATE outbox SET state = 'held' WHERE batch = ?", (batch.id,))

    def held(self) -> int:
        """How many events are held back."""
        return int(self._records.execute("SELECT count(*) FROM outbox WHERE state = 'held'")[0][0])

    def release(self) -> int:
        """Let what was held back wait in line again; how many events."""
        held = self.held()
        if held:
            with self._records.transaction():
                self._records.execute(_RELEASE)
        return held

    def refuse(self, batch: Batch) -> None:
        """It was refused for good: taken apart into single events; a single one is set aside, never dropped."""
        if len(batch.events) == 1:
            self._mark(batch, "refused")
            return
        with self._records.transaction():
            for row in self._records.execute(_OF_BATCH, (batch.id,)):
                self._assign(f"msg_{uuid.uuid4().hex}", [row[0]])

    def _assign(self, batch: str, positions: list[int]) -> None:
        for position in positions:
            self._records.execute("UPDATE outbox SET batch = ? WHERE position = ?", (batch, position))

    def _mark(self, batch: Batch, state: str) -> None:
        with self._records.transaction():
            self._records.execute(_MARK, (state, batch.id))
