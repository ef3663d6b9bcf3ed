"""How the desk asks the bridge: decisions of a named agent, signed, to the panel routes.

It owns the request and what its answer may look like; what becomes of the answer is `decisions.py`. A bridge that does
not answer is a 503 that loses nothing: the agent's input stays in the browser and may simply be sent again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from crm_bridge.contract import InvalidDelivery
from crm_bridge.kit.emulation import Outgoing, Reply, Transport, Unreachable
from crm_bridge.kit.parsing import parse_json
from crm_bridge.kit.signing import sign_request
from crm_bridge_mock.emulator.problems import Answer, problem

PASSED_ON = frozenset({400, 404, 409, 422})
"""Refusals of the bridge that are the agent's business; any other is trouble between the two products."""


class Panel:
    """The panel routes of one connection of the bridge."""

    def __init__(self, *, bridge_url: str, connection: str, secret: str, transport: Transport) -> None:
        self._bridge_url = bridge_url.rstrip("/")
        self._connection = connection
        self._secret = secret
        self._transport = transport

    def point_at(self, bridge_url: str) -> None:
        """The bridge lives elsewhere from now on."""
        self._bridge_url = bridge_url.rstrip("/")

    def decide(self, draft_id: str, wanted: Mapping[str, Any], agent: Mapping[str, str]) -> Answer:
        """The panel view after the decision, or a problem."""
        body = {name: value for name, value in wanted.items() if value not in (None, "", [])}
        return self._ask(draft_id, "decision", body, agent)

    def undo(self, draft_id: str, wanted: Mapping[str, Any], agent: Mapping[str, str]) -> Answer:
        """The panel view after the undo, or a problem."""
        return self._ask(draft_id, "undo", {name: value for name, value in wanted.items() if value is not None}, agent)

    def resolve(self, draft_id: str, wanted: Mapping[str, Any], agent: Mapping[str, str]) -> Answer:
        """The panel view after a person settled an unconfirmed reply, or a problem."""
        return self._ask(draft_id, "resolve", wanted, agent)

    def _ask(self, draft_id: str, route: str, body: Mapping[str, Any], agent: Mapping[str, str]) -> Answer:
        query = urlencode({"agent_id": agent["id"], "agent_name": agent["name"]}, quote_via=quote)
        path = f"/panel/{quote(self._connection, safe='')}/drafts/{quote(draft_id, safe='')}/{route}?{query}"
        try:
            reply = self._transport(self._signed("POST", path, json.dumps(body).encode()))
        except Unreachable:
            return problem(
                503, "bridge_unreachable", "The reply assistant cannot be reached. Nothing was lost: try again."
            )
        return _understood(reply)

    def _signed(self, method: str, path: str, body: bytes) -> Outgoing:
        target = urlsplit(self._bridge_url).path + path
        signature = sign_request(self._secret, method=method, target=target, at=datetime.now(UTC), body=body)
        headers = {"Content-Type": "application/json", **signature}
        return Outgoing(method=method, url=self._bridge_url + path, headers=headers, body=body)


def _understood(reply: Reply) -> Answer:
    try:
        document = parse_json(reply.body)
    except InvalidDelivery:
        document = None
    if isinstance(document, dict):
        if (
            reply.status == 200
            and isinstance(document.get("state"), dict)
            and isinstance(document.get("sequence"), int)
        ):
            return 200, dict(document)
        if reply.status in PASSED_ON and isinstance(document.get("code"), str):
            return reply.status, {**document, "status": reply.status}
    if reply.status in (401, 403):
        return problem(502, "bridge_refused", "The reply assistant does not accept this CRM. Tell an administrator.")
    return problem(
        503, "bridge_unavailable", "The reply assistant did not answer properly. Nothing was lost: try again."
    )
