"""Tells the bridge what is in the outbox: signed, in batches, again and again until it is taken.

It owns the thread and the waiting between attempts; what waits is the outbox's, how it is signed the emulator's. It
starts where it stopped, also after a kill, and stops within a moment.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from crm_bridge.kit.emulation.faults import WEBHOOK, FaultRule, Faults
from crm_bridge.kit.emulation.outbox import Batch, Outbox
from crm_bridge.kit.emulation.transport import Outgoing, Reply, Transport, Unreachable

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 60.0
NEVER_TAKEN = frozenset({400, 413, 415, 422})
"""Answers to a body that will not become better: the batch is taken apart, a single event set aside."""

CAPTURED = 10_000

_log = logging.getLogger(__name__)


def is_success(reply: Reply) -> bool:
    """Taken, as most CRMs see it: any 2xx."""
    return 200 <= reply.status < 300


class WebhookSender:
    """One endpoint, one batch at a time, in order. `prepare` makes the signed request of a batch.

    `takes` says whether a reply means that it was taken; `forge` makes a request that only looks like one of ours.
    """

    def __init__(
        self,
        outbox: Outbox,
        prepare: Callable[[Batch], Outgoing],
        transport: Transport,
        *,
        faults: Faults | None = None,
        takes: Callable[[Reply], bool] = is_success,
        forge: Callable[[Outgoing], Outgoing] | None = None,
    ) -> None:
        self._faults = faults or Faults()
        self._takes = takes
        self._forge = forge
        self._outbox = outbox
        self._prepare = prepare
        self._transport = transport
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._one_at_a_time = threading.Lock()
        self._held_back: deque[str] = deque(maxlen=CAPTURED)
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
            batch = self._next()
            if batch is None:
                return None
            rule = self._faults.take(WEBHOOK) or FaultRule()
            if not rule.reorder:
                return self._deliver(batch, rule)
            if len(batch.events) > 1:
                return self._deliver(replace(batch, events=batch.events[::-1]), rule)
            if batch.id in self._held_back or self._outbox.held():
                return self._deliver(batch, rule)
            self._held_back.append(batch.id)
            self._outbox.hold(batch)
            return False

    def _next(self) -> Batch | None:
        batch = self._outbox.next_batch()
        if batch is None and self._outbox.release():
            batch = self._outbox.next_batch()
        return batch

    def _deliver(self, batch: Batch, rule: FaultRule) -> bool:
        if rule.drop:
            self._outbox.delivered(batch)
            return True
        self._stopping.wait(rule.delay_s)
        outgoing = self._prepare(batch)
        if rule.forge and self._forge is not None:
            self._attempt(self._forge(outgoing))
        replies = [self._attempt(outgoing) for _ in range(1 + rule.duplicate)]
        reply = Reply(status=0) if rule.drop_answer_after_effect else replies[0]
        if self._takes(reply):
            self._outbox.delivered(batch)
            self._outbox.release()
            return True
        if reply.status in NEVER_TAKEN:
            self._outbox.refuse(batch)
        else:
            self._outbox.failed(batch)
        _log.warning("webhook_not_taken", extra={"status": reply.status, "events": len(batch.events)})
        return False

    def _attempt(self, outgoing: Outgoing) -> Reply:
        """The reply; status 0 when none came."""
        self.captured.append(outgoing)
        try:
            return self._transport(outgoing)
        except Unreachable:
            return Reply(status=0)

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
