"""The agents' pages of the emulated org, as HTTP: what they show, to whom, and what they refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from crm_bridge.contract import CaseRef
from crm_bridge_salesforce.emulator import SalesforceCrm
from crm_bridge_salesforce.emulator.desk.component import _SAID
from crm_bridge_salesforce.emulator.desk.safety import HEADERS

from ..crm_app.app import SOURCE

HOST = "http://127.0.0.1:9601"
HOSTILE = '<script>alert(1)</script> "quoted" <b>'
DRAFT = {
    "External_Key__c": "k1",
    "Draft_Id__c": "d1",
    "Revision__c": 1,
    "Status__c": "ready",
    "Body__c": "Please restart it.",
    "Flags__c": "[]",
    "Addressing__c": json.dumps({"to": ["ann@example.org"]}),
}
Decided = Callable[..., TestResponse]


class Person:
    """Somebody with a browser: cookies, and the token of the page they look at."""

    def __init__(self, crm: SalesforceCrm) -> None:
        self._client = Client(crm.disturbed)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self._client.get(path, base_url=HOST, **more)

    def page(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    @property
    def token(self) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.page("/desk/new"))
        assert found is not None
        return found[1]

    def send(self, path: str, **form: str) -> TestResponse:
        return self._client.post(path, base_url=HOST, data={"csrf_token": self.token, **form})

    def call(self, path: str, document: Any) -> TestResponse:
        headers = {"X-CSRFToken": self.token}
        return self._client.post(path, base_url=HOST, json=document, headers=headers)

    def post(self, path: str, **more: Any) -> TestResponse:
        return self._client.post(path, **{"base_url": HOST, **more})

    def becomes(self, user: str) -> None:
        assert self.send("/desk/user", user=user).status_code == 303


@pytest.fixture
def person(crm: SalesforceCrm) -> Iterator[Person]:
    return Person(crm)


@pytest.fixture
def case(crm: SalesforceCrm) -> str:
    return crm.open_case("Lamp", "It flickers.").id


@pytest.fixture
def draft(crm: SalesforceCrm, case: str) -> str:
    mail = crm.apex.newest_mail(case)
    values = DRAFT | {"Case__c": case, "Made_From__c": json.dumps([mail]), "Answers__c": mail}
    made = crm.org.store.put_new(crm.org.object("AI_Draft__c"), values, crm.org.people.integration)
    return str(made["Id"])


@pytest.fixture
def decide(person: Person, case: str, draft: str) -> Decided:
    def decided(kind: str, **more: Any) -> TestResponse:
        said = {"caseId": case, "draftRecordId": draft, "revision": 1, "kind": kind, "acknowledged": [], **more}
        return person.call(f"/desk/cases/{case}/decide", said)

    return decided


def mail_of(person: Person, case: str) -> str:
    found = re.search(r'id="mail-(02s\w{15})"', person.page(f"/desk/cases/{case}"))
    assert found is not None
    return found[1]


# --- what is shown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/desk/", "/desk/new", "/desk/nothing", "/desk/cases/500", "/desk/static/desk.js"])
def test_every_answer_forbids_inline_scripts_sniffing_and_keeping(person: Person, path: str) -> None:
    answer = person.get(path)
    assert "Emulation, not Salesforce." in answer.text or answer.status_code == 404 or path.endswith(".js")
    if path == "/desk/nothing":
        return  # no route: the API's own answer, no page
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_a_customers_words_are_only_ever_text(crm: SalesforceCrm, person: Person) -> None:
    case = crm.open_case(HOSTILE, HOSTILE)
    crm.customer_writes(case, HOSTILE, html=HOSTILE)
    crm.agent_writes(case, HOSTILE, agent="Kim Lee", public=False)
    for path in ("/desk/", f"/desk/cases/{case.id}"):
        page = person.page(path)
        assert "<script>alert" not in page
        assert "<b>" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_the_list_shows_what_the_bridge_wrote_on_the_case(crm: SalesforceCrm, person: Person, case: str) -> None:
    values = {"CRMB_State__c": "no_draft", "CRMB_Reason__c": "no_source"}
    record = crm.org.store.live(case)
    assert record is not None
    crm.org.store.change(crm.org.object("Case"), record, values, crm.org.people.integration)
    assert "no_draft: no_source" in person.page("/desk/")
    (listed,) = json.loads(person.page("/desk/api/cases"))
    assert (listed["id"], listed["state"]) == (case, {"kind": "no_draft", "reason": "no_source"})


def test_pages_cost_nothing_of_the_daily_calls(crm: SalesforceCrm, person: Person, case: str) -> None:
    for path in ("/desk/", f"/desk/cases/{case}", f"/desk/cases/{case}/component"):
        person.page(path)
    assert dict(crm.calls) == {}


def test_links_of_the_product_lead_to_the_pages(crm: SalesforceCrm, person: Person, case: str) -> None:
    crm.publish("reset", "Reset", "<p>Press the ring.</p>")
    (article,) = crm.org.store.all_of("Knowledge__kav")
    assert person.get(f"/lightning/r/Case/{case}/view").location == f"/desk/cases/{case}"
    there = person.get(f"/lightning/r/Knowledge__kav/{article['Id']}/view", follow_redirects=True)
    assert "Press the ring." in there.text


def test_the_bundle_is_found_in_the_package_and_nothing_else_is(person: Person) -> None:
    assert "crmBridgeDraft" in person.page("/desk/bundle/crm-bridge-draft.js")
    assert person.get("/desk/bundle/LICENSES.md").status_code == 404
    assert person.get("/desk/bundle/..%2f..%2fpackage.json").status_code == 404


# --- the component ------------------------------------------------------------------------------------------------


def test_the_view_has_every_field_the_component_reads(
    crm: SalesforceCrm, person: Person, case: str, draft: str
) -> None:
    crm.customer_writes(CaseRef(id=case), "And now it is dark.")
    view = json.loads(person.page(f"/desk/cases/{case}/component"))
    source = (SOURCE / "classes" / "CrmBridgeDraftView.cls").read_text()
    bodies = dict(re.findall(r"public class (\w+) \{\n(.*?)\n    \}", source, re.DOTALL))
    names = {name: set(re.findall(r"public \w+ (\w+);", body)) for name, body in bodies.items()}
    assert (view["draft"]["recordId"], view["draft"]["body"]) == (draft, "Please restart it.")
    assert [one["text"] for one in view["newMessages"]] == ["And now it is dark."]
    assert view["newestMessageId"] == view["newMessages"][0]["id"]
    shown = {"State": view["state"], "Draft": view["draft"], "NewMessage": view["newMessages"][0]}
    assert {name: set(part) for name, part in shown.items()} == names


def test_a_revision_is_the_same_with_and_without_a_fraction(decide: Decided) -> None:
    assert decide("accept", revision=2.0).status_code == 409
    assert decide("accept", revision=1.0).status_code == 200


def test_an_accepted_draft_is_a_private_mail_draft_that_its_agent_sends(
    crm: SalesforceCrm, person: Person, case: str, decide: Decided
) -> None:
    decided = json.loads(decide("accept").text)
    assert decided["status"] == "accepted"
    mail = mail_of(person, case)
    assert mail == decided["emailMessageId"]
    assert person.send(f"/desk/mails/{mail}/send", body="Please restart it.\r\nTwice.").status_code == 303
    (sent,) = [one for one in crm.thread(CaseRef(id=case)) if one.direction == "outgoing"]
    assert (sent.id, sent.text, sent.html) == (mail, "Please restart it.\nTwice.", "Please restart it.<br/>Twice.")
    assert sent.author.name == "Demo Agent"
    assert person.send(f"/desk/mails/{mail}/send", body="Again").status_code == 400


def test_a_private_mail_draft_is_its_agents_alone(
    crm: SalesforceCrm, person: Person, case: str, decide: Decided
) -> None:
    decide("accept")
    mail = mail_of(person, case)
    for other in ("Kim Lee", "Ana Admin"):
        person.becomes(crm.org.people.id_of(other))
        assert f'id="mail-{mail}"' not in person.page(f"/desk/cases/{case}")
        assert person.send(f"/desk/mails/{mail}/send", body="Mine").status_code in (400, 404)
        assert person.send(f"/desk/mails/{mail}/discard").status_code in (400, 404)
    assert [one.direction for one in crm.thread(CaseRef(id=case))] == ["incoming"]


def test_nobody_can_be_the_bridges_own_user(crm: SalesforceCrm, person: Person, case: str, decide: Decided) -> None:
    person.becomes(crm.org.people.integration)
    assert decide("accept").status_code == 200
    newest = crm.apex.newest(case)
    assert newest is not None
    assert newest["Decided_By__c"] == crm.org.people.id_of("Demo Agent")


def test_a_refusal_has_the_code_and_the_sentence_of_the_controller(crm: SalesforceCrm, decide: Decided) -> None:
    assert json.loads(decide("edit", text=" ").text) == {"code": "blank", "message": "There is no text to send."}
    assert decide("reject", reason="tone").status_code == 200
    again = decide("accept")
    assert again.status_code == 409
    said = json.loads(again.text)
    assert (said["code"], said["by"], said["revision"]) == ("already_decided", "Demo Agent", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", said["at"])


@pytest.mark.parametrize("code", sorted(_SAID))
def test_every_sentence_is_the_one_that_is_deployed(code: str) -> None:
    classes = [SOURCE / "classes" / f"{name}.cls" for name in ("CrmBridgeDecision", "CrmBridgeDraftController")]
    said = " ".join(" ".join(one.read_text() for one in classes).split())
    assert re.search(rf"'{code}', '{re.escape(_SAID[code])}'", said)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"kind": ["accept"]}', b'{"revision": "1", "acknowledged": 5}'])
def test_whatever_is_sent_as_a_decision_is_refused_in_words(person: Person, case: str, draft: str, body: bytes) -> None:
    headers = {"X-CSRFToken": person.token, "Content-Type": "application/json"}
    answer = person.post(f"/desk/cases/{case}/decide", data=body, headers=headers)
    assert (answer.status_code, json.loads(answer.text)["code"]) == (409, "unknown_decision")


def test_an_own_reply_becomes_a_mail_draft(crm: SalesforceCrm, person: Person, case: str) -> None:
    made = json.loads(person.call(f"/desk/cases/{case}/reply", {"caseId": case, "text": "I call you."}).text)
    assert mail_of(person, case) == made["id"]
    assert person.send(f"/desk/mails/{made['id']}/discard").status_code == 303
    assert 'id="mail-' not in person.page(f"/desk/cases/{case}")
    assert person.call(f"/desk/cases/{case}/reply", {"text": ""}).status_code == 409


# --- forms --------------------------------------------------------------------------------------------------------


def test_the_customer_opens_a_case_and_writes_again(crm: SalesforceCrm, person: Person) -> None:
    there = person.send("/desk/new", email="jo@example.com", subject="Hello", body="It broke.")
    assert there.status_code == 303
    assert person.send(f"{there.location}/customer", body="Still broken.").status_code == 303
    case = there.location.rpartition("/")[2]
    assert [one.text for one in crm.thread(CaseRef(id=case))] == ["It broke.", "Still broken."]
    assert person.send(f"{there.location}/status", status="Closed").status_code == 303
    assert "Open again" in person.page(there.location)


@pytest.mark.parametrize(
    "form",
    [
        {"email": "nobody", "subject": "a", "body": "b"},
        {"email": "jo@example.com", "subject": " ", "body": "b"},
        {"email": "jo@example.com", "subject": "a"},
    ],
)
def test_a_mail_that_cannot_be_is_refused_on_a_page(crm: SalesforceCrm, person: Person, form: dict[str, str]) -> None:
    answer = person.send("/desk/new", **form)
    assert (answer.status_code, 'id="problem"' in answer.text) == (400, True)
    assert not list(crm.org.store.all_of("Case"))


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, 400),
        ({"data": {"csrf_token": "made-up", "body": "x"}}, 400),
        ({"headers": {"Origin": "https://elsewhere.example"}}, 403),
        ({"base_url": "http://rebound.example:9601"}, 421),
    ],
)
def test_what_another_site_makes_a_browser_send_is_refused(
    crm: SalesforceCrm, person: Person, case: str, more: dict[str, Any], status: int
) -> None:
    assert person.post(f"/desk/cases/{case}/customer", **{"data": {"body": "x"}, **more}).status_code == status
    assert len(crm.thread(CaseRef(id=case))) == 1


def test_the_examples_are_loaded_once(crm: SalesforceCrm, person: Person) -> None:
    made = crm.seed()
    assert made >= 12
    assert crm.seed() == 0
    assert len(json.loads(person.page("/desk/api/cases"))) == made
    languages = {one["Language"] for one in crm.org.store.all_of("Case")}
    assert languages == {"en_US", "de", "es", "fr"}
    assert {one["PublishStatus"] for one in crm.org.store.all_of("Knowledge__kav")} == {"Online"}


def test_an_org_without_the_package_has_pages_too() -> None:
    bare = SalesforceCrm(installed=False)
    try:
        case = bare.open_case("Lamp", "It flickers.")
        assert "package is not installed" in Person(bare).page(f"/desk/cases/{case.id}")
    finally:
        bare.stop()
