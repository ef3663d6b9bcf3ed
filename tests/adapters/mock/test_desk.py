"""The desk of the embedded CRM: what agents decide, who is asked, what is refused, what browsers may send."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from crm_bridge.contract import CaseRef, DecisionKind, Delivery, DraftRef, StateKind
from crm_bridge.kit.emulation import Outgoing, Reply, Unreachable
from crm_bridge.kit.services import in_memory_services
from crm_bridge_mock.adapter import build

from .conftest import AGENT, Pair, state

Connect = Callable[..., Pair]
HERE = ["agent-sends", "property"]


class FakeBridge:
    """A bridge that answers every panel request the same way and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Outgoing] = []
        self.reply: Reply | None = None

    def __call__(self, outgoing: Outgoing) -> Reply:
        self.asked.append(outgoing)
        if self.reply is None:
            raise Unreachable("gone")
        return self.reply

    def shows(self, draft_id: str, *, kind: str, status: str, revision: int, sequence: int, by: str = "") -> None:
        view = {
            "sequence": sequence,
            "state": {
                "kind": kind,
                "sentence": "S.",
                "revision": revision,
                "sequence": sequence,
                "draft_id": draft_id,
                "by": by,
            },
            "draft": {"id": draft_id, "revision": revision, "status": status},
        }
        self.reply = Reply(status=200, body=json.dumps(view).encode())


def act(pair: Pair, case: CaseRef, action: str, agent: str = AGENT, **payload: Any) -> tuple[int, dict[str, Any]]:
    return pair.crm.desk.draft_action(case.id, action, payload, agent)


@pytest.fixture
def bridge() -> FakeBridge:
    return FakeBridge()


@pytest.fixture
def native(connect: Connect, bridge: FakeBridge) -> Pair:
    return connect("native", transport=bridge, bridge_url="http://bridge.example:8000/pre")


def test_a_decision_is_forwarded_signed_in_the_name_of_the_agent(native: Pair, bridge: FakeBridge) -> None:
    case = native.open_case()
    native.write(case)
    draft_id = native.draft(case).id
    bridge.shows(draft_id, kind="sending", status="accepted", revision=2, sequence=4)
    status, answer = act(native, case, "accept", "Jürgen M", revision=1, idempotency_key="i1")
    assert (status, answer["state"]["kind"], answer["draft"]["status"]) == (200, "sending", "accepted")
    (asked,) = bridge.asked
    target = asked.url.removeprefix("http://bridge.example:8000")
    delivery = Delivery(
        method=asked.method,
        target=target,
        headers=asked.headers,
        body=asked.body,
        received_at=datetime.now(UTC),
    )
    there = build(native.crm.config, in_memory_services("demo", "http://bridge.example:8000/pre"))
    assert there.identify(there.verify(delivery)).name == "Jürgen M"
    assert json.loads(asked.body) == {"decision": "accept", "revision": 1, "idempotency_key": "i1"}


def test_who_accepted_is_named_with_the_draft_where_the_bridge_decides(native: Pair, bridge: FakeBridge) -> None:
    case = native.open_case()
    native.write(case)
    draft_id = native.draft(case).id
    assert (native.crm.desk.case(case.id, AGENT) or {})["draft"]["decided_by"] == ""
    bridge.shows(draft_id, kind="sending", status="approved", revision=2, sequence=4, by="Jürgen M")
    _status, answer = act(native, case, "accept", "Jürgen M", revision=1)
    assert answer["draft"]["decided_by"] == "Jürgen M"


def test_the_same_answer_again_is_the_first_result_and_asks_nobody(native: Pair, bridge: FakeBridge) -> None:
    case = native.open_case()
    native.write(case)
    bridge.shows(native.draft(case).id, kind="sending", status="accepted", revision=2, sequence=4)
    first = act(native, case, "accept", revision=1)
    assert act(native, case, "accept", revision=1) == first
    assert len(bridge.asked) == 1
    status, problem = act(native, case, "reject", revision=1, reason="tone")
    assert (status, problem["code"], problem["revision"]) == (409, "not_live", 2)


