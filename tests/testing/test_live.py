"""The live rules' frame: what is redacted, what bounds a run, and what a listener believes."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import CaseContext, Conflict, VerificationFailed
from crm_bridge.kit.services import in_memory_services
from crm_bridge.testing.live import (
    CHECKS,
    CHECKS_THAT_SEND,
    Check,
    Listener,
    LiveStage,
    Outcome,
    Redactor,
    live_proof,
    run,
    variant_of,
)
from crm_bridge.testing.live.stage import NotPossible
from crm_bridge_mock.adapter import DECLARED, build
from crm_bridge_mock.emulator.handle import MockHandle
from crm_bridge_mock.profiles import PROFILES


@pytest.fixture(scope="module")
def crm():  # type: ignore[no-untyped-def]  # Iterator[MockHandle]
    handle = MockHandle()
    handle.start()
    yield handle
    handle.stop()


@pytest.fixture
def context(crm: MockHandle) -> CaseContext:
    case = crm.open_case("Sign-in", "Hello?", customer="zoe.muster@example.org")
    adapter = build(crm.config, in_memory_services())
    found = adapter.read_case(case)
    adapter.close()
    assert isinstance(found, CaseContext)
    return found


def stage(crm: MockHandle, **more: object) -> LiveStage:
    def another():  # type: ignore[no-untyped-def]  # Adapter
        return build(crm.config, in_memory_services())

    return LiveStage(adapter=another(), another=another, case=None, wait_s=0.2, say=lambda _: None, **more)  # type: ignore[arg-type]


# --- redacting ----------------------------------------------------------------------------------------------------

PRIVATE = ("zoe.muster@example.org", "Zoe", "Call me on +1 202 555 0143", "4111 1111 1111 1111", "s3cr3t-value")
TREES = st.recursive(
    st.sampled_from(PRIVATE) | st.none() | st.integers() | st.booleans(),
    lambda one: (
        st.lists(one, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "kind", "status", "properties", "value", "from"]), one, max_size=4)
    ),
)


@given(TREES)
def test_wherever_it_stands_nothing_private_stays(tree: object) -> None:
    redactor = Redactor(None, ["s3cr3t-value"])
    said = redactor.body(json.dumps({"kind": "case", "of": tree}).encode(), "application/json").decode()
    for private in (one for one in PRIVATE if one != "Zoe"):
        assert private not in said
    assert json.loads(said)["kind"] == "case"


def test_people_of_the_case_are_known_by_their_names(context: CaseContext) -> None:
    document = {
        "by": "Zoe.Muster",
        "kind": "x",
        "name": "Whoever",
        "state": "open",
        "at": "2026-01-31T08:00:00Z",
        "n": 3,
    }
    said = json.loads(Redactor(context).body(json.dumps(document).encode(), "application/json"))
    assert said["by"] not in ("Zoe.Muster", "")
    assert said["name"] == "[7 characters]"
    assert (said["state"], said["at"], said["n"]) == ("open", "2026-01-31T08:00:00Z", 3)


def test_xml_keeps_its_form_and_loses_its_people(context: CaseContext) -> None:
    body = (
        b'<?xml version="1.0" encoding="UTF-8"?><e:Note xmlns:e="http://soap.example/e"><Id>500xx</Id>'
        b"<SessionId>00Dxx!AQ</SessionId><Subject>It broke</Subject><Email>zoe.muster@example.org</Email>"
        b"<Text><![CDATA[Hello & bye]]></Text></e:Note>"
    )
    said = Redactor(context).body(body, "text/xml; charset=utf-8").decode()
    for private in ("00Dxx!AQ", "It broke", "zoe.muster", "Hello"):
        assert private not in said
    assert "<Id>500xx</Id>" in said
    assert 'xmlns:e="http://soap.example/e"' in said


def test_only_headers_that_say_something_of_the_form_stay() -> None:
    given_headers = {
        "Content-Type": "application/json", "Retry-After": "7", "X-RateLimit-Remaining": "3", "Set-Cookie": "a=b",
        "webhook-signature": "v1,x", "Authorization": "Bearer x", "Location": "https://me.example/",
    }  # fmt: skip
    assert set(Redactor(None).headers(given_headers)) == {"Content-Type", "Retry-After", "X-RateLimit-Remaining"}


def test_what_cannot_be_read_is_left_out() -> None:
    for body, kind in ((b"\xff\xfe", "application/json"), (b"{", "application/json"), (b"x", "image/png")):
        assert Redactor(None).body(body, kind) == b""


# --- running ------------------------------------------------------------------------------------------------------


def test_a_rule_that_does_not_end_fails_and_ends_the_run(crm: MockHandle) -> None:
    forever = threading.Event()

    def hangs(_stage: LiveStage) -> str:
        """It ends."""
        forever.wait(30)
        return ""

    told: list[Outcome] = []
    checks = [Check(run=hangs, proves=("always",)), Check(run=lambda _: "never", proves=("targets",))]
    results = run(stage(crm), checks, lambda result: told.append(result.outcome), within_s=0.05)
    forever.set()
    assert told == [Outcome.FAILED]
    assert "did not end" in results[0].said


def test_what_we_wrote_is_taken_away_even_when_the_run_ends_badly(crm: MockHandle) -> None:
    live = stage(crm)
    live.case = crm.open_case("Sign-in", "Hello?")
    wanted = [one for one in CHECKS if one.name in ("case_is_read", "draft_is_written")]

    def raises(_stage: LiveStage) -> str:
        """It holds."""
        raise KeyError("Zoe's words")

    results = run(live, [*wanted, Check(run=raises, proves=("targets",))], lambda _: None)
    assert [one.outcome for one in results] == [Outcome.PASSED, Outcome.PASSED, Outcome.FAILED, Outcome.PASSED]
    assert "Zoe" not in results[2].said
    assert crm.standing(live.case) == ()


def test_a_draft_a_person_changed_meanwhile_is_not_taken_away_and_that_is_said(crm: MockHandle) -> None:
    live = stage(crm)
    live.case = crm.open_case("Sign-in", "Hello?")
    run(live, [one for one in CHECKS if one.name == "case_is_read"], lambda _: None)

    def meddles(stage: LiveStage) -> str:
        """A person writes over it."""
        stage.written = stage.adapter.write_draft(stage.known_case, stage.draft(revision=1, text="Ours"), "k", None)
        crm.edit_in_place(stage.known_case, "My own words", "Ben Agent")
        return ""

    results = run(live, [Check(run=meddles)], lambda _: None)
    assert results[-1].outcome is Outcome.FAILED
    assert Conflict.__name__ in results[-1].said
    assert crm.standing(live.case) == ("My own words",)


def test_a_failed_guard_stands_in_the_way_and_a_held_one_proves_nothing(crm: MockHandle) -> None:
    def broken(_stage: LiveStage) -> str:
        """It holds."""
        raise VerificationFailed("no")

    def held(_stage: LiveStage) -> str:
        """It holds."""
        return ""

    ok = Check(run=held, proves=("targets",), guards=("sends",))
    bad = Check(run=broken, guards=("reconcile",))
    proof = live_proof(run(stage(crm), [ok, bad], lambda _: None), code="x", api_version="1")
    assert proof.capabilities["targets"].is_whole
    assert "sends" not in proof.capabilities
    assert proof.capabilities["reconcile"].standing_in_the_way == {"broken": "failed"}


def test_nothing_that_sends_is_run_unasked() -> None:
    asked = {one.run for one in CHECKS_THAT_SEND} - {one.run for one in CHECKS}
    assert {one.__name__ for one in asked} == {"reply_is_sent", "sent_reply_is_found"}
    assert [one.sentence for one in CHECKS] == [one.sentence for one in CHECKS_THAT_SEND]


def test_a_connection_is_the_variant_that_declares_the_same() -> None:
    has = PROFILES["tokens"].capabilities
    assert variant_of(has, DECLARED, {"profile": "tokens"}) == "tokens"
    assert variant_of(PROFILES["notes"].capabilities, DECLARED, {}) == "notes"
    assert variant_of(has, {}, {}) == "default"


def test_nobody_of_the_team_is_made_up(crm: MockHandle, context: CaseContext) -> None:
    with pytest.raises(NotPossible, match="give it an owner"):
        stage(crm, read=replace(context, owner=None)).an_agent()


# --- listening ----------------------------------------------------------------------------------------------------


def test_a_listener_keeps_what_is_proven_and_acknowledges_nothing(crm: MockHandle) -> None:
    adapter = build(crm.config, in_memory_services())
    signed = crm.signer.sign(b"[]", at=datetime.now(UTC))
    with Listener(adapter, "demo", "127.0.0.1", 0).listening() as listener:
        said = [_post(listener.port, "/webhooks/demo", signed.headers, body) for body in (b"[]", b"[1]")]
        said.append(_post(listener.port, "/elsewhere", signed.headers, b"[]"))
        said.append(_post(listener.port, "/webhooks/demo", {"Content-Length": "2000000"}, b""))
        kept = listener.deliveries()
    assert said == [503, 401, 404, 413]
    assert [one.body for one in kept] == [b"[]"]


def _post(port: int, path: str, headers: object, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, body=body, headers=dict(headers))  # type: ignore[call-overload]
    status = connection.getresponse().status
    connection.close()
    return status
