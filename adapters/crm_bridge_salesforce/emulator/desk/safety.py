"""What protects the pages: headers on every answer, who may call from where, and a token before every change.

Customer text is only ever text: templates escape it, and no inline script or style runs.
"""

from __future__ import annotations

from flask import Blueprint, Response, abort, request
from flask.blueprints import BlueprintSetupState
from flask_wtf.csrf import generate_csrf, validate_csrf
from wtforms.validators import ValidationError

MAX_BODY_BYTES = 1_000_000
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
TOKEN_HEADER, TOKEN_FIELD = "X-CSRFToken", "csrf_token"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # a shared computer keeps no customer's words
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def protect(pages: Blueprint, host: str) -> None:
    """Headers on every answer of the blueprint; `host` is one more name it answers under, besides loopback."""
    allowed = LOOPBACK | {host}
    pages.record_once(_session_defaults)
    pages.before_request(lambda: _check(allowed))
    pages.after_request(_add_headers)
    pages.app_context_processor(lambda: {"csrf_token": generate_csrf})


def _session_defaults(state: BlueprintSetupState) -> None:
    """A page may stay open all day; cookies do not know ports, and other desks are neighbours."""
    config = state.app.config
    config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    config["SESSION_COOKIE_NAME"] = "salesforce_desk"
    config["SESSION_COOKIE_SAMESITE"] = "Lax"
    config["SESSION_COOKIE_PATH"] = "/desk"


def _check(allowed: frozenset[str]) -> None:
    """Refuse what another web page, or a name that only points here, could make a browser send."""
    host = request.host
    if (host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host) not in allowed:
        abort(421)
    if request.method in _SAFE:
        return
    request.max_content_length = MAX_BODY_BYTES
    origin = request.headers.get("Origin")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        abort(403)
    try:
        validate_csrf(request.headers.get(TOKEN_HEADER) or request.form.get(TOKEN_FIELD))
    except ValidationError:
        abort(400, "This page is out of date. Reload it.")


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response
