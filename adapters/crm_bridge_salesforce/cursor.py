"""The cursor of a poll: where it stands and what was told, as a value and as text. Pure.

`changes.py` says what goes into one. Times in it are the CRM's, cut to the second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_bridge.contract import Permanent

OVERLAP = timedelta(minutes=5)
"""How far behind the newest change a sweep begins: what is committed late appears with an earlier stamp."""

MAX_SEEN = 4_000
"""So many told changes are remembered; after a mass change the overlap is as short as that makes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """Where a poll stands. `seen`: what was told, with its second; `fresh`: of that, what was told within its second.

    `places`: how far each object was read in this sweep; `done`: objects read to their end.
    """

    floor: datetime
    seen: Mapping[str, int] = field(default_factory=dict)
    fresh: frozenset[str] = frozenset()
    places: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)
    done: frozenset[str] = frozenset()

    @property
    def sweeps(self) -> bool:
        """Whether a sweep is under way."""
        return bool(self.places or self.done)


def read_cursor(text: str) -> Cursor:
    """A cursor as it was kept. Raises `Permanent` for what is none."""
    try:
        document = json.loads(text)
        return Cursor(
            floor=from_seconds(document["floor"]),
            seen={str(mark): int(at) for mark, at in document["seen"].items()},
            places={str(name): (from_seconds(at), str(record)) for name, (at, record) in document["places"].items()},
            done=frozenset(document["done"]),
            fresh=frozenset(document["fresh"]),
        )
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError):
        raise Permanent("this is no cursor of a poll", code="unusable_cursor") from None


def cursor_text(cursor: Cursor) -> str:
    """The cursor as it is kept."""
    document = {
        "floor": to_seconds(cursor.floor),
        "seen": dict(cursor.seen),
        "places": {name: [to_seconds(at), record] for name, (at, record) in cursor.places.items()},
        "done": sorted(cursor.done),
        "fresh": sorted(cursor.fresh),
    }
    return json.dumps(document, separators=(",", ":"))


def swept(cursor: Cursor) -> Cursor:
    """The sweep is over: the next one begins `OVERLAP` behind the newest change."""
    kept = bounded(cursor)
    newest = max(kept.seen.values(), default=0)
    floor = max(kept.floor, from_seconds(newest) - OVERLAP if newest else kept.floor)
    seen = {mark: at for mark, at in kept.seen.items() if at >= to_seconds(floor)}
    return Cursor(floor=floor, seen=seen, fresh=kept.fresh & seen.keys())


def bounded(cursor: Cursor) -> Cursor:
    """At most `MAX_SEEN` are remembered; what was forgotten lies below the floor then."""
    if len(cursor.seen) <= MAX_SEEN:
        return cursor
    newest_first = sorted(cursor.seen.items(), key=lambda item: -item[1])
    kept, forgotten_at = newest_first[:MAX_SEEN], newest_first[MAX_SEEN][1]
    return replace(cursor, seen=dict(kept), floor=max(cursor.floor, from_seconds(forgotten_at + 1)))


def from_seconds(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def to_seconds(at: datetime) -> int:
    return int(at.timestamp())
