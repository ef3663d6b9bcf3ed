"""What goes out: content, headers and signature of one attempt, refused as a whole when it cannot stand on the wire."""

from __future__ import annotations

import json as json_codec
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import requests
import urllib3.exceptions

from crm_bridge.contract import Permanent
from crm_bridge.kit.http.judge import Effect

Sign = Callable[[str, str, bytes], Mapping[str, str]]
"""Headers for (method, raw target, body), asked for anew at every attempt."""

OWN_HEADERS = {"User-Agent": "crm-bridge", "Accept": "application/json", "Accept-Encoding": "gzip"}
_HEADER_VALUE = re.compile(r"[\t -~\xa0-\xff]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call as asked for; `ends_at` is monotonic. Neither credentials nor content stand in its `repr`."""

    operation: str
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    effect: Effect
    accept: frozenset[int]
    ends_at: float


def content_of(
    operation: str, value: Any, form: Mapping[str, str] | None, body: bytes | None
) -> tuple[bytes, dict[str, str]]:
    """Bytes and headers of a body given as a JSON value, a form or bytes. Raises `Permanent` for what is no JSON."""
    if sum(given is not None for given in (value, form, body)) > 1:
        raise ValueError("give one of json, form and body")
    if form is not None:
        return urlencode(form).encode("ascii"), {"Content-Type": "application/x-www-form-urlencoded"}
    if value is None:
        return body or b"", {}
    try:
        encoded = json_codec.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise _unsendable(operation, error) from None
    return encoded, {"Content-Type": "application/json"}


def prepared(call: Call, sign: Sign | None) -> requests.PreparedRequest:
    """The request as it will stand on the wire, signed. Raises `Permanent` for one that cannot be sent."""
    try:
        request = requests.Request(call.method, call.url, headers=dict(call.headers), data=call.body).prepare()
        if sign is not None:
            request.headers.update(sign(call.method, request.path_url, call.body))
        _check_headers(request)
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise _unsendable(call.operation, error) from None
    return request


def _check_headers(request: requests.PreparedRequest) -> None:
    """Also what `sign` gave, which requests did not look at."""
    if not all(_HEADER_VALUE.fullmatch(str(value)) for value in request.headers.values()):
        raise ValueError("a header value cannot stand on one line")


def _unsendable(operation: str, error: Exception) -> Permanent:
    return Permanent(f"{operation}: cannot be sent ({type(error).__name__})", code="unsendable_request")
