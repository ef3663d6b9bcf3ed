"""An emulated CRM as a product of its own: state, clock, webhooks, faults and a server under one roof.

It owns starting and stopping. What the CRM is, says and answers comes from the subclass.
"""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from crm_bridge.kit.emulation.clock import EmulatorClock
from crm_bridge.kit.emulation.faults import Faults
from crm_bridge.kit.emulation.outbox import Batch, Outbox
from crm_bridge.kit.emulation.records import RecordStore
from crm_bridge.kit.emulation.sender import WebhookSender
from crm_bridge.kit.emulation.server import Server
from crm_bridge.kit.emulation.transport import Outgoing, Transport, over_http

STATE_FILE = "crm.sqlite3"


class Emulator(ABC):
    """Base of every emulated CRM. `data_dir` None: a folder of its own that goes when it stops."""

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        transport: Transport = over_http,
        faults_file: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._temporary = Path(tempfile.mkdtemp(prefix="emulated-crm-")) if data_dir is None else None
        self.data_dir: Path = data_dir or self._temporary  # type: ignore[assignment]
        self.clock = EmulatorClock()
        self.faults = Faults(faults_file)
        self.records = RecordStore(self.data_dir / STATE_FILE)
        self.outbox = Outbox(self.records)
        self.transport = transport
        self.sender = WebhookSender(self.outbox, self.webhook, transport)
        self._address = (host, port)
        self._server: Server | None = None
        self._sending = False

    @property
    @abstractmethod
    def app(self) -> Any:
        """The WSGI app of this CRM; also usable in the process, without a server."""

    @abstractmethod
    def webhook(self, batch: Batch) -> Outgoing:
        """The request that tells the bridge of a batch, signed as this CRM signs."""

    @property
    def base_url(self) -> str:
        """Where the CRM is reached; empty before `start`."""
        return self._server.base_url if self._server else ""

    @property
    def port(self) -> int:
        """The port it listens on; 0 before `start`."""
        return self._server.port if self._server else 0

    @property
    def captured(self) -> list[Outgoing]:
        """Every webhook request made so far, taken or not, to be looked at and played again."""
        return list(self.sender.captured)

    def start(self, *, webhooks: bool = True) -> str:
        """Serve, and tell the bridge what happens unless `webhooks` is off. Returns the base URL."""
        host, port = self._address
        self._server = Server(self.app, host=host, port=port)
        self._server.start()
        if webhooks:
            self.start_sending()
        return self._server.base_url

    def start_sending(self) -> None:
        """Tell the bridge in the background from now on."""
        self._sending = True
        self.records.on_commit(self.sender.wake)
        self.sender.start()

    def deliver(self, *, attempts: int = 1000) -> int:
        """Tell the bridge what waits, now and in this thread; how many batches were taken."""
        taken = 0
        for _ in range(attempts):
            outcome = self.sender.deliver_once()
            if outcome is None:
                break
            taken += int(outcome)
        return taken

    def stop(self) -> None:
        """Stop serving and sending; the state stays unless it was a temporary one."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._sending:
            self.sender.stop()
            self._sending = False
        self.records.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
