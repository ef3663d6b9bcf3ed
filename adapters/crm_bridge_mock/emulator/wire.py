"""Bytes in, documents out: what both HTTP interfaces of the embedded CRM share. It knows no cases."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request

from crm_bridge.contract import InvalidDelivery
from crm_bridge.kit.parsing import parse_json
from crm_bridge_mock.emulator.payloads import Refused
from crm_bridge_mock.emulator.problems import PROBLEM_TYPE, Answer, problem


def body_document() -> Any:
    """The JSON of the request; an empty body is an empty object. Raises `Refused`."""
    body = request.get_data(cache=True)
    if not body:
        return {}
    try:
        return parse_json(body)
    except InvalidDelivery as error:
        raise Refused(problem(400, "invalid_json", str(error))) from None


def respond(answer: Answer | tuple[int, list[dict[str, Any]]], *, retry_after: int | None = None) -> Response:
    """The answer as JSON, a problem as a problem document."""
    status, document = answer
    kind = PROBLEM_TYPE if status >= 400 else "application/json"
    response = Response(json.dumps(document), status=status, content_type=kind)
    response.headers["Cache-Control"] = "no-store"
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def raw_target() -> str:
    """Path and query exactly as they stood on the request line."""
    environ = request.environ
    return str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or request.full_path.rstrip("?"))
