"""The adapter judges the raw target, the route is chosen by the decoded one: a request where they differ is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from world import ANA, World, make_world

from crm_bridge.kit.signing import sign_request, sign_webhook
from crm_bridge.store.database import Store
from crm_bridge.web import create_app


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    made = make_world(store)
    yield made
    made.crm.stop()


@pytest.fixture
def client(world: World) -> FlaskClient:
    return create_app(world.runtime).test_client()


def get(client: FlaskClient, target: str, headers: dict[str, str], data: bytes = b"") -> int:
    path, _, query = target.partition("?")
    answer = client.open(
        path, method="GET", query_string=query, headers=headers, data=data, environ_overrides={"REQUEST_URI": target}
    )
    return answer.status_code


@pytest.mark.parametrize("prefix", ["/panel/d%65mo", "/%70anel/demo", "/panel%2Fdemo"])
def test_a_captured_webhook_does_not_open_the_panel(world: World, client: FlaskClient, prefix: str) -> None:
    case = world.open_case()
    world.settle()
    body = json.dumps([]).encode()
    headers = sign_webhook(world.crm.secrets[0], message_id="msg_1", at=datetime.now(UTC), body=body)
    target = f"{prefix}/cases/{case}?agent_id=x&agent_name=Evil&z=/panel/"
    assert get(client, target, headers, body) in {401, 404}


def test_a_request_signed_for_the_panel_is_answered(world: World, client: FlaskClient) -> None:
    case = world.open_case()
    world.settle()
    target = f"/panel/demo/cases/{case}?agent_id={ANA.id}&agent_name=Ana"
    headers = sign_request(world.crm.secrets[0], method="GET", target=target, at=datetime.now(UTC), body=b"")
    assert get(client, target, headers) == 200


def test_a_replayed_undo_does_not_take_a_later_approval_back(store: Store) -> None:
    from datetime import timedelta

    from world import policy

    patient = make_world(store, policies={"demo": policy(undo=timedelta(minutes=5))})
    try:
        case = patient.open_case()
        patient.settle()
        draft = patient.draft(case)
        target = f"/panel/demo/drafts/{draft.id}/undo?agent_id={ANA.id}&agent_name=Ana"
        undo = create_app(patient.runtime).test_client()
        headers = sign_request(patient.crm.secrets[0], method="POST", target=target, at=datetime.now(UTC), body=b"")
        path, _, query = target.partition("?")

        def post() -> int:
            return undo.post(
                path, query_string=query, headers=headers, environ_overrides={"REQUEST_URI": target}
            ).status_code

        patient.decide(case, "accept")
        assert post() == 200
        assert patient.draft(case).state == "written"
        patient.decide(case, "accept")
        assert post() == 200
        assert patient.draft(case).state == "approved"
    finally:
        patient.crm.stop()
