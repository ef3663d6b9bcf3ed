"""Where CRMs knock: a request becomes a `Delivery`, the pipeline says what to answer. 2xx only after the commit."""

from __future__ import annotations

from flask import Response
from flask_smorest import Blueprint

from crm_bridge.pipeline.receive import receive
from crm_bridge.web.deliveries import PAYLOAD_TYPES, read_delivery
from crm_bridge.web.documented import answers, any_body, connection_in_path, route, token_in_path
from crm_bridge.web.runtimes import current_runtime

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks", description="For CRMs: what happened there")

_SAID = "What this CRM wants to hear, after everything in the delivery was stored"


_ADDRESS = [connection_in_path]
_SECRET_ADDRESS = [connection_in_path, token_in_path]
_DELIVERED = answers({200: _SAID}, (400, 401, 404, 413, 415, 503))
_GREETED = answers({200: _SAID}, (400, 401, 404, 413, 503))


@route(
    blueprint,
    "POST",
    "/<connection>",
    summary="Deliver events",
    parameters=_ADDRESS,
    body=any_body,
    responses=_DELIVERED,
)
def deliver(connection: str) -> Response:
    return _received(connection, PAYLOAD_TYPES)


@route(
    blueprint,
    "POST",
    "/<connection>/<token>",
    summary="Deliver events to an address with a secret in it",
    parameters=_SECRET_ADDRESS,
    body=any_body,
    responses=_DELIVERED,
)
def deliver_to_token(connection: str, token: str) -> Response:  # noqa: ARG001 - the adapter reads it from the target
    return _received(connection, PAYLOAD_TYPES)


@route(
    blueprint,
    "GET",
    "/<connection>",
    summary="Answer a CRM's handshake",
    parameters=_ADDRESS,
    responses=_GREETED,
)
def greet(connection: str) -> Response:
    return _received(connection, ())


@route(
    blueprint,
    "GET",
    "/<connection>/<token>",
    summary="Answer a CRM's handshake at an address with a secret in it",
    parameters=_SECRET_ADDRESS,
    responses=_GREETED,
)
def greet_at_token(connection: str, token: str) -> Response:  # noqa: ARG001 - the adapter reads it from the target
    return _received(connection, ())


def _received(connection: str, accepted: tuple[str, ...]) -> Response:
    said = receive(current_runtime(), connection, read_delivery(accepted))
    return Response(said.body, status=said.status, content_type=said.content_type)
