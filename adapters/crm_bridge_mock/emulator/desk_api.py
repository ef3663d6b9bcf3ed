"""`/desk/api`: the agents' JSON interface. It owns routes, who is asking and what a browser may be made to send.

What happens is the `Desk`'s (`service.py`). There is no sign-in: the desk listens on loopback and any name is an agent;
what stops other web pages is the check of Host, Origin and content type.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Response, request

from crm_bridge_mock.emulator.payloads import Refused
from crm_bridge_mock.emulator.problems import Answer, problem
from crm_bridge_mock.emulator.service import DEFAULT_AGENT, Desk
from crm_bridge_mock.emulator.wire import body_document, respond

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
AGENT_HEADER = "X-Desk-Agent"
MAX_AGENT_HEADER = 1000


def desk_api_routes(desk: Desk) -> Blueprint:
    """The blueprint under `/desk/api/`."""
    blueprint = Blueprint("desk_api", __name__, url_prefix="/desk/api")
    for method, rule, name, operation in _table(desk):
        blueprint.add_url_rule(rule, endpoint=name, view_func=_view(operation), methods=[method])
    return blueprint


def _table(desk: Desk) -> tuple[tuple[str, str, str, Callable[..., Any]], ...]:
    def decide(case_id: str, action: str) -> Answer:
        return desk.draft_action(case_id, action, _with_key(body_document()), _agent())

    return (
        ("GET", "/agents", "agents", lambda: (200, desk.agents())),
        ("GET", "/cases", "cases", lambda: (200, desk.cases(_agent()))),
        ("POST", "/cases", "create_case", lambda: desk.create_case(body_document(), _agent())),
        ("GET", "/cases/<case_id>", "case", lambda case_id: _found(desk.case(case_id, _agent()))),
        ("DELETE", "/cases/<case_id>", "delete", lambda case_id: desk.delete(case_id, _agent())),
        (
            "POST",
            "/cases/<case_id>/messages",
            "add_message",
            lambda case_id: desk.add_message(case_id, body_document(), _agent()),
        ),
        ("POST", "/cases/<case_id>/close", "close", lambda case_id: desk.close(case_id, _agent(), body_document())),
        ("POST", "/cases/<case_id>/reopen", "reopen", lambda case_id: desk.reopen(case_id, _agent())),
        ("POST", "/cases/<case_id>/merge", "merge", lambda case_id: desk.merge(case_id, body_document(), _agent())),
        (
            "PUT",
            "/cases/<case_id>/draft/text",
            "edit_in_place",
            lambda case_id: desk.edit_in_place(case_id, body_document(), _agent()),
        ),
        ("PUT", "/cases/<case_id>/draft/<any('working-text'):action>", "working_text", decide),
        ("POST", "/cases/<case_id>/draft/<action>", "draft_action", decide),
    )


def check_browser(allowed_hosts: frozenset[str]) -> Answer | None:
    """A refusal of what another web page, or a name that only points here, could make a browser send."""
    if _hostname(request.host) not in allowed_hosts:
        return problem(421, "wrong_host", "This desk does not answer under this name.")
    if request.method not in CHANGING:
        return None
    origin = request.headers.get("Origin")
    if origin is not None and origin not in (f"http://{request.host}", f"https://{request.host}"):
        return problem(403, "cross_origin", "This request comes from another site.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return problem(403, "cross_origin", "This request comes from another site.")
    return None


def check_content_type() -> Answer | None:
    """A refusal of bodies that a plain HTML form could send."""
    if request.method in CHANGING and request.get_data(cache=True) and request.mimetype != "application/json":
        return problem(415, "json_only", "Send application/json.")
    return None


def _view(operation: Callable[..., Any]) -> Callable[..., Response]:
    def view(**arguments: str) -> Response:
        refusal = check_content_type()
        if refusal is not None:
            return respond(refusal)
        try:
            return respond(operation(**arguments))
        except Refused as refused:
            return respond(refused.answer)

    return view


def _found(case: dict[str, Any] | None) -> Answer:
    return (200, case) if case is not None else problem(404, "no_such_case", "There is no such case.")


def _agent() -> str:
    """The agent's name: plain, URL-encoded UTF-8, or the UTF-8 bytes as they are."""
    value = request.headers.get(AGENT_HEADER, "")[:MAX_AGENT_HEADER]
    with suppress(UnicodeError):
        value = value.encode("latin-1").decode("utf-8")
    return unquote(value, errors="replace").strip() or DEFAULT_AGENT


def _with_key(payload: Any) -> Any:
    """The idempotency key may come as a header."""
    key = request.headers.get("Idempotency-Key")
    return {"idempotency_key": key, **payload} if key and isinstance(payload, dict) else payload


def _hostname(host: str) -> str:
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
