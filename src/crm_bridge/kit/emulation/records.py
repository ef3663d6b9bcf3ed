"""The state of an emulated CRM: JSON records in one SQLite file that survives a kill at any moment.

It owns storage, order and transactions; it knows nothing of cases. A record has a kind, an id, an owner (the record
it belongs to), a position (order of creation) and a sequence (order of its last change, for cursors).
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = dict[str, Any]

_TABLES = """
CREATE TABLE IF NOT EXISTS records (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, sequence INTEGER NOT NULL, data TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS records_by_owner ON records (kind, owner, position);
CREATE INDEX IF NOT EXISTS records_by_sequence ON records (kind, sequence);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""

_PUT = """
INSERT INTO records (kind, id, owner, sequence, data) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, id) DO UPDATE SET owner = excluded.owner, sequence = excluded.sequence, data = excluded.data
"""

_NEXT = "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"


class RecordStore:
    """Records on SQLite (WAL, synchronous=FULL): what was committed is there after a SIGKILL.

    One connection, one writer at a time; usable from any thread. Without a path the state lives in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._hooks: list[Callable[[], None]] = []
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sqlite = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None, timeout=10)
        self._sqlite.execute("PRAGMA journal_mode=WAL")
        self._sqlite.execute("PRAGMA synchronous=FULL")
        self._sqlite.executescript(_TABLES)

    def close(self) -> None:
        """Close the file; everything committed is already in it."""
        with self._lock:
            self._sqlite.close()

    def on_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` after every commit, outside the lock: e.g. to wake a sender."""
        self._hooks.append(hook)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. A nested one joins the outer one."""
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._sqlite.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self._sqlite.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._sqlite.execute("COMMIT")
            finally:
                self._depth -= 1
        if outermost:
            for hook in self._hooks:
                hook()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """One statement for tables of an emulator's own, inside the running transaction if there is one."""
        with self._lock:
            return self._sqlite.execute(statement, values).fetchall()

    def next_number(self, counter: str) -> int:
        """1, 2, 3, … per counter; never twice."""
        return int(self.execute(_NEXT, (counter,))[0][0])

    def put(self, kind: str, record_id: str, data: Record, *, owner: str = "") -> None:
        """Insert or replace. Keeps its position, gets the next sequence."""
        with self.transaction():
            sequence = self.next_number("sequence")
            self.execute(_PUT, (kind, record_id, owner, sequence, json.dumps(data)))

    def get(self, kind: str, record_id: str) -> Record | None:
        """The record, or None."""
        rows = self.execute("SELECT data FROM records WHERE kind = ? AND id = ?", (kind, record_id))
        return json.loads(rows[0][0]) if rows else None

    def delete(self, kind: str, record_id: str) -> None:
        """Forget it; fine when it is not there."""
        with self.transaction():
            self.execute("DELETE FROM records WHERE kind = ? AND id = ?", (kind, record_id))

    def owned(self, kind: str, owner: str = "", *, limit: int = 10_000) -> list[Record]:
        """The newest `limit` records of an owner, oldest first."""
        rows = self.execute(
            "SELECT data FROM records WHERE kind = ? AND owner = ? ORDER BY position DESC LIMIT ?",
            (kind, owner, limit),
        )
        return [json.loads(row[0]) for row in reversed(rows)]

    def owned_before(self, kind: str, owner: str, before: int | None, limit: int) -> tuple[list[Record], int | None]:
        """A page of `limit` records older than position `before`, oldest first, and where the next page ends."""
        rows = self.execute(
            "SELECT position, data FROM records WHERE kind = ? AND owner = ? AND position < ? "
            "ORDER BY position DESC LIMIT ?",
            (kind, owner, before if before is not None else 2**62, limit + 1),
        )
        page = rows[:limit]
        older = int(page[-1][0]) if len(rows) > limit else None
        return [json.loads(row[1]) for row in reversed(page)], older

    def changed_after(self, kind: str, sequence: int, limit: int) -> list[tuple[int, Record]]:
        """(sequence, record) of what changed after `sequence`, in that order."""
        rows = self.execute(
            "SELECT sequence, data FROM records WHERE kind = ? AND sequence > ? ORDER BY sequence LIMIT ?",
            (kind, sequence, limit),
        )
        return [(int(row[0]), json.loads(row[1])) for row in rows]

    def newest_sequence(self) -> int:
        """The sequence of the newest change, 0 before any."""
        rows = self.execute("SELECT value FROM counters WHERE name = 'sequence'")
        return int(rows[0][0]) if rows else 0
