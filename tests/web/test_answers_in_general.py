from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_bridge.contract import InvalidConfig
from crm_bridge.web import create_app
from crm_bridge.web.headers import SECURITY_HEADERS
from crm_bridge.web.problems import PROBLEM_JSON

CANARY = "canary-4111111111111111"
PROBES = [
    ("GET", "/nowhere"),
    ("DELETE", "/healthz"),
    ("OPTIONS", "/webhooks/demo"),
    ("TRACE", "/webhooks/demo"),
    ("PUT", "/panel/demo/drafts/d/decision"),
    ("POST", "/webhooks/demo"),
    ("POST", "//webhooks//demo"),
    ("GET", "/webhooks/demo/a/b"),
    ("GET", "/panel/demo/cases/"),
]


def require_problem(answer: Any) -> None:
    """RFC 9457, complete, and a stable code."""
    assert answer.content_type == PROBLEM_JSON
    said = json.loads(answer.data)
    assert {"type", "title", "status", "detail", "code"} <= set(said)
    assert said["status"] == answer.status_code


@pytest.mark.parametrize(("method", "path"), PROBES)
def test_every_error_is_a_problem_with_security_headers(stage: Any, method: str, path: str) -> None:
    answer = stage.client.open(path, method=method)
    assert 400 <= answer.status_code < 500
    require_problem(answer)
    assert set(SECURITY_HEADERS) <= set(answer.headers.keys())
    assert answer.headers["X-Request-Id"]


def test_a_method_that_is_not_taken_says_which_are(stage: Any) -> None:
    assert "GET" in stage.client.delete("/healthz").headers["Allow"]


def test_what_nobody_expected_is_500_with_an_id_that_finds_the_log_line(stage: Any) -> None:
    stage.fails_with = RuntimeError(CANARY)
    answer = stage.webhook(b"{}")
    assert answer.status_code == 500
    require_problem(answer)
    assert CANARY not in answer.text
    lines = [json.loads(line) for line in stage.logs.getvalue().splitlines()]
    failed = next(line for line in lines if line["event"] == "request_failed")
    assert failed["error"] == "RuntimeError"
    assert failed["request_id"] == answer.json["id"]
    assert CANARY not in stage.logs.getvalue()


def test_nothing_of_a_body_or_a_token_stands_in_a_log(stage: Any) -> None:
    body = json.dumps({"text": CANARY}).encode()
    stage.webhook(body)
    stage.webhook(body + b"{", path=f"/webhooks/demo/{CANARY}")
    stage.client.post(f"/webhooks/demo/{CANARY}", data=body, content_type="application/json")
    stage.panel("POST", "drafts/d/decision", {"decision": CANARY})
    stage.panel("POST", "drafts/d/decision", {"decision": "edit", "revision": 1, "text": CANARY, "answers": 1})
    logged = stage.logs.getvalue()
    assert logged.count('"request"') >= 5
    assert CANARY not in logged


def test_a_log_line_stays_one_line_whatever_a_path_holds(stage: Any) -> None:
    stage.client.get("/webhooks/a%0A%7B%22event%22%3A%22forged%22%7D%1b%5b31m%E2%80%AE")
    (line,) = [line for line in stage.logs.getvalue().splitlines() if '"request"' in line]
    assert json.loads(line)["event"] == "request"
    assert "\x1b" not in line
    assert "\u202e" not in json.loads(line)["connection"]


def test_without_a_runtime_one_is_built_from_the_configuration(
    stage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    built = []
    runtime = stage.app.extensions["crm_bridge"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CRM_BRIDGE_CONFIG", raising=False)
    monkeypatch.setattr("crm_bridge.bootstrap.bootstrap", lambda settings: built.append(settings) or runtime)
    assert create_app().test_client().get("/healthz").status_code == 200
    assert built[0].demo
    (tmp_path / "wrong.toml").write_text("listen = 3")
    monkeypatch.setenv("CRM_BRIDGE_CONFIG", "wrong.toml")
    with pytest.raises(InvalidConfig):
        create_app()


def test_liveness_needs_nothing(stage: Any) -> None:
    assert stage.client.get("/healthz").json == {"status": "ok"}


@pytest.mark.parametrize(
    ("status", "expected", "reason"),
    [
        (lambda engine: SimpleNamespace(up_to_date=True), 200, None),
        (lambda engine: SimpleNamespace(up_to_date=False), 503, "migrations_pending"),
        (lambda engine: 1 / 0, 503, "database_unreachable"),
    ],
)
def test_readiness_is_the_databases(
    stage: Any, monkeypatch: pytest.MonkeyPatch, status: Any, expected: int, reason: str | None
) -> None:
    stage.app.extensions["crm_bridge"].store = SimpleNamespace(engine=None)
    monkeypatch.setattr("crm_bridge.web.health.migrate.status", status)
    answer = stage.client.get("/readyz")
    assert (answer.status_code, answer.json.get("reason")) == (expected, reason)


ROUTES = [
    ("POST", "/webhooks/demo"),
    ("POST", "/webhooks/demo/token"),
    ("GET", "/webhooks/demo"),
    ("GET", "/panel/demo/cases/c"),
    ("POST", "/panel/demo/drafts/d/decision"),
    ("POST", "/panel/demo/drafts/d/undo"),
    ("POST", "/panel/demo/drafts/d/resolve"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/healthz"),
]
HEADERS = [
    "Accept", "Authorization", "Content-Length", "Content-Type", "Cookie", "Crm-Signature", "Crm-Timestamp",
    "Forwarded", "Host", "Idempotency-Key", "If-Match", "If-None-Match", "Range", "Transfer-Encoding", "Webhook-Id",
    "Webhook-Signature", "Webhook-Timestamp", "X-Forwarded-For", "X-Forwarded-Proto", "X-HTTP-Method-Override",
]  # fmt: skip
VALUES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80),
    st.sampled_from(
        ["v1,", "v1,a", "*", '"', "bytes=0-", "-1", "1e9", "nan", "chunked", "application/json", "a," * 999]
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from(ROUTES),
    headers=st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=8),
    body=st.one_of(
        st.binary(max_size=300), st.sampled_from([b"{}", b"[" * 9000, b'{"a":"\\ud800"}', b"\x00", b"<a/>"])
    ),
)
def test_no_header_and_no_body_makes_any_route_fail(
    stage: Any, route: tuple[str, str], headers: dict[str, str], body: bytes
) -> None:
    method, path = route
    answer = stage.client.open(path, method=method, data=body, headers=headers)
    assert answer.status_code < 500
    if answer.status_code >= 400:
        require_problem(answer)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(max_size=60), method=st.sampled_from(["GET", "POST", "HEAD", "PATCH", "X"]))
def test_no_path_makes_it_fail(stage: Any, path: str, method: str) -> None:
    safe = path.encode("utf-8", "replace").decode("utf-8")
    answer = stage.client.open(f"/panel/demo/{safe}", method=method)
    assert answer.status_code < 500
