"""What was seen of cases a moment ago, by this process only: it saves the look before a write."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from crm_bridge.contract import Clock
from crm_bridge_salesforce.standing import Standing

SEEN_FOR = timedelta(minutes=1)
MAX_REMEMBERED = 500


class Remembered:
    """By the id of the case. Safe from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[datetime, Standing]] = OrderedDict()

    def put(self, case: str, standing: Standing) -> None:
        """Seen now."""
        with self._lock:
            self._seen[case] = (self._clock.now(), standing)
            self._seen.move_to_end(case)
            while len(self._seen) > MAX_REMEMBERED:
                self._seen.popitem(last=False)

    def get(self, case: str) -> Standing | None:
        """As seen within the last minute."""
        with self._lock:
            at, standing = self._seen.get(case, (None, None))
        return standing if at is not None and self._clock.now() - at <= SEEN_FOR else None

    def drop(self, case: str) -> None:
        """It is not as it was."""
        with self._lock:
            self._seen.pop(case, None)
