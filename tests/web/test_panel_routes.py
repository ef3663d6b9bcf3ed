from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from crm_bridge.contract import DecisionKind, Flag, PanelState, Severity, StateKind
from crm_bridge.pipeline.decide import DecisionConflict, FlagsNotAcknowledged, InvalidDecision, UnknownDraft
from crm_bridge.pipeline.panel import UnknownCase
from crm_bridge.store.database import StoreUnavailable

DECISION = "drafts/d-1/decision"
ACCEPT = {"decision": "accept", "revision": 3}


def test_the_panel_shows_a_case_to_the_agent_the_signature_names(stage: Any) -> None:
    answer = stage.panel("GET", "cases/c-1")
    assert answer.status_code == 200
    assert answer.json["case"] == "c-1"
    assert stage.asked[0][3].id == "a-1"


def test_a_panel_that_polls_with_its_etag_gets_304_and_no_body(stage: Any) -> None:
    first = stage.panel("GET", "cases/c-1")
    again = stage.panel("GET", "cases/c-1", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert stage.panel("GET", "cases/c-2", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_a_decision_reaches_the_pipeline_whole(stage: Any) -> None:
    body = {
        "decision": "edit",
        "revision": 3,
        "text": "Grüße",
        "answers": "m-9",
        "acknowledged": ["promise_not_found"],
        "comment": "c",
        "app_version": "9.9",
        "agent": "somebody-else",
        "idempotency_key": "k-1",
    }
    assert stage.panel("POST", DECISION, body, {"Idempotency-Key": "k-2"}).status_code == 200
    (_, name, draft, wanted, agent) = stage.asked[0]
    assert (name, draft, agent.id) == ("demo", "d-1", "a-1")
    assert (wanted.kind, wanted.revision, wanted.text, wanted.answers) == (DecisionKind.EDIT, 3, "Grüße", "m-9")
    assert (wanted.acknowledged, wanted.comment, wanted.idempotency_key) == (("promise_not_found",), "c", "k-1")


def test_the_idempotency_key_may_stand_in_the_header(stage: Any) -> None:
    stage.panel("POST", DECISION, ACCEPT, {"Idempotency-Key": "k-2"})
    assert stage.asked[0][3].idempotency_key == "k-2"
    assert stage.panel("POST", DECISION, ACCEPT, {"Idempotency-Key": "k" * 201}).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "send", "revision": 1},
        {"decision": "accept"},
        {"decision": "accept", "revision": True},
        {"decision": "accept", "revision": "1"},
        {"decision": "accept", "revision": -1},
        {"decision": "accept", "revision": 2**40},
        {"decision": "edit", "revision": 1, "text": 7},
        {"decision": "edit", "revision": 1, "text": "x" * 100_001},
        {"decision": "accept", "revision": 1, "acknowledged": "all"},
        {"decision": "accept", "revision": 1, "acknowledged": ["x"] * 51},
        {"decision": "accept", "revision": 1, "idempotency_key": ""},
    ],
)
def test_a_body_that_says_too_little_is_422_and_names_the_member(stage: Any, body: dict[str, Any]) -> None:
    answer = stage.panel("POST", DECISION, body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_decision")
    assert answer.json["errors"]
    assert not stage.asked


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"[" * 5000, b'{"revision": NaN}', b"\xff", b'{"a":1,"a":2}']
)
def test_a_body_that_is_no_json_object_is_400(stage: Any, body: bytes) -> None:
    assert stage.panel("POST", DECISION, body).status_code == 400
    assert not stage.asked


def test_undo_takes_an_optional_revision_and_resolve_a_real_boolean(stage: Any) -> None:
    assert stage.panel("POST", "drafts/d-1/undo").status_code == 200
    assert stage.panel("POST", "drafts/d-1/undo", {"revision": 4}).status_code == 200
    assert stage.panel("POST", "drafts/d-1/resolve", {"sent": False}).status_code == 200
    assert [asked[3] for asked in stage.asked] == [None, 4, False]
    assert stage.panel("POST", "drafts/d-1/resolve", {"sent": 1}).status_code == 422
    assert stage.panel("POST", "drafts/d-1/resolve", {}).status_code == 422


def test_nothing_is_done_or_parsed_before_the_signature_is_good(stage: Any) -> None:
    for path in (DECISION, "drafts/d-1/undo", "drafts/d-1/resolve"):
        answer = stage.client.post(f"/panel/demo/{path}?agent_id=a-1", data=b"{", content_type="application/json")
        assert answer.status_code == 401
    assert stage.client.get("/panel/demo/cases/c-1?agent_id=a-1").status_code == 401
    assert not stage.asked


def test_a_decision_whose_body_is_not_signed_is_401_whoever_is_named(stage: Any) -> None:
    stage.adapter.signed_body = False
    assert stage.panel("POST", DECISION, ACCEPT).status_code == 401
    assert not stage.asked


def test_a_crm_without_a_panel_has_none_here(stage: Any) -> None:
    stage.adapter.capabilities = SimpleNamespace(panel=False)
    assert stage.panel("GET", "cases/c-1").status_code == 404


def test_a_decision_on_what_moved_on_is_409_with_who_when_and_what_is_new(stage: Any) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    new = [{"id": "m-2", "text": "one more thing"}]
    state = PanelState(kind=StateKind.SUPERSEDED, sentence="s", sequence=2, revision=4)
    view: Any = SimpleNamespace(
        draft=SimpleNamespace(revision=4), new_messages=(), state=state, to_json=lambda: {"new_messages": new}
    )
    newest: Any = SimpleNamespace(agent_name="Ada", decided_at=at)
    stage.fails_with = DecisionConflict("too late", view, newest)
    answer = stage.panel("POST", DECISION, ACCEPT)
    said = answer.json
    assert (answer.status_code, said["code"]) == (409, "decision_conflict")
    assert (said["by"], said["at"], said["revision"], said["new_messages"]) == ("Ada", at.isoformat(), 4, new)
    assert said["state"]["kind"] == "superseded"


def test_blocking_flags_not_acknowledged_are_422_with_the_flags(stage: Any) -> None:
    stage.fails_with = FlagsNotAcknowledged((Flag(code="secret", severity=Severity.BLOCKING, detail="d"),))
    answer = stage.panel("POST", DECISION, ACCEPT)
    assert (answer.status_code, answer.json["code"]) == (422, "flags_not_acknowledged")
    assert answer.json["flags"][0]["code"] == "secret"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnknownDraft("there is no such draft"), 404, "unknown_draft"),
        (UnknownCase("not known"), 404, "unknown_case"),
        (InvalidDecision("an edit needs a text"), 422, "invalid_decision"),
        (StoreUnavailable("OperationalError"), 503, "store_unavailable"),
    ],
)
def test_what_the_pipeline_refuses_has_its_own_status_and_code(
    stage: Any, error: Exception, status: int, code: str
) -> None:
    stage.fails_with = error
    answer = stage.panel("POST", DECISION, ACCEPT)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_an_id_no_crm_has_is_404(stage: Any) -> None:
    assert stage.panel("GET", f"cases/{'x' * 201}").status_code == 404
    assert not stage.asked


@pytest.mark.parametrize("case", ["%00", "a%0Ab", "%E2%80%AE", "c%61se"])
def test_an_escaped_path_is_not_verified_at_all(stage: Any, case: str) -> None:
    assert stage.panel("GET", f"cases/{case}").status_code == 401
    assert not stage.asked
