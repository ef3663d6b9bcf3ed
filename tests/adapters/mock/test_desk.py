"""The desk of the embedded CRM: what agents decide, who is asked, what is refused, what browsers may send."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from crm_bridge.contract import CaseRef, DecisionKind, Delivery
from crm_bridge.kit.emulation import Outgoing, Reply, Unreachable
from crm_bridge.kit.services import in_memory_services
from crm_bridge_mock.adapter import build

from .conftest import AGENT, Pair

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

    def shows(self, draft_id: str, *, kind: str, status: str, revision: int, sequence: int) -> None:
        view = {
            "sequence": sequence,
            "state": {"kind": kind, "sentence": "S.", "revision": revision, "sequence": sequence},
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
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
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
