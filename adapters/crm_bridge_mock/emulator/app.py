"""The web application of the embedded CRM: its API, its desk API, its pages, and errors that are always documents."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus

from flask import Blueprint, Flask, Response, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from crm_bridge_mock.emulator.desk import desk_pages, not_found
from crm_bridge_mock.emulator.desk.safety import add_document_headers
from crm_bridge_mock.emulator.desk_api import check_browser
from crm_bridge_mock.emulator.problems import of_http_error, problem
from crm_bridge_mock.emulator.service import Desk
from crm_bridge_mock.emulator.wire import respond

MAX_BODY_BYTES = 1_000_000

_log = logging.getLogger(__name__)


def create_app(*, desk: Desk, routes: Sequence[Blueprint], allowed_hosts: frozenset[str], session_key: str) -> Flask:
    """`routes` are blueprints without pages; `allowed_hosts` the names a browser may use for the desk.

    `session_key` signs the forms of the pages; kept by the caller, so that open pages survive a restart.
    """
    app = Flask(__name__, static_folder=None)
    app.secret_key = session_key
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    for blueprint in routes:
        app.register_blueprint(blueprint)
    app.register_blueprint(desk_pages(desk))
    app.add_url_rule("/", "root", lambda: redirect("/desk/"))

    @app.before_request
    def refuse_other_sites() -> Response | None:
        refusal = None if request.path.startswith("/api/") else check_browser(allowed_hosts)
        return respond(refusal) if refusal is not None else None

    app.after_request(add_document_headers)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _broken)
    return app


def _refused(error: HTTPException) -> AnyResponse:
    if error.code is not None and error.code < 400:
        return error.get_response()
    if error.code == HTTPStatus.NOT_FOUND and request.path.startswith("/desk/") and not _is_api(request.path):
        return not_found(error)
    return respond(of_http_error(error))


def _is_api(path: str) -> bool:
    return path.startswith("/desk/api/")


def _broken(error: Exception) -> Response:
    """The edge of the process: a mistake of ours, named in the log without what was sent."""
    _log.error("desk_request_failed", extra={"error": type(error).__name__, "endpoint": request.endpoint})
    return respond(problem(500, "internal_error", "Something is wrong with this CRM. The log says what."))
