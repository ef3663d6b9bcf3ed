"""What every answer carries: headers that keep browsers from misusing it, and an id that finds its log line."""

from __future__ import annotations

import time
import uuid

import structlog
from flask import Flask, Response, g, request

from crm_bridge.web.problems import connection_name

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PROBES = frozenset({"health.alive", "health.ready"})

log = structlog.get_logger(__name__)


def register(app: Flask) -> None:
    app.before_request(begin)
    app.after_request(finish)


def begin() -> None:
    """An id of our own: one a sender chose could point at somebody else's log lines."""
    g.request_id = uuid.uuid4().hex
    g.started = time.monotonic()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def finish(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if request.endpoint not in _PROBES:
        _log(response)
    return response


def _log(response: Response) -> None:
    """One line a request. The rule, not the path: a path may hold a token."""
    log.info(
        "request",
        method=request.method,
        route=str(request.url_rule or ""),
        connection=connection_name(),
        status=response.status_code,
        duration_ms=round((time.monotonic() - g.started) * 1000, 1) if "started" in g else None,
    )
