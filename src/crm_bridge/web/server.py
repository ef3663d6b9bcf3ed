"""The HTTP server: waitress, set up so that 200 dribbling sockets cost nobody else an answer, stopped without loss.

Measured (waitress 3.0.2): connection_limit=1000 answers 20 of 20 probes within 15 ms under 200 slow sockets; with 200
it answers none under 300. Owns sockets and signals; the application is any WSGI one.
"""

from __future__ import annotations

import json
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication

import structlog
from waitress import wasyncore
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask

from crm_bridge.settings import Listen
from crm_bridge.web.headers import SECURITY_HEADERS
from crm_bridge.web.problems import PROBLEM_JSON
from crm_bridge.web.reception import Reception

CONNECTION_LIMIT = 1000
THREADS = 16
SPARE_FILES = 256
"""File descriptors for everything that is no client: database, CRMs, log, workers."""

MAX_BUFFERED_BODY = 4_000_000
"""What is read of a body at all, so that one that is too large still gets the app's own 413 and not a reset."""

RECEIVED_WITHIN_S = 30
"""How long a request may take to arrive; looked at every ten seconds."""

MAX_HEADER_BYTES = 32_768
GRACE_S = 8.0
"""How long requests that are being answered may take after a stop was asked for."""

log = structlog.get_logger(__name__)


class _ProblemTask(ErrorTask):  # type: ignore[misc]  # waitress is untyped
    """waitress' own errors (broken requests, bodies beyond its bound) in the form of all others."""

    def execute(self) -> None:
        error = self.request.error
        title = error.reason
        body = json.dumps(
            {
                "type": "about:blank",
                "title": title,
                "status": error.code,
                "detail": title,
                "code": title.lower().replace(" ", "_"),
            }
        ).encode()
        self.status = f"{error.code} {title}"
        self.response_headers.extend([("Content-Type", PROBLEM_JSON), *SECURITY_HEADERS.items()])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(Reception):
    error_task_class = _ProblemTask


def serve(app: WSGIApplication, listen: Listen, *, on_listening: Callable[[Listen], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; then take no more, finish what is being answered, and return.

    `on_listening` gets the address with the real port once connections are accepted. Raises `OSError` when the
    address cannot be used. Signals are only handled when called from the main thread.
    """
    server = build_server(app, listen)
    stop = threading.Event()
    previous = _stop_on_signals(server, stop)
    try:
        bound = Listen(host=listen.host, port=server.socket.getsockname()[1])
        log.info("web_listening", address=str(bound))
        if on_listening is not None:
            on_listening(bound)
        run(server, stop)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    log.info("web_stopped")


def build_server(app: WSGIApplication, listen: Listen) -> BaseWSGIServer:
    """A listening server that `run` drives. Proxy headers are never believed: `public_url` says what senders sign."""
    server = create_server(
        app,
        sockets=[_listening_socket(listen)],
        threads=THREADS,
        connection_limit=_affordable(CONNECTION_LIMIT),
        backlog=CONNECTION_LIMIT,
        channel_timeout=RECEIVED_WITHIN_S,
        cleanup_interval=10,
        max_request_body_size=MAX_BUFFERED_BODY,
        max_request_header_size=MAX_HEADER_BYTES,
        clear_untrusted_proxy_headers=True,
        trusted_proxy=None,
        ident="",
        expose_tracebacks=False,
        # select() cannot see descriptors from 1024 on.
        asyncore_use_poll=True,
    )
    server.channel_class = _Channel
    return server


def run(server: BaseWSGIServer, stop: threading.Event) -> None:
    """Drive the server in this thread until `stop` is set, then end gracefully."""
    sockets = server._map  # waitress' loop is driven here, because its own cannot be left without dropping answers
    while not stop.is_set():
        wasyncore.loop(timeout=0.5, count=1, map=sockets, use_poll=True)
    # New connections are refused from here on; a proxy in front sends them to another process.
    wasyncore.dispatcher.close(server)
    deadline = time.monotonic() + GRACE_S
    while _busy(server) and time.monotonic() < deadline:
        wasyncore.loop(timeout=0.05, count=1, map=sockets, use_poll=True)
    server.task_dispatcher.shutdown(timeout=1)
    wasyncore.close_all(sockets)


def _busy(server: BaseWSGIServer) -> bool:
    """Requests are waiting, being answered, or an answer is not out yet."""
    return any(channel.requests or channel.total_outbufs_len for channel in list(server.active_channels.values()))


def _stop_on_signals(server: BaseWSGIServer, stop: threading.Event) -> dict[int, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}

    def asked(_number: int, _frame: object) -> None:
        if not stop.is_set():  # asked twice, the trigger may be closed already
            stop.set()
            server.pull_trigger()

    return {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}


def _listening_socket(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((listen.host, listen.port))
    except OSError:
        listening.close()
        raise
    return listening


def _affordable(wanted: int) -> int:
    """As many connections as there are file descriptors for; the soft limit is raised where it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    affordable = max(soft - SPARE_FILES, soft // 2)
    log.warning("few_file_descriptors", limit=soft, wanted=needed, connections=affordable)
    return affordable
