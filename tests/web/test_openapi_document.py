from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from crm_bridge.contract import InvalidDelivery
from crm_bridge.pipeline.decide import UnknownDraft
from crm_bridge.store.database import StoreUnavailable

OPERATIONS = [
    ("POST", "/webhooks/{connection}"),
    ("POST", "/webhooks/{connection}/{token}"),
    ("GET", "/webhooks/{connection}"),
    ("GET", "/webhooks/{connection}/{token}"),
    ("GET", "/panel/{connection}/cases/{case}"),
    ("POST", "/panel/{connection}/drafts/{draft}/decision"),
    ("POST", "/panel/{connection}/drafts/{draft}/undo"),
    ("POST", "/panel/{connection}/drafts/{draft}/resolve"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
]


def test_every_route_is_documented_and_only_with_problems_as_errors(stage: Any) -> None:
    document = stage.client.get("/api/v1/openapi.json").json
    assert document["openapi"] == "3.1.0"
    found = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item if method != "parameters"
    }
    routes = {
        (method, str(rule.rule).replace("<", "{").replace(">", "}"))
        for rule in stage.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert found == routes == set(OPERATIONS)
    for item in document["paths"].values():
        for operation in (value for key, value in item.items() if key != "parameters"):
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert set(answer["content"]) == {"application/problem+json"}


def test_two_apps_document_the_same(stage: Any) -> None:
    from crm_bridge.web import create_app

    again = create_app(stage.app.extensions["crm_bridge"])
    path = "/api/v1/openapi.json"
    assert again.test_client().get(path).json == stage.client.get(path).json


CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize(("method", "path"), OPERATIONS[:-1])
def test_generated_requests_get_only_documented_answers(stage: Any, method: str, path: str) -> None:
    operation = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", stage.app)[path][method]

    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode]),
        trusted=st.booleans(),
        error=st.sampled_from([None, None, UnknownDraft("no"), StoreUnavailable("no"), InvalidDelivery("no")]),
    )
    def probe(case: Any, trusted: bool, error: Exception | None) -> None:
        if "connection" in case.path_parameters:
            case.path_parameters["connection"] = "demo"
        stage.adapter.trusting, stage.fails_with = trusted, error
        answer = case.call()
        assert answer.status_code < 500 or answer.status_code == 503
        case.validate_response(answer, checks=CHECKS)

    probe()
