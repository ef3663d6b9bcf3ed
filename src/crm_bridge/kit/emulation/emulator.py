"""An emulated CRM as a product of its own: state, clock, tokens, limits, webhooks, faults and a server under one roof.

It owns starting and stopping, and the forms a CRM has unless its subclass says otherwise. What the CRM is, says and
answers comes from the subclass: routes and payloads.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from crm_bridge.kit.calls import CallCounter
from crm_bridge.kit.emulation.answers import Environ, HttpAnswer, problem_answer
from crm_bridge.kit.emulation.clock import EmulatorClock
from crm_bridge.kit.emulation.disturbance import Disturbance
from crm_bridge.kit.emulation.faults import Faults
from crm_bridge.kit.emulation.outbox import Batch, Outbox
from crm_bridge.kit.emulation.rates import RateLimit, RateLimits, Usage
from crm_bridge.kit.emulation.records import RecordStore
from crm_bridge.kit.emulation.sender import WebhookSender, is_success
from crm_bridge.kit.emulation.server import Server
from crm_bridge.kit.emulation.tokens import TokenEndpoint
from crm_bridge.kit.emulation.transport import Outgoing, Reply, Transport, over_http

STATE_FILE = "crm.sqlite3"


class Emulator(ABC):
    """Base of every emulated CRM. `data_dir` None: a folder of its own that goes when it stops.

    A subclass gives `app` (a Flask app; the endpoint of a route is the name of its operation), `webhook`, and where
    they differ from the defaults: `rate_limits`, `tokens`, and the forms below.
    """

    rate_limits: ClassVar[Sequence[RateLimit]] = ()
    api: ClassVar[str] = ""
    """The Flask blueprint whose endpoints are operations; "": every endpoint is one."""
    free_operations: ClassVar[frozenset[str]] = frozenset({"token"})
    """Operations that need no access token."""
    events_per_webhook: ClassVar[int] = 100
    """So many events travel together at most."""
    agents_page: ClassVar[str] = ""
    """Path of the page where people play agents; "" without one. Below it `api/cases` lists cases with `state.kind`."""
    tokens: TokenEndpoint | None = None
    """Set in `__init__` where this CRM gives out access tokens: then every other operation needs one."""

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
        self.outbox = Outbox(self.records, batch_size=self.events_per_webhook)
        self.transport = transport
        self.sender = WebhookSender(
            self.outbox, self.webhook, transport, faults=self.faults, takes=self.takes, forge=self.forged
        )
        self._counter = CallCounter()
        self._address = (host, port)
        self._server: Server | None = None
        self._sending = False
        self._stopping = threading.Event()

    # --- what a CRM says of itself --------------------------------------------------------------------------------

    @property
    @abstractmethod
    def app(self) -> Any:
        """The WSGI app of this CRM without limits and faults; also usable in the process, without a server."""

    @abstractmethod
    def webhook(self, batch: Batch) -> Outgoing:
        """The request that tells the bridge of a batch, signed as this CRM signs."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The connection's table on the bridge's side, once it is started; secrets included."""
        return {"base_url": self.base_url}

    def seed(self) -> int:
        """Load example cases into an empty CRM; how many. None unless the subclass has some."""
        return 0

    def operation(self, environ: Environ) -> str | None:
        """Which operation a request is; None for pages of people. By default the endpoint of its route."""
        try:
            endpoint, _ = self.app.url_map.bind_to_environ(environ).match()
        except (RequestRedirect, HTTPException):
            return None
        blueprint, _, name = str(endpoint).rpartition(".")
        return name if not self.api or blueprint == self.api else None

    def admits(self, operation: str, environ: Environ) -> bool:
        """Whether a call may pass; by default with an access token, where this CRM gives them out."""
        if self.tokens is None or operation in self.free_operations:
            return True
        return self.tokens.accepts(environ.get("HTTP_AUTHORIZATION"))

    def refusal(self, status: int, code: str) -> HttpAnswer:
        """How this CRM refuses a call that never reached its routes: faults (`fault`), tokens (`unauthorized`)."""
        return problem_answer(status, code, "This was refused before anything was done.")

    def limit_headers(self, usages: Sequence[Usage]) -> dict[str, str]:
        """What every answer says of the limits it counted against."""
        tightest = min(usages, key=lambda usage: usage.remaining)
        limit, remaining = str(tightest.limit.calls), str(tightest.remaining)
        return {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining}

    def limit_exceeded(self, usage: Usage) -> HttpAnswer:
        """How this CRM refuses a call beyond a limit."""
        answer = problem_answer(429, usage.limit.name, "Too many calls.")
        return answer.with_headers({"Retry-After": str(usage.retry_after_s)})

    def takes(self, reply: Reply) -> bool:
        """Whether the bridge's reply means that a webhook was taken."""
        return is_success(reply)

    def forged(self, outgoing: Outgoing) -> Outgoing:
        """A request that only looks like a webhook of ours: by default the body was changed after it was signed."""
        return replace(outgoing, body=outgoing.body + b" ")

    # --- what it has seen -----------------------------------------------------------------------------------------

    @property
    def calls(self) -> Mapping[str, int]:
        """Calls of its API so far, by operation; those that were refused too."""
        return self._counter

    @property
    def captured(self) -> list[Outgoing]:
        """Every webhook request made so far, taken or not, to be looked at and played again."""
        return list(self.sender.captured)

    def expire_tokens(self) -> bool:
        """Refuse every access token given out so far; False where there are none."""
        if self.tokens is None:
            return False
        self.tokens.expire_all()
        return True

    # --- running --------------------------------------------------------------------------------------------------

    @cached_property
    def disturbed(self) -> Disturbance:
        """The app with calls counted, limits and tokens enforced and faults played: what `start` serves."""
        rates = RateLimits(self.rate_limits, self.clock.now)
        return Disturbance(self, rates, self._counter, pause=self._stopping.wait)

    @property
    def base_url(self) -> str:
        """Where the CRM is reached; empty before `start`."""
        return self._server.base_url if self._server else ""

    @property
    def port(self) -> int:
        """The port it listens on; 0 before `start`."""
        return self._server.port if self._server else 0

    def start(self, *, webhooks: bool = True) -> str:
        """Serve, and tell the bridge what happens unless `webhooks` is off. Returns the base URL."""
        host, port = self._address
        self._server = Server(self.disturbed, host=host, port=port)
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
        self._stopping.set()
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._sending:
            self.sender.stop()
            self._sending = False
        self.records.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
