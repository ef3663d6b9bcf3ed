"""Routes with their words in the OpenAPI document, and the words several routes share. Changes no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from flask import Response
from flask_smorest import Blueprint
from werkzeug.http import HTTP_STATUS_CODES

from crm_bridge.web.problems import PROBLEM_JSON, ProblemSchema

View = TypeVar("View", bound=Callable[..., Response])


def route(
    blueprint: Blueprint,
    method: str,
    rule: str,
    *,
    summary: str,
    responses: Mapping[int, Any],
    parameters: Sequence[Mapping[str, Any]] = (),
    body: Mapping[str, Any] | None = None,
) -> Callable[[View], View]:
    """Register a view that answers with a ready `Response`, described by hand: flask-smorest only documents it."""
    words: dict[str, Any] = {"summary": summary, "responses": dict(responses)}
    if body is not None:
        words["requestBody"] = dict(body)

    def register(view: View) -> View:
        blueprint.route(rule, methods=[method], parameters=list(parameters))(blueprint.doc(**words)(view))
        return view

    return register


def _in_path(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 200}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


connection_in_path = _in_path("connection", "the connection's name in the configuration")
token_in_path = _in_path("token", "a secret the CRM was given")
case_in_path = _in_path("case", "the CRM's id of the case")
draft_in_path = _in_path("draft", "the bridge's id of the draft")

idempotency_header: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same as `idempotency_key` in the body, which wins",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}

any_body: dict[str, Any] = {
    "description": "The CRM's own payload, at most 1 MB",
    "required": True,
    "content": {kind: {"schema": {}} for kind in ("application/json", "text/xml")},
}


def json_body(schema: Any, *, required: str = "required") -> dict[str, Any]:
    return {"required": required == "required", "content": {"application/json": {"schema": schema}}}


def answers(fine: Mapping[int, Any], errors: Iterable[int]) -> dict[int, Any]:
    """`responses` of a route: what is fine (a text for any content, or a schema) and which problems there are."""
    described = {status: _fine(status, what) for status, what in fine.items()}
    return {**described, **{status: _problem(status) for status in (*errors, 500)}}


def _fine(status: int, what: Any) -> dict[str, Any]:
    if what is None:
        return {"description": HTTP_STATUS_CODES[status]}
    if isinstance(what, str):
        kinds = ("application/json", "text/xml", "text/plain")
        return {"description": what, "content": {kind: {"schema": {}} for kind in kinds}}
    return {"description": HTTP_STATUS_CODES[status], "content": {"application/json": {"schema": what}}}


def _problem(status: int) -> dict[str, Any]:
    return {"description": HTTP_STATUS_CODES[status], "content": {PROBLEM_JSON: {"schema": ProblemSchema}}}