def test_a_superseded_draft_is_refused_without_asking_and_says_what_is_new(native: Pair, bridge: FakeBridge) -> None:
    case = native.open_case()
    native.write(case)
    new = native.says(case, "Wait!")
    status, problem = act(native, case, "accept", revision=1)
    assert (status, [one["id"] for one in problem["new_messages"]]) == (409, [new["id"]])
    assert {"by", "at", "revision", "state", "code"} <= set(problem)
    assert bridge.asked == []


def test_an_edit_that_names_the_newest_message_is_forwarded(native: Pair, bridge: FakeBridge) -> None:
    case = native.open_case()
    native.write(case)
    new = native.says(case, "Wait!")
    bridge.shows("another", kind="sending", status="approved", revision=3, sequence=4)
    assert act(native, case, "edit", revision=1, text="Mine", answers=new["id"])[0] == 200
    assert act(native, case, "edit", revision=1, text="Mine 2", answers="msg_other")[0] == 409


def next_draft(pair: Pair, case: CaseRef, *, replaces: DraftRef) -> DraftRef:
    """The bridge answers what is new: its next draft, revision 3, stands where the old one stood."""
    ref: DraftRef = pair.write(case, revision=3, text="About the invoice.", key="k3", replaces=replaces.fingerprint)
    return ref


def test_an_edit_that_names_the_newest_message_is_not_refused_by_a_draft_that_came_meanwhile(
    native: Pair, bridge: FakeBridge
) -> None:
    case = native.open_case()
    old = native.write(case)
    new = native.says(case, "Where is my invoice?")
    next_draft(native, case, replaces=old)
    newest = native.draft(case, revision=3).id
    bridge.shows(newest, kind="sending", status="approved", revision=4, sequence=4)
    assert act(native, case, "accept", revision=1)[0] == 409
    assert act(native, case, "edit", revision=1, text="Mine")[0] == 409
    assert bridge.asked == []
    assert act(native, case, "edit", revision=1, text="Mine", answers=new["id"])[0] == 200
    (asked,) = bridge.asked
    assert f"/drafts/{newest}/decision" in asked.url
    assert json.loads(asked.body) == {"decision": "edit", "revision": 1, "text": "Mine", "answers": new["id"]}


def test_an_edit_that_names_an_older_message_is_refused_whatever_draft_stands(native: Pair, bridge: FakeBridge) -> None:
    case = native.open_case()
    old = native.write(case)
    seen = native.says(case, "Wait!")
    native.says(case, "Where is my invoice?")
    assert act(native, case, "edit", revision=1, text="Mine", answers=seen["id"])[0] == 409
    next_draft(native, case, replaces=old)
    assert act(native, case, "edit", revision=1, text="Mine", answers=seen["id"])[0] == 409
    assert bridge.asked == []


def test_an_automatic_message_makes_no_edit_miss_anything(native: Pair, bridge: FakeBridge) -> None:
    case = native.open_case()
    native.write(case)
    new = native.says(case, "Wait!")
    away = native.says(case, "I am away.", automatic=True)
    bridge.shows("another", kind="sending", status="approved", revision=3, sequence=4)
    for answers, text in ((new["id"], "Mine"), (away["id"], "Mine 2")):
        assert act(native, case, "edit", revision=1, text=text, answers=answers)[0] == 200


