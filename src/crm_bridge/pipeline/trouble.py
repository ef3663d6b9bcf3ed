"""Trouble of the assistant is a fact about the assistant: no case pays for it and no connection pauses.

Owns when the assistant may be asked again, and says once that it stopped answering and once that it answers again.
One `AssistantWatch` per process; what a waiting case does meanwhile is decided in `advance`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from crm_bridge.contract import OutboundError, Retry

IN_A_ROW = 2
"""One failed call may be about its question; so many one after the other, of whatever cases, are the assistant's."""

MAX_PAUSE = timedelta(minutes=1)
"""While it is silent one call is made so often, for all waiting cases together."""

MAX_ASKED_FOR = timedelta(minutes=15)
"""However long an assistant asks us to wait."""

REAUTHENTICATE_WAIT = timedelta(seconds=60)
MAX_CASE_WAIT = timedelta(minutes=5)
"""A waiting case looks again after half the time it has waited already, and at least so often."""

SPREAD = 0.25
"""Waits are up to so much longer, each by chance: what waited for the same moment does not come back as one."""

log = structlog.get_logger("crm_bridge.assistant")


class AssistantTrouble(Exception):
    """The assistant was not asked, or could not answer. `wait`: ask it again after that."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("the assistant does not answer")
        self.wait = wait


@dataclass(kw_only=True)
class AssistantWatch:
    """Whether the assistant answers, as this process sees it. Usable from several threads; `clock` in seconds."""

    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _failed: int = 0
    _code: str = ""
    _silent: bool = False
    _until: float = 0.0
    _probe_until: float = 0.0

    def wait(self) -> timedelta | None:
        """How long nobody asks it; None when it may be asked now."""
        with self._lock:
            return self._left()

    def _left(self) -> timedelta | None:
        left = max(self._until, self._probe_until) - self.clock()
        return timedelta(seconds=left) if left > 0 else None

    def admit(self, *, call_s: float) -> None:
        """Right before a call of at most `call_s`. While it is silent one call at a time goes through.

        Raises `AssistantTrouble`.
        """
        with self._lock:
            left = self._left()
            if left is None and self._silent:
                self._probe_until = self.clock() + call_s
        if left is not None:
            raise AssistantTrouble(left)

    def let_go(self) -> None:
        """A call that was admitted has ended, however it did."""
        with self._lock:
            self._probe_until = 0.0

    def answered(self) -> None:
        """It answered; whether the answer can be used is another matter."""
        with self._lock:
            was_silent, code = self._silent, self._code
            self._failed, self._code, self._silent, self._until = 0, "", False, 0.0
        if was_silent:
            log.info("assistant_answers_again", after=code)

    def failed(self, error: OutboundError) -> timedelta:
        """It could not answer. Returns how long whoever asked waits at least."""
        asked_for = min(error.after, MAX_ASKED_FOR) if isinstance(error, Retry) else REAUTHENTICATE_WAIT
        with self._lock:
            if self.clock() >= self._until:
                # Calls that were under way when it fell silent say nothing new.
                self._failed += 1
                backed_off = min(timedelta(seconds=2.0 ** min(self._failed, 16)), MAX_PAUSE)
                pause = max(backed_off, asked_for)
                if self._failed >= IN_A_ROW:
                    self._until = self.clock() + pause.total_seconds()
            changed = self._failed >= IN_A_ROW and (not self._silent or self._code != error.code)
            self._silent = self._failed >= IN_A_ROW
            self._code = error.code
            left = max(asked_for, timedelta(seconds=max(2.0, self._until - self.clock())))
        if changed:
            log.warning("assistant_does_not_answer", error=error.code, wait_s=left.total_seconds())
        return left


def case_wait(wait: timedelta, waited: timedelta) -> timedelta:
    """How long a case waits that has `waited` for its draft already, when the assistant wants `wait`."""
    longer = max(wait, min(waited / 2, MAX_CASE_WAIT))
    return longer * (1 + random.uniform(0, SPREAD))
