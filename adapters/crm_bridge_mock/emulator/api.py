"""`/api`: the HTTP interface the bridge uses. Every request is signed.

It owns routes and signatures. What an operation does is `api_service.py`; faults strike before, in the kit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from crm_bridge.contract import Delivery, VerificationFailed
from crm_bridge.kit.signing import verify_request
from crm_bridge_mock.emulator.api_service import Api
from crm_bridge_mock.emulator.gate import TOKEN_OPERATION, Gate
from crm_bridge_mock.emulator.payloads import Refused
from crm_bridge_mock.emulator.problems import Answer, problem
from crm_bridge_mock.emulator.wire import body_document, raw_target, respond

Operation = Callable[..., Answer]

MAX_CURSOR = 2**62


def api_routes(api: Api, secrets: Sequence[str], gate: Gate) -> Blueprint:
    """The blueprint under `/api/`."""
    blueprint = Blueprint("api", __name__, url_prefix="/api")
    for method, rule, name, operation in _table(api):
        view = _view(name, operation, secrets, gate)
        blueprint.add_url_rule(rule, endpoint=name, view_func=view, methods=[method])
    return blueprint


def _table(api: Api) -> tuple[tuple[str, str, str, Operation], ...]:
    return (
        ("GET", "/health", "health", api.health),
        ("GET", "/cases/<case_id>", "read_case", api.read_case),
        ("GET", "/cases/<case_id>/messages", "read_messages", lambda case_id: _paged(api.read_messages, case_id)),
        ("PUT", "/cases/<case_id>/draft", "write_draft", lambda case_id: api.write_draft(case_id, body_document())),
        ("PUT", "/cases/<case_id>/state", "show", lambda case_id: api.show(case_id, body_document())),
        ("POST", "/cases/<case_id>/replies", "send_reply", lambda case_id: api.send(case_id, body_document())),
        ("POST", "/cases/<case_id>/find", "find_reply", lambda case_id: api.find_reply(case_id, body_document())),
        ("GET", "/drafts/<draft_id>", "read_draft", api.read_draft),
        (
            "DELETE",
            "/drafts/<draft_id>",
            "withdraw_draft",
            lambda draft_id: api.withdraw_draft(draft_id, body_document()),
        ),
        ("GET", "/resolve/<kind>/<ref>", "resolve", api.resolve),
        ("POST", "/token", TOKEN_OPERATION, api.token),
        ("GET", "/changes", "changes", lambda: api.changes(_cursor("cursor"))),
        ("GET", "/articles", "articles", lambda: api.articles(_cursor("cursor"))),
    )


def _view(name: str, operation: Operation, secrets: Sequence[str], gate: Gate) -> Callable[..., Response]:
    def view(**arguments: str) -> Response:
        try:
            verify_request(_delivery(), secrets)
        except VerificationFailed as failed:
            return respond(problem(401, "not_verified", f"The request is not signed as it should be: {failed.reason}."))
        if not gate.admits(name, request.headers.get("Authorization")):
            return respond(problem(401, "token_ended", "Ask for a fresh access token."))
        return _answered(lambda: operation(**arguments))

    return view


def _answered(operate: Callable[[], Answer]) -> Response:
    try:
        return respond(operate())
    except Refused as refused:
        return respond(refused.answer)


def _delivery() -> Delivery:
    return Delivery(
        method=request.method,
        target=raw_target(),
        headers=dict(request.headers.items()),
        body=request.get_data(cache=True),
        received_at=datetime.now(UTC),  # signatures keep real time, whatever the emulated clock says
    )


def _paged(operation: Callable[[str, int], Answer], case_id: str) -> Answer:
    before = _cursor("before")
    return operation(case_id, MAX_CURSOR if before is None else before)


def _cursor(name: str) -> int | None:
    """A cursor of ours from the query. Raises `Refused` for anything else."""
    text: Any = request.args.get(name)
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and int(text[:20]) < MAX_CURSOR):
        raise Refused(problem(400, "unknown_cursor", "This cursor was never given out."))
    return int(text)
