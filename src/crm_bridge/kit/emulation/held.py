"""`HeldWebhooks`: webhooks that can be kept back, dropped, told later or twice, as the contract suite and stories do.

It owns what stands between an emulated CRM and the bridge, and nothing of what is told.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from crm_bridge.contract import Delivery
from crm_bridge.kit.emulation.emulator import Emulator
from crm_bridge.kit.emulation.transport import Outgoing, Reply, Transport


class HeldWebhooks(Emulator):
    """An emulator whose webhooks are held until `release`. `bridge`: how the bridge is reached until `connect`."""

    def __init__(self, *, bridge: Transport, **more: Any) -> None:
        self._bridge = bridge
        self._held: list[Outgoing] = []
        self._holding = True
        self._wire = threading.Lock()
        super().__init__(transport=self._carry, **more)

    def connect(self, bridge: Transport) -> None:
        """How the bridge is reached from now on."""
        self._bridge = bridge

    def hold(self) -> None:
        """Keep webhooks for `deliveries`."""
        self._holding = True

    def release(self) -> None:
        """Webhooks go to the bridge again; `tell` sends those that were kept."""
        self._holding = False

    def deliveries(self) -> list[Delivery]:
        """What it has to tell since last asked, as the bridge would receive it now."""
        self.deliver()
        return [as_received(outgoing) for outgoing in self._take_held()]

    def tell(self) -> int:
        """Send what waits; how many requests it took."""
        held = self._take_held()
        for outgoing in held:
            self._bridge(outgoing)
        return len(held) + self.deliver()

    def can_be_held(self, outgoing: Outgoing) -> bool:  # noqa: ARG002 - for who overrides it
        """Whether a request is a webhook; override it where the CRM also asks the bridge for something."""
        return True

    def _carry(self, outgoing: Outgoing) -> Reply:
        if not self._holding or not self.can_be_held(outgoing):
            return self._bridge(outgoing)
        with self._wire:
            self._held.append(outgoing)
        return Reply(status=200)

    def _take_held(self) -> list[Outgoing]:
        with self._wire:
            held, self._held = self._held, []
        return held


def as_received(outgoing: Outgoing) -> Delivery:
    """A request of the CRM as it reaches the bridge now."""
    parts = urlsplit(outgoing.url)
    return Delivery(
        method=outgoing.method,
        target=parts.path + (f"?{parts.query}" if parts.query else ""),
        headers=dict(outgoing.headers),
        body=outgoing.body,
        received_at=datetime.now(UTC),
    )
