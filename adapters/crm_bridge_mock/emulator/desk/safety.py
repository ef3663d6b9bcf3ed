"""What protects the desk: headers on every answer, pages or not, and a CSRF token on every form.

Customer text is only ever text: templates escape it, nothing turns it into a link, and no inline script or style runs.
"""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from flask_wtf.csrf import CSRFError, validate_csrf
from wtforms.validators import ValidationError

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # the symbols of Pico are data: images in its style sheet
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # "no-referrer" makes browsers send `Origin: null` to ourselves as well
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
DOCUMENT_HEADERS = {**HEADERS, "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"}
"""Of what is no page: a document that a browser is made to open shows and runs nothing."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def protect(pages: Blueprint) -> None:
    """Headers on every answer of the blueprint, a checked token before every change."""
    pages.record_once(_session_defaults)
    pages.before_request(_check_token)
    pages.after_request(add_page_headers)


def add_document_headers(response: Response) -> Response:
    """For whatever the pages did not answer: JSON, problems, redirects. What is set already stays."""
    for name, value in DOCUMENT_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _session_defaults(state: BlueprintSetupState) -> None:
    """The token lives in the session: an app that has no key yet gets one; a page may stay open all day."""
    config = state.app.config
    if not config.get("SECRET_KEY"):
        config["SECRET_KEY"] = secrets.token_bytes(32)
    config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    if config.get("SESSION_COOKIE_NAME") == "session":
        config["SESSION_COOKIE_NAME"] = "desk_session"  # cookies do not know ports: the bridge is a neighbour
    if config.get("SESSION_COOKIE_SAMESITE") is None:
        config["SESSION_COOKIE_SAMESITE"] = "Lax"


def _check_token() -> None:
    if request.method in SAFE_METHODS:
        return
    try:
        validate_csrf(request.headers.get("X-CSRFToken") or request.form.get("csrf_token"))
    except ValidationError as error:
        raise CSRFError(str(error)) from None


def add_page_headers(response: Response) -> Response:
    """For whatever the pages answer."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint and not request.endpoint.endswith(".static"):
        response.headers["Cache-Control"] = "no-store"  # a shared computer keeps no customer's words
    return response