@pytest.mark.parametrize("profile", HERE)
def test_where_the_crm_decides_such_an_edit_is_of_the_draft_that_stands_now(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    case = pair.open_case()
    old = pair.write(case)
    new = pair.says(case, "Where is my invoice?")
    ref = next_draft(pair, case, replaces=old)
    wanted: dict[str, Any] = {"revision": 1, "text": "Mine", "answers": new["id"]}
    assert act(pair, case, "edit", **wanted)[0] == 200
    remote = pair.adapter.read_draft(ref)
    assert remote is not None
    assert remote.decision is not None
    assert (remote.status, remote.decision.revision, remote.decision.text) == ("edited", 3, "Mine")
    assert act(pair, case, "undo")[0] == 200
    assert act(pair, case, "edit", **wanted)[1]["draft"]["status"] == "edited"


def test_an_unreachable_bridge_is_503_and_nothing_is_lost(native: Pair, bridge: FakeBridge) -> None:
    case = native.open_case()
    native.write(case)
    status, problem = act(native, case, "accept", revision=1)
    assert (status, problem["code"], problem["draft"]["status"]) == (503, "bridge_unreachable", "written")
    bridge.shows(native.draft(case).id, kind="sending", status="accepted", revision=2, sequence=4)
    assert act(native, case, "accept", revision=1)[0] == 200


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(status=422, body=b'{"code": "flags_not_acknowledged", "flags": ["link"]}'), 422),
        (Reply(status=409, body=b'{"code": "decided", "revision": 7}'), 409),
        (Reply(status=401, body=b'{"code": "not_verified"}'), 502),
        (Reply(status=200, body=b"<html>"), 503),
        (Reply(status=200, body=b'{"state": 1}'), 503),
        (Reply(status=500, body=b""), 503),
    ],
)
def test_what_the_bridge_refuses_is_passed_on_as_a_problem(
    native: Pair, bridge: FakeBridge, reply: Reply, status: int
) -> None:
    case = native.open_case()
    native.write(case)
    bridge.reply = reply
    got, problem = act(native, case, "accept", revision=1)
    assert (got, problem["status"]) == (status, status)


def test_undo_and_resolve_are_forwarded(native: Pair, bridge: FakeBridge) -> None:
    case = native.open_case()
    native.write(case)
    draft_id = native.draft(case).id
    bridge.shows(draft_id, kind="ready", status="written", revision=3, sequence=6)
    assert act(native, case, "undo")[1]["draft"]["revision"] == 3
    assert act(native, case, "resolve", sent=True)[0] == 200
    assert [one.url.split("?")[0].rsplit("/", 1)[1] for one in bridge.asked] == ["undo", "resolve"]


