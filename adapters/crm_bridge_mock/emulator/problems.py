"""Problem documents of the embedded CRM (RFC 9457): `type, title, status, detail` and a stable `code`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import HTTPException

PROBLEM_TYPE = "application/problem+json"

Answer = tuple[int, dict[str, Any]]


def problem(status: int, code: str, detail: str, **more: Any) -> Answer:
    """An answer that says what went wrong and what to do. `more` only ever adds fields."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return status, {**more, **document, "code": code}


def of_http_error(error: HTTPException) -> Answer:
    """What Flask itself refused: unknown routes, methods, oversized bodies."""
    status = error.code or 500
    name = error.name.lower().replace(" ", "_").replace("-", "_")
    return problem(status, name, error.description or error.name)
