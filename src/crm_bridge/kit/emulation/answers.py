"""One HTTP answer of an emulated CRM as a value, and how a WSGI app is asked for one. It knows no operation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpAnswer:
    """Status, headers (each name once, but for `Set-Cookie`) and the whole body. A Flask view may return it."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)

    @property
    def status_line(self) -> str:
        """`404 Not Found`, with a plain word for a status nobody registered."""
        known = {item.value for item in HTTPStatus}
        return f"{self.status} {HTTPStatus(self.status).phrase if self.status in known else 'Unregistered'}"

    def header(self, name: str) -> str | None:
        """The value of a header, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def with_headers(self, headers: Mapping[str, str]) -> HttpAnswer:
        """The same answer with these headers in place of others of their names."""
        replaced = {name.lower() for name in headers}
        kept = tuple((name, value) for name, value in self.headers if name.lower() not in replaced)
        return HttpAnswer(status=self.status, headers=(*kept, *headers.items()), body=self.body)

    def __call__(self, _environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """As a WSGI app."""
        start(self.status_line, [*self.headers, ("Content-Length", str(len(self.body)))])
        return [self.body]


def json_answer(status: int, document: Any, content_type: str = "application/json") -> HttpAnswer:
    """A document as JSON."""
    headers = (("Content-Type", content_type), ("Cache-Control", "no-store"))
    return HttpAnswer(status=status, headers=headers, body=json.dumps(document).encode())


def problem_answer(status: int, code: str, detail: str) -> HttpAnswer:
    """A problem document (RFC 9457) with a `code`: the form of a CRM that has no other."""
    answer = HttpAnswer(status=status)
    title = answer.status_line.partition(" ")[2]
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    return json_answer(status, document, PROBLEM_TYPE)


def ask(app: WsgiApp, environ: Environ) -> HttpAnswer:
    """The whole answer of a WSGI app."""
    told: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[[bytes], Any]:
        told.append((status, headers))
        return written.append

    parts = app(environ, start_response)
    try:
        written.extend(parts)
    finally:
        getattr(parts, "close", lambda: None)()
    status, headers = told[-1]
    return HttpAnswer(status=int(status[:3]), headers=tuple(headers), body=b"".join(written))
