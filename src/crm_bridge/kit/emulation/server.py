"""The HTTP server of an emulator: waitress in a thread of its own, bound before it says so, stopped cleanly."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from waitress import wasyncore
from waitress.server import create_server

from crm_bridge.kit.emulation.wire import WiredChannel

THREADS = 8
CONNECTIONS = 1000
MAX_BODY_BYTES = 2_000_000
LOOP_S = 1.0


class Server:
    """Serves one WSGI app on one address. Port 0 takes a free one."""

    def __init__(self, app: Any, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._sockets: dict[int, Any] = {}
        self._server = create_server(
            app,
            map=self._sockets,
            host=host,
            port=port,
            threads=THREADS,
            connection_limit=CONNECTIONS,
            max_request_body_size=MAX_BODY_BYTES,
            clear_untrusted_proxy_headers=True,
            ident="",
        )
        self._server.channel_class = WiredChannel
        self._server.adj.send_bytes = 1  # what is said is sent: a dripping answer has to drip
        self.host = host
        self.port = int(self._server.effective_port)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="emulator-http", daemon=True)

    @property
    def base_url(self) -> str:
        """Where it can be reached."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Answer requests from now on; the socket is bound already."""
        self._thread.start()

    def stop(self) -> None:
        """Close every socket once the requests under way are answered, at most a few seconds later."""
        # Said inside the loop: were it said first, the loop could close the trigger's descriptor before it is pulled,
        # and the byte meant for it would go to whatever has that number by then.
        with contextlib.suppress(OSError):
            # Another byte may have woken the loop for it already, and the loop be over.
            self._server.trigger.pull_trigger(self._stopping.set)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        # waitress' own loop only ends with the last connection, and a client may keep one alive for minutes.
        while not self._stopping.is_set():
            wasyncore.loop(timeout=LOOP_S, use_poll=True, map=self._sockets, count=1)
        self._server.task_dispatcher.shutdown(timeout=5)
        wasyncore.loop(timeout=0, use_poll=True, map=self._sockets, count=1)
        self._server.trigger.trigger = -1  # whoever is late pulls nothing, instead of a descriptor used anew
        wasyncore.close_all(self._sockets, ignore_all=True)
