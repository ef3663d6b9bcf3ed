"""Tells the bridge what is in the outbox: signed, in batches, again and again until it is taken.

It owns the thread and the waiting between attempts; what waits is the outbox's, how it is signed the emulator's. It
starts where it stopped, also after a kill, and stops within a moment.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from crm_bridge.kit.emulation.outbox import Batch, Outbox
from crm_bridge.kit.emulation.transport import Outgoing, Transport, Unreachable

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 60.0
NEVER_TAKEN = frozenset({400, 413, 415, 422})
"""Answers to a body that will not become better: the batch is taken apart, a single event set aside."""

CAPTURED = 10_000

_log = logging.getLogger(__name__)


class WebhookSender:
    """One endpoint, one batch at a time, in order. `prepare` makes the signed request of a batch."""

    def __init__(self, outbox: Outbox, prepare: Callable[[Batch], Outgoing], transport: Transport) -> None:
        self._outbox = outbox
        self._prepare = prepare
        self._transport = transport
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._one_at_a_time = threading.Lock()
        self.captured: deque[Outgoing] = deque(maxlen=CAPTURED)

    def start(self) -> None:
        """Send in the background from now on."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="webhook-sender", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the attempt that is under way and stop; what was not taken stays."""
        self._stopping.set()
        self._work.set()
        if self._thread is not None:
            self._thread.join(timeout=15)
            self._thread = None

    def wake(self) -> None:
        """There may be something new."""
        self._work.set()

    def deliver_once(self) -> bool | None:
        """One attempt at the oldest batch: taken or not; None when there is none."""
        with self._one_at_a_time:
            batch = self._outbox.next_batch()
            if batch is None:
                return None
            outgoing = self._prepare(batch)
            self.captured.append(outgoing)
            status = self._attempt(outgoing)
            if 200 <= status < 300:
                self._outbox.delivered(batch)
                return True
            if status in NEVER_TAKEN:
                self._outbox.refuse(batch)
            else:
                self._outbox.failed(batch)
            _log.warning("webhook_not_taken", extra={"status": status, "events": len(batch.events)})
            return False

    def _attempt(self, outgoing: Outgoing) -> int:
        try:
            return self._transport(outgoing).status
        except Unreachable:
            return 0

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stopping.is_set():
            self._work.clear()
            taken = self.deliver_once()
            if taken is None:
                self._work.wait()
            elif taken:
                wait_s = FIRST_WAIT_S
            else:
                self._stopping.wait(wait_s)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
