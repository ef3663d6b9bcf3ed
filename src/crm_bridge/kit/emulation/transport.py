"""How an emulated CRM reaches the bridge: one bounded HTTP request, over a socket or into a WSGI app in the process.

It owns bounds (time, bytes, no redirects, no environment proxies) and nothing else: no retries, no signatures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from werkzeug.test import Client

TOTAL_S = 10.0
MAX_REPLY_BYTES = 1_000_000


class Unreachable(Exception):
    """No answer came, or none that can be used. It may have arrived all the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """One request an emulator makes: everything that goes over the wire, so that a test can play it again."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What came back."""

    status: int
    body: bytes = b""
    retry_after: str | None = None


Transport = Callable[[Outgoing], Reply]
"""Raises `Unreachable`."""


def over_http(outgoing: Outgoing) -> Reply:
    """Over a socket, at most `TOTAL_S` seconds and `MAX_REPLY_BYTES`."""
    deadline = time.monotonic() + TOTAL_S
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.request(
                outgoing.method,
                outgoing.url,
                headers=dict(outgoing.headers),
                data=outgoing.body,
                timeout=(3.0, TOTAL_S),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _read(response, deadline)
                return Reply(status=response.status_code, body=body, retry_after=response.headers.get("Retry-After"))
    except requests.RequestException as error:
        raise Unreachable(type(error).__name__) from error


def into_wsgi(app: Any) -> Transport:
    """Into a WSGI app of this process, whatever host the URL names."""

    def send(outgoing: Outgoing) -> Reply:
        parts = urlsplit(outgoing.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        answer = Client(app).open(
            target, method=outgoing.method, headers=list(outgoing.headers.items()), data=outgoing.body
        )
        return Reply(status=answer.status_code, body=answer.get_data(), retry_after=answer.headers.get("Retry-After"))

    return send


def _read(response: requests.Response, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(16_384):
        size += len(part)
        if size > MAX_REPLY_BYTES or time.monotonic() > deadline:
            raise Unreachable("too_much_or_too_slow")
        parts.append(part)
    return b"".join(parts)
