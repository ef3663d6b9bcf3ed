"""Conditional requests: `If-Modified-Since` and its kin, and entity tags, which only accounts have."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import request
from werkzeug.http import http_date, parse_date, unquote_etag

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.rest.wire import empty
from crm_bridge_salesforce.emulator.values import moment_of

TAGGED = frozenset({"Account"})
"""Objects whose records have entity tags."""


def of_record(sobject: str, row: Mapping[str, Any]) -> dict[str, str]:
    """The headers that tell the state of a record."""
    headers = {"Last-Modified": http_date(moment_of(str(row["LastModifiedDate"])))}
    if sobject in TAGGED:
        headers["ETag"] = f'"{_tag(row)}"'
    return headers


def of_moment(moment: datetime) -> dict[str, str]:
    """The same of something that has only a time."""
    return {"Last-Modified": http_date(moment)}


def unchanged(headers: Mapping[str, str]) -> HttpAnswer | None:
    """304 when a read asked only for something newer; None when it is to be given."""
    tags = request.headers.get("If-None-Match")
    if tags is not None and "ETag" in headers:
        return empty(304, headers) if _matches(tags, headers["ETag"]) else None
    since = _moment("If-Modified-Since")
    if since is not None and _changed_at(headers) <= since:
        return empty(304, headers)
    check_unchanged(headers)
    return None


def check_unchanged(headers: Mapping[str, str]) -> None:
    """Refuse a call that relies on a state that is gone. Raises `Refused` with 412, or 400 for what is no time."""
    tags = request.headers.get("If-Match")
    if tags is not None and "ETag" in headers and not _matches(tags, headers["ETag"]):
        raise _failed()
    others = request.headers.get("If-None-Match") if request.method != "GET" else None
    if others is not None and "ETag" in headers and _matches(others, headers["ETag"]):
        raise _failed()
    unmodified = _moment("If-Unmodified-Since")
    if unmodified is not None and _changed_at(headers) > unmodified:
        raise _failed()


def _failed() -> Refused:
    return Refused(412, "PRECONDITION_FAILED", "A precondition in the request headers was not satisfied.")


def _matches(tags: str, tag: str) -> bool:
    wanted = {unquote_etag(one.strip())[0] for one in tags.split(",")}
    return "*" in wanted or bool(wanted & {tag.strip('"'), f"{tag.strip(chr(34))}-gzip"})


def _moment(header: str) -> datetime | None:
    given = request.headers.get(header)
    if given is None:
        return None
    moment = parse_date(given)
    if moment is None and request.method != "GET":
        raise Refused(400, "INVALID_INPUT", f"The value of the header {header} is no HTTP date.")
    return moment


def _changed_at(headers: Mapping[str, str]) -> datetime:
    return parse_date(headers["Last-Modified"]) or datetime.now(UTC)


def _tag(row: Mapping[str, Any]) -> str:
    digest = hashlib.sha1(json.dumps(row, sort_keys=True).encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()
