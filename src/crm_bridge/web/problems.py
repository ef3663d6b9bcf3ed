"""Every error as RFC 9457 `application/problem+json`, from one table: status, code, what the caller may do next.

Nothing of a request, a database or a traceback stands in an answer. What nobody expected is logged by its class with
the id the answer names. Owns no rule about when something is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from flask import Flask, Response, g, request
from marshmallow import INCLUDE, Schema, fields
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from crm_bridge.contract import InvalidDelivery, VerificationFailed
from crm_bridge.pipeline.decide import DecisionConflict, FlagsNotAcknowledged, InvalidDecision, UnknownDraft
from crm_bridge.pipeline.panel import UnknownCase
from crm_bridge.pipeline.runtime import UnknownConnection
from crm_bridge.store.codec import to_json
from crm_bridge.store.database import StoreUnavailable

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 5

log = structlog.get_logger(__name__)


class ProblemSchema(Schema):
    """RFC 9457 with a stable `code`; more members may stand beside these."""

    type = fields.String(required=True, metadata={"description": "a URI that names the kind of problem"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "what is wrong with this request"})
    code = fields.String(required=True, metadata={"description": "a stable name programs may decide by"})

    class Meta:
        unknown = INCLUDE


class Problem(Exception):
    """An error the web layer finds itself. `extra` becomes further members of the answer."""

    def __init__(self, status: int, code: str, detail: str, **extra: Any) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.extra = extra


@dataclass(frozen=True, kw_only=True)
class _Row:
    """How one kind of error is answered. `members` stand beside the usual ones; `headers` go with it."""

    status: int
    code: str
    detail: Callable[[Any], str]
    members: Callable[[Any], Mapping[str, Any]] = lambda _error: {}
    headers: Mapping[str, str] | None = None


def _says(detail: str) -> Callable[[Any], str]:
    return lambda _error: detail


_LATER = {"Retry-After": str(RETRY_AFTER_S)}
_UNAVAILABLE = _Row(
    status=503,
    code="store_unavailable",
    detail=_says("Nothing was stored. Send the same request again later."),
    headers=_LATER,
)
_TABLE: dict[type[Exception], _Row] = {
    VerificationFailed: _Row(
        status=401,
        code="not_verified",
        detail=_says("It could not be verified who sent this request."),
        headers={"WWW-Authenticate": "Signature"},
    ),
    UnknownConnection: _Row(
        status=404, code="unknown_connection", detail=_says("There is no connection of this name.")
    ),
    UnknownCase: _Row(status=404, code="unknown_case", detail=str),
    UnknownDraft: _Row(status=404, code="unknown_draft", detail=str),
    InvalidDelivery: _Row(status=400, code="invalid_delivery", detail=str),
    InvalidDecision: _Row(status=422, code="invalid_decision", detail=str),
    FlagsNotAcknowledged: _Row(
        status=422,
        code="flags_not_acknowledged",
        detail=str,
        members=lambda error: {"flags": to_json(error.flags)},
    ),
    DecisionConflict: _Row(
        status=409,
        code="decision_conflict",
        detail=str,
        members=lambda error: {
            "by": error.by,
            "at": to_json(error.at),
            "revision": error.revision,
            "state": to_json(error.state),
            "new_messages": error.view.to_json()["new_messages"],
        },
    ),
    StoreUnavailable: _UNAVAILABLE,
    sa.exc.OperationalError: _UNAVAILABLE,
    sa.exc.InterfaceError: _UNAVAILABLE,
    sa.exc.TimeoutError: _UNAVAILABLE,
}

_DETAILS = {
    400: "The request could not be understood.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    413: "The body is too large.",
    415: "This media type is not accepted here.",
}
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def problem(status: int, code: str, detail: str, **extra: Any) -> Response:
    """An answer with the five members every problem has, and whatever else helps."""
    title = HTTP_STATUS_CODES.get(status, "Error")
    members = {"type": f"urn:crm-bridge:problem:{code}", "title": title, "status": status, "detail": detail}
    body = json.dumps({**extra, **members, "code": code})
    return Response(body, status=status, content_type=PROBLEM_JSON)


def register(app: Flask) -> None:
    """Make the table the app's only way to say that something went wrong."""
    for kind in _TABLE:
        app.register_error_handler(kind, known)
    app.register_error_handler(Problem, found_here)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, unexpected)


def known(error: Exception) -> Response:
    """An error of the table. Verification failures are logged with their reason: admins need it, senders do not."""
    row = next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)
    if isinstance(error, VerificationFailed):
        log.info("request_not_verified", reason=error.reason, connection=connection_name())
    elif row.status >= 500:
        log.warning("store_unavailable", exc_info=error)
    response = problem(row.status, row.code, row.detail(error), **row.members(error))
    response.headers.update(row.headers or {})
    return response


def found_here(error: Problem) -> Response:
    return problem(error.status, error.code, error.detail, **error.extra)


def http_error(error: HTTPException) -> Response:
    """What Flask and werkzeug raise; their own headers (Allow, Retry-After) are kept, their texts are not."""
    status = error.code or 500
    code = _CODES.get(status) or HTTP_STATUS_CODES.get(status, "error").lower().replace(" ", "_")
    response = problem(status, code, _DETAILS.get(status, HTTP_STATUS_CODES.get(status, "Error")))
    kept = [(name, value) for name, value in error.get_headers() if name.lower() != "content-type"]
    response.headers.extend(kept)
    return response


def unexpected(error: Exception) -> Response:
    """A process edge: whatever it was, the caller gets an id and the log gets the class."""
    identity = g.get("request_id", "")
    log.error("request_failed", exc_info=error, route=str(request.url_rule or ""))
    return problem(500, "internal_error", "Something went wrong here; the log has more under this id.", id=identity)


def connection_name() -> str | None:
    """The connection a request names, when there is one; as sent, so untrusted."""
    return (request.view_args or {}).get("connection")
