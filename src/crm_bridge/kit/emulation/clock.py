"""The time of an emulated CRM: the real one, shifted or stopped on request. It owns no timers."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class EmulatorClock:
    """A settable clock, aware UTC. Running unless it was stopped with `stop_at`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset = timedelta()
        self._stopped_at: datetime | None = None

    def now(self) -> datetime:
        """The emulated time."""
        with self._lock:
            return self._stopped_at or datetime.now(UTC) + self._offset

    def stop_at(self, moment: datetime) -> None:
        """Stand still at an aware `moment` until `run`."""
        with self._lock:
            self._stopped_at = moment.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Go on by `by`, whether running or stopped."""
        with self._lock:
            if self._stopped_at is not None:
                self._stopped_at += by
            else:
                self._offset += by

    def run(self) -> None:
        """Go on from where it stands."""
        with self._lock:
            if self._stopped_at is not None:
                self._offset = self._stopped_at - datetime.now(UTC)
                self._stopped_at = None
