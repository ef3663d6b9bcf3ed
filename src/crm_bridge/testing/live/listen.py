"""Takes a connection's webhooks while a run lasts, in place of the bridge; stores nothing, so acknowledges nothing.

What is proven is answered with 503, and the CRM tells it again later, to the bridge; a handshake is answered as the CRM
wants it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from crm_bridge.contract import Adapter, Delivery, Response, VerificationFailed

MAX_BODY_BYTES = 1_000_000
MAX_DELIVERIES = 200
REQUEST_WITHIN_S = 10.0
LATER_S = 60
STOP_WITHIN_S = 0.05


class Listener:
    """A small web server for one connection's webhooks."""

    def __init__(self, adapter: Adapter, connection: str, host: str, port: int) -> None:
        self._adapter = adapter
        self._path = f"/webhooks/{connection}"
        self._lock = threading.Lock()
        self._taken: list[Delivery] = []
        self._server = ThreadingHTTPServer((host, port), _handler(self), bind_and_activate=True)
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """Serve while the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, args=(STOP_WITHIN_S,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(REQUEST_WITHIN_S)

    def deliveries(self) -> list[Delivery]:
        """What was believed so far, oldest first."""
        with self._lock:
            return list(self._taken)

    def answer(self, delivery: Delivery) -> Response:
        """Keep a delivery that proves itself; say what its sender is to hear."""
        path = urlsplit(delivery.target).path
        if not (path.endswith(self._path) or f"{self._path}/" in path):
            return Response(status=404)
        try:
            self._adapter.verify(delivery)
        except VerificationFailed:
            return Response(status=401)
        if delivery.method == "GET":
            return self._adapter.acknowledge(delivery, None)
        with self._lock:
            if len(self._taken) < MAX_DELIVERIES:
                self._taken.append(delivery)
        return Response(status=503)


def _handler(listener: Listener) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_WITHIN_S

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "0")
            size = int(length) if length.isascii() and length.isdecimal() and len(length) < 10 else MAX_BODY_BYTES + 1
            if size > MAX_BODY_BYTES:
                self._say(Response(status=413))
                return
            self._say(listener.answer(self._delivery(self.rfile.read(size))))

        def do_GET(self) -> None:
            self._say(listener.answer(self._delivery(b"")))

        def _delivery(self, body: bytes) -> Delivery:
            return Delivery(
                method=self.command,
                target=self.path,
                headers=dict(self.headers),
                body=body,
                received_at=datetime.now(UTC),
            )

        def _say(self, answer: Response) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            if answer.status == 503:
                self.send_header("Retry-After", str(LATER_S))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: Any) -> None:
            """Nothing of a delivery stands in a log."""

    return Handler