@pytest.mark.parametrize("profile", HERE)
def test_where_the_crm_decides_the_bridge_reads_the_decision(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    case = pair.open_case()
    ref = pair.write(case)
    assert act(pair, case, "reject", "Mina Weber", revision=1, reason="tone", comment="too cold")[0] == 200
    remote = pair.adapter.read_draft(ref)
    assert remote is not None
    assert remote.decision is not None
    assert (remote.status, remote.decision.kind, remote.decision.agent.name) == (
        "rejected",
        DecisionKind.REJECT,
        "Mina Weber",
    )
    assert (remote.decision.reason, remote.decision.comment, remote.decision.revision) == ("tone", "too cold", 1)


@pytest.mark.parametrize("profile", HERE)
def test_where_the_crm_decides_one_revision_is_decided_once(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    case = pair.open_case()
    pair.write(case)
    first = act(pair, case, "accept", revision=1)
    assert first[0] == 200
    assert act(pair, case, "accept", revision=1) == first
    assert act(pair, case, "accept", "Mina Weber", revision=1)[0] == 409
    status, problem = act(pair, case, "reject", revision=1)
    assert (status, problem["by"]) == (409, AGENT)
    assert act(pair, case, "accept", revision=2)[0] == 409


@pytest.mark.parametrize("profile", HERE)
def test_a_decision_can_be_undone_until_the_bridge_took_it(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    case = pair.open_case()
    ref = pair.write(case)
    act(pair, case, "accept", revision=1)
    assert act(pair, case, "undo")[0] == 200
    remote = pair.adapter.read_draft(ref)
    assert remote is not None
    assert (remote.status, remote.decision) == ("written", None)
    assert act(pair, case, "accept", revision=1)[1]["draft"]["status"] == "accepted"


def test_an_agent_sends_what_was_handed_over(connect: Connect) -> None:
    pair = connect("agent-sends")
    case = pair.open_case()
    pair.write(case)
    assert act(pair, case, "send")[0] == 409
    assert act(pair, case, "edit", revision=1, text="My edit")[1]["mail_draft"]["text"] == "My edit"
    assert act(pair, case, "send", "Mina Weber")[0] == 409
    assert act(pair, case, "send")[0] == 200
    newest = pair.read(case).messages[-1]
    assert (newest.author.kind, newest.text, newest.key) == ("agent", "My edit", None)
    assert act(pair, case, "send")[0] == 409


def test_nobody_decides_on_notes(connect: Connect) -> None:
    pair = connect("notes")
    case = pair.open_case()
    pair.write(case)
    assert act(pair, case, "accept", revision=1)[0] == 409


def test_typed_text_is_kept_for_its_agent(native: Pair) -> None:
    case = native.open_case()
    act(native, case, "working-text", text="Half a sent", revision=1)
    native.says(case, "Wait!")
    assert native.desk_case(case)["working_text"]["text"] == "Half a sent"
    other = native.crm.desk.case(case.id, "Mina Weber")
    assert other is not None
    assert other["working_text"] is None


def test_an_agents_own_reply_ends_a_case_without_a_draft(native: Pair) -> None:
    case = native.open_case()
    native.adapter.show(case, state(StateKind.NO_DRAFT, sequence=3, reason="no_source"), "k")
    native.says(case, "Looking into it.", author="agent", public=False)
    assert native.desk_case(case)["state"]["kind"] == "no_draft"
    native.says(case, "Here is how.", author="agent")
    native.says(case, "I am away.", automatic=True)
    shown = native.desk_case(case)["state"]
    assert (shown["kind"], shown["by"], shown["reason"]) == ("answered_otherwise", AGENT, None)
    assert native.crm.desk.cases(AGENT)[0]["state"] == shown
    native.says(case, "And the other one?")
    assert native.desk_case(case)["state"]["kind"] == "no_draft"


def test_a_case_of_automatic_replies_only_says_so(native: Pair) -> None:
    case = native.open_case(automatic=True)
    shown = native.desk_case(case)["state"]
    assert (shown["kind"], shown["reason"]) == ("answered_otherwise", "automatic")
    native.says(case, "I am back. How do I sign in?")
    assert native.desk_case(case)["state"]["kind"] == "drafting"


def test_a_customer_reopens_a_closed_case_but_an_auto_reply_does_not(native: Pair) -> None:
    case = native.open_case()
    native.crm.desk.close(case.id, AGENT)
    native.says(case, "I am away", automatic=True)
    assert native.desk_case(case)["status"] == "closed"
    native.says(case, "It is back")
    assert native.desk_case(case)["status"] == "open"


# --- over HTTP --------------------------------------------------------------------------------------------------


def test_the_desk_api_speaks_as_promised(native: Pair) -> None:
    client = native.crm.app.test_client()
    new = {"subject": "S", "body": "B", "customer": {"name": "N", "email": "n@example.org"}}
    made = client.post("/desk/api/cases", json=new, headers={"X-Desk-Agent": "J%C3%BCrgen"})
    case_id = made.get_json()["id"]
    assert made.status_code == 201
    assert [case["id"] for case in client.get("/desk/api/cases").get_json()] == [case_id]
    case = client.get(f"/desk/api/cases/{case_id}").get_json()
    assert (case["draft"], case["state"]["kind"], case["messages"][0]["author"]) == (None, "drafting", "customer")
    said = client.post(f"/desk/api/cases/{case_id}/messages", json={"author": "agent", "body": "Hi", "public": True})
    assert said.status_code == 201
    assert client.post(f"/desk/api/cases/{case_id}/close").get_json()["status"] == "closed"
    assert {"id", "name"} <= set(client.get("/desk/api/agents").get_json()[0])
    assert client.get("/desk/api/cases/nowhere").status_code == 404
    assert client.get("/desk/api/nowhere").mimetype == "application/problem+json"


def test_a_page_that_never_was_is_a_page_that_says_so(native: Pair) -> None:
    found = native.crm.app.test_client().get("/desk/nothing")
    assert (found.status_code, found.mimetype) == (404, "text/html")
    assert "There is no such page or case." in found.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"subject": "S"}', 400),
        (b'{"subject": "S", "subject": "T"}', 400),
        (b'{"subject": NaN}', 400),
        (b"[" * 100, 400),
        (b"\xff", 400),
        (b'{"subject": "' + b"x" * 1_100_000 + b'"}', 413),
    ],
)
def test_a_broken_body_is_a_problem_document(native: Pair, body: bytes, status: int) -> None:
    answer = native.crm.app.test_client().post("/desk/api/cases", data=body, content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.get_json()["code"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 302),
        ("GET", "/desk/", 200),
        ("GET", "/desk/static/desk.css", 200),
        ("GET", "/desk/static/none.css", 404),
        ("GET", "/desk/cases/none", 404),
        ("GET", "/desk/none", 404),
        ("POST", "/desk/new", 400),
        ("GET", "/desk/api/cases", 200),
        ("GET", "/desk/api/cases/none", 404),
        ("PATCH", "/desk/api/cases", 405),
        ("POST", "/desk/api/cases", 400),
        ("GET", "/api/health", 401),
        ("GET", "/nowhere", 404),
    ],
)
def test_every_answer_tells_browsers_what_not_to_do(native: Pair, method: str, path: str, status: int) -> None:
    answer = native.crm.app.test_client().open(path, method=method)
    assert answer.status_code == status
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert ("default-src 'none'" in policy) == (answer.mimetype != "text/css" and not is_page(answer.text))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def is_page(text: str) -> bool:
    return text.startswith("<!doctype html>") and 'rel="stylesheet"' in text


