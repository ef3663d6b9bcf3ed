"""The UI inside the CRM: what stands on a case, and decisions. Authenticated by the CRM's own signature, always first.

The agent is who the signature says; nothing in a body or a header can name another one.
"""

from __future__ import annotations

import hashlib
import json

from flask import Response, request
from flask_smorest import Blueprint

from crm_bridge.contract import Agent, DecisionKind, Delivery, VerificationFailed
from crm_bridge.contract.value import MAX_ID_LENGTH
from crm_bridge.pipeline.decide import DecisionRequest, decide, settle, undo
from crm_bridge.pipeline.panel import PanelView, panel_view
from crm_bridge.web.deliveries import JSON_TYPES, read_delivery
from crm_bridge.web.documented import (
    answers,
    case_in_path,
    connection_in_path,
    draft_in_path,
    idempotency_header,
    json_body,
    route,
)
from crm_bridge.web.problems import Problem
from crm_bridge.web.runtimes import current_runtime, panel_connection, usable_id
from crm_bridge.web.schemas import DecisionSchema, PanelSchema, ResolveSchema, UndoSchema, load_body

blueprint = Blueprint("panel", __name__, url_prefix="/panel", description="For the UI inside the CRM")

_DRAFT = [connection_in_path, draft_in_path]
_ERRORS = (400, 401, 404, 409, 413, 415, 422, 503)


@route(
    blueprint,
    "GET",
    "/<connection>/cases/<case>",
    summary="What stands on a case; poll with If-None-Match",
    parameters=[connection_in_path, case_in_path],
    responses=answers({200: PanelSchema, 304: None}, (400, 401, 404, 413, 503)),
)
def show(connection: str, case: str) -> Response:
    agent, _delivery, _key = _identified(connection, ())
    view = panel_view(current_runtime(), connection, usable_id(case, "unknown_case"), agent)
    response = _shown(view)
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.headers["Cache-Control"] = "private, no-cache"
    # The conditional answer is the same object: `make_conditional` only empties it.
    response.make_conditional(request)
    return response


@route(
    blueprint,
    "POST",
    "/<connection>/drafts/<draft>/decision",
    summary="Accept, edit, reject, or ask for another try",
    parameters=[*_DRAFT, idempotency_header],
    body=json_body(DecisionSchema),
    responses=answers({200: PanelSchema}, _ERRORS),
)
def take_decision(connection: str, draft: str) -> Response:
    agent, delivery, _key = _identified(connection, JSON_TYPES)
    body = load_body(DecisionSchema(), delivery.body)
    wanted = DecisionRequest(
        kind=DecisionKind(body["decision"]),
        revision=body["revision"],
        text=body["text"],
        answers=body["answers"],
        acknowledged=tuple(body["acknowledged"]),
        reason=body["reason"] or "",
        comment=body["comment"] or "",
        idempotency_key=body["idempotency_key"] or _key_in_header(delivery),
    )
    return _shown(decide(current_runtime(), connection, usable_id(draft, "unknown_draft"), wanted, agent))


@route(
    blueprint,
    "POST",
    "/<connection>/drafts/<draft>/undo",
    summary="Take an approval back while its undo window is open",
    parameters=_DRAFT,
    body=json_body(UndoSchema, required="optional"),
    responses=answers({200: PanelSchema}, _ERRORS),
)
def take_back(connection: str, draft: str) -> Response:
    agent, delivery, key = _identified(connection, JSON_TYPES if request.mimetype else ())
    body = load_body(UndoSchema(), delivery.body or b"{}")
    identity = usable_id(draft, "unknown_draft")
    return _shown(undo(current_runtime(), connection, identity, agent, revision=body["revision"], request_key=key))


@route(
    blueprint,
    "POST",
    "/<connection>/drafts/<draft>/resolve",
    summary="Settle a reply nobody can prove: it went out, or send it again",
    parameters=_DRAFT,
    body=json_body(ResolveSchema),
    responses=answers({200: PanelSchema}, _ERRORS),
)
def resolve(connection: str, draft: str) -> Response:
    agent, delivery, key = _identified(connection, JSON_TYPES)
    body = load_body(ResolveSchema(), delivery.body)
    identity = usable_id(draft, "unknown_draft")
    return _shown(settle(current_runtime(), connection, identity, body["sent"], agent, request_key=key))


def _identified(connection: str, accepted: tuple[str, ...]) -> tuple[Agent, Delivery, str | None]:
    """Who asks, vouched for by the CRM, and what makes this very request known again. Parses nothing.

    What changes something must have its body signed.
    """
    adapter = panel_connection(connection).adapter
    delivery = read_delivery(accepted)
    _require_plain_target(delivery)
    verified = adapter.verify(delivery)
    if delivery.method != "GET" and not verified.signed_body:
        raise VerificationFailed("body_not_signed")
    return adapter.identify(verified), delivery, verified.delivery_id


def _require_plain_target(delivery: Delivery) -> None:
    """The adapter judges the raw target, the route was chosen by the decoded one: they must be the same.

    Else `/p%61nel/…` would be verified as something that is no panel request. Ids in paths are plain slugs.
    """
    path = delivery.target.partition("?")[0]
    if "%" in path or not path.endswith(request.path):
        raise VerificationFailed("target_not_plain")


def _key_in_header(delivery: Delivery) -> str | None:
    key = delivery.header("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_ID_LENGTH and key.isprintable()):
        raise Problem(422, "invalid_decision", f"Idempotency-Key takes 1 to {MAX_ID_LENGTH} printable characters.")
    return key


def _shown(view: PanelView) -> Response:
    return Response(json.dumps(view.to_json()), content_type="application/json")
