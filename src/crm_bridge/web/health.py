"""Probes: is the process alive, can it do its work. Bounded, so that a probe never hangs with the database."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout

import structlog
from flask import Flask, Response, current_app
from flask_smorest import Blueprint

from crm_bridge.store import migrate
from crm_bridge.web.documented import answers, route
from crm_bridge.web.problems import problem
from crm_bridge.web.runtimes import current_runtime
from crm_bridge.web.schemas import HealthSchema

READY_TIMEOUT_S = 1.0
READY_FOR_S = 1.0
"""An answer is good for this long: probing often costs the database nothing."""

_KEY = "crm_bridge_readiness"

log = structlog.get_logger(__name__)

blueprint = Blueprint("health", __name__, description="For operators and load balancers")


class Readiness:
    """Asks the database in one thread of its own, at most once at a time, and remembers the answer for a moment."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="readiness")
        self._lock = threading.Lock()
        self._asked: Future[str] | None = None
        self._asked_at = 0.0

    def reason_against(self) -> str:
        """A short name of why not, empty when ready. Takes at most `READY_TIMEOUT_S`."""
        runtime = current_runtime()
        with self._lock:
            asked, age_s = self._asked, time.monotonic() - self._asked_at
            if asked is None or (asked.done() and age_s > READY_FOR_S):
                asked = self._asked = self._thread.submit(_ask, runtime.store.engine)
                self._asked_at = time.monotonic()
        try:
            return asked.result(timeout=READY_TIMEOUT_S)
        except FutureTimeout:
            return "database_slow"


def _ask(engine: object) -> str:
    try:
        status = migrate.status(engine)  # type: ignore[arg-type]
    except Exception as error:
        log.warning("database_not_reachable", exc_info=error)
        return "database_unreachable"
    return "" if status.up_to_date else "migrations_pending"


def attach(app: Flask) -> None:
    app.extensions[_KEY] = Readiness()


@route(blueprint, "GET", "/healthz", summary="The process is alive", responses=answers({200: HealthSchema}, ()))
def alive() -> Response:
    return Response('{"status": "ok"}', content_type="application/json")


@route(
    blueprint,
    "GET",
    "/readyz",
    summary="The database can be reached and its schema is current",
    responses=answers({200: HealthSchema}, (503,)),
)
def ready() -> Response:
    readiness: Readiness = current_app.extensions[_KEY]
    reason = readiness.reason_against()
    if reason:
        response = problem(503, "not_ready", "The bridge cannot do its work now.", reason=reason)
        response.headers["Retry-After"] = "1"
        return response
    return Response('{"status": "ready"}', content_type="application/json")