def test_a_refused_host_and_a_mistake_of_ours_carry_the_headers_too(
    native: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = native.crm.app.test_client().get("/desk/api/cases", headers={"Host": "evil.example"})
    monkeypatch.setattr(native.crm.desk, "cases", lambda _: 1 / 0)
    broken = native.crm.app.test_client().get("/desk/api/cases")
    assert (refused.status_code, broken.status_code) == (421, 500)
    for answer in (refused, broken):
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Origin": "http://localhost"}, 201),
        ({"Host": "127.0.0.1:8001", "Origin": "http://127.0.0.1:8001"}, 201),
    ],
)
def test_another_web_page_cannot_use_the_desk(native: Pair, headers: dict[str, str], status: int) -> None:
    body = json.dumps({"subject": "S", "body": "B", "customer": {"name": "N", "email": "n@example.org"}})
    headers = {"Content-Type": "application/json", **headers}
    assert native.crm.app.test_client().post("/desk/api/cases", data=body, headers=headers).status_code == status


def test_half_an_emoji_is_replaced_not_refused(native: Pair) -> None:
    body = b'{"subject": "S\\ud83d", "body": "B\\u0000", "customer": {"name": "N", "email": "n@example.org"}}'
    made = native.crm.app.test_client().post("/desk/api/cases", data=body, content_type="application/json").get_json()
    assert (made["subject"], made["messages"][0]["body"]) == ("S\N{REPLACEMENT CHARACTER}", "B")


@pytest.mark.parametrize("action", ["accept", "edit", "reject", "respond", "undo", "resolve", "send", "fly"])
@pytest.mark.parametrize("payload", [{}, {"revision": "1"}, {"revision": -1}, {"revision": True}, {"revision": 1}, []])
def test_no_payload_makes_the_desk_fail(native: Pair, action: str, payload: Any) -> None:
    case = native.open_case()
    answer = native.crm.app.test_client().post(f"/desk/api/cases/{case.id}/draft/{action}", json=payload)
    assert 400 <= answer.status_code < 500
    assert answer.get_json()["code"]
