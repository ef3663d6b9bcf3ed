"""From a Flask request to a raw `Delivery`: bounded bytes, the raw target, headers, an aware time. Parses nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from flask import request

from crm_bridge.contract import Delivery
from crm_bridge.web.problems import Problem

MAX_BODY_BYTES = 1_000_000
"""Larger bodies are 413. The adapter's parser has the same bound."""

JSON_TYPES = ("application/json",)
PAYLOAD_TYPES = (*JSON_TYPES, "text/xml", "application/xml", "application/soap+xml")
_SUFFIXES = {"application/json": "+json", "application/xml": "+xml"}


def read_delivery(accepted: tuple[str, ...] = ()) -> Delivery:
    """The current request as an adapter wants it. `accepted`: media types, checked before the body is read.

    Raises `Problem` 415, and 413 for more than `MAX_BODY_BYTES`, whatever the length claims to be.
    """
    if accepted:
        _require_type(accepted)
    return Delivery(
        method=request.method,
        target=raw_target(request.environ),
        headers=dict(request.headers),
        body=_bounded_body(),
        received_at=datetime.now(UTC),
    )


def _bounded_body() -> bytes:
    """The body. werkzeug cuts one of unknown length off at its bound without a word, so the bound is one more."""
    body = request.get_data(cache=False)
    if len(body) > MAX_BODY_BYTES:
        raise Problem(413, "body_too_large", f"A body may have at most {MAX_BODY_BYTES} bytes.")
    return body


def _require_type(accepted: tuple[str, ...]) -> None:
    given = request.mimetype
    if given in accepted or any(given.endswith(_SUFFIXES[kind]) for kind in accepted if kind in _SUFFIXES):
        return
    raise Problem(415, "unsupported_media_type", f"Send one of {', '.join(accepted)}.")


def raw_target(environ: dict[str, Any]) -> str:
    """Path and query as they stood on the request line, because that is what senders sign.

    waitress and uWSGI give it as REQUEST_URI, gunicorn as RAW_URI; without either it is rebuilt, which a percent
    sign written another way does not survive. An absolute form (RFC 9112, 3.2.2) loses its scheme and host: those
    come from the configured public URL and never from a request.
    """
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if not raw:
        decoded = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        path = quote(decoded.encode("latin-1"), safe="/:@!$&'()*+,;=~")
        return f"{path}?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else path
    target = str(raw)
    if target.startswith("/"):
        return target
    scheme_and_host = urlsplit(target)
    prefix = f"{scheme_and_host.scheme}://{scheme_and_host.netloc}"
    return target[len(prefix) :] or "/" if target.lower().startswith(prefix.lower()) else target
