"""One record at a time: statuses and error bodies as the REST API gives them."""

from __future__ import annotations

from typing import Any

import pytest

from crm_bridge_salesforce.emulator import SalesforceCrm
from crm_bridge_salesforce.emulator.ids import full_id, make_id

GONE = make_id("001", 999_999)


def test_a_record_lives_through_create_read_update_delete(api: Any) -> None:
    made = api("POST", "/sobjects/Account", {"Name": "  Acme  ", "NumberOfEmployees": "7"})
    account = made.body["id"]
    assert (made.status, made.body) == (201, {"id": account, "success": True, "errors": []})
    assert made.headers["Location"] == f"/services/data/v66.0/sobjects/Account/{account}"
    assert account == full_id(account[:15])
    assert api("PATCH", f"/sobjects/Account/{account[:15]}", {"phone": "1"}).status == 204
    read = api.read("Account", account)
    assert (read["Name"], read["NumberOfEmployees"], read["Phone"], read["OwnerId"]) == (
        "Acme",
        7,
        "1",
        api.crm.org.people.integration,
    )
    assert api("DELETE", f"/sobjects/Account/{account}").status == 204
    again = api("GET", f"/sobjects/Account/{account}")
    assert (again.status, again.code) == (404, "NOT_FOUND")
    assert api("PATCH", f"/sobjects/Account/{account}", {"Phone": "2"}).code == "ENTITY_IS_DELETED"


def test_only_the_fields_asked_for_are_given(api: Any) -> None:
    account = api.create("Account", Name="Acme")
    reply = api("GET", f"/sobjects/Account/{account}", params={"fields": "name,Phone"})
    assert {name for name in reply.body if name != "attributes"} == {"Name", "Phone"}
    assert api("GET", f"/sobjects/Account/{account}", params={"fields": "Foo"}).code == "INVALID_FIELD"


@pytest.mark.parametrize(
    ("sobject", "fields", "code", "named"),
    [
        ("Account", {}, "REQUIRED_FIELD_MISSING", ["Name"]),
        ("Account", {"Name": "x", "Foo": 1}, "INVALID_FIELD", None),
        ("Account", {"Name": "x", "Id": GONE}, "INVALID_FIELD", None),
        ("Account", {"Name": "x", "CreatedDate": "2026-01-01"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["CreatedDate"]),
        ("Account", {"Name": "x" * 256}, "STRING_TOO_LONG", ["Name"]),
        ("Account", {"Name": "x", "ParentId": "abc"}, "MALFORMED_ID", ["ParentId"]),
        ("Account", {"Name": "x", "ParentId": GONE}, "INVALID_CROSS_REFERENCE_KEY", ["ParentId"]),
        ("Account", {"Name": "x", "ParentId": make_id("003", 1)}, "FIELD_INTEGRITY_EXCEPTION", ["ParentId"]),
        ("Account", {"Name": "x", "NumberOfEmployees": "many"}, "JSON_PARSER_ERROR", None),
        ("Account", {"Name": "x", "NumberOfEmployees": True}, "JSON_PARSER_ERROR", None),
        ("Account", {"Name": {"a": 1}}, "JSON_PARSER_ERROR", None),
        ("Contact", {"LastName": "x", "Email": "no mail"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ("Contact", {"LastName": "x", "HasOptedOutOfEmail": "perhaps"}, "JSON_PARSER_ERROR", None),
        ("Opportunity", {"Name": "x", "StageName": "y", "CloseDate": "soon"}, "JSON_PARSER_ERROR", None),
        ("EmailMessage", {"Status": "9"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Status"]),
        ("Organization", {"Name": "x"}, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", []),
    ],
)
def test_what_cannot_be_created_is_named(shared: Any, sobject: str, fields: Any, code: str, named: Any) -> None:
    reply = shared("POST", f"/sobjects/{sobject}", fields)
    assert (reply.status, reply.code, reply.body[0].get("fields")) == (400, code, named)
    assert reply.body[0]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/sobjects/Foo__c", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Account/nonsense", 404, "NOT_FOUND"),
        ("GET", f"/sobjects/Account/{GONE}", 404, "NOT_FOUND"),
        ("GET", "/nothing/here", 404, "NOT_FOUND"),
        ("PUT", "/limits", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/services/data/v99.0/limits", 404, "NOT_FOUND"),
        ("GET", "/services/data/v20.0/limits", 410, "UNSUPPORTED_API_VERSION"),
        ("DELETE", f"/sobjects/Account/{GONE}", 404, "NOT_FOUND"),
    ],
)
def test_what_is_not_there_is_an_error_array(shared: Any, method: str, path: str, status: int, code: str) -> None:
    reply = shared(method, path)
    assert (reply.status, reply.code) == (status, code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"Name": NaN}', b"[" * 5000])
def test_a_body_that_is_no_object_is_refused(shared: Any, body: bytes) -> None:
    reply = shared._client.post(
        "/services/data/v66.0/sobjects/Account",
        data=body,
        headers={"Authorization": f"Bearer {shared.token}"},
        content_type="application/json",
    )
    assert (reply.status_code, reply.get_json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")


def test_a_deleted_case_takes_its_mails_and_comments_along(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x")
    mail = crm.customer_writes(case, "More.")
    api("DELETE", f"/sobjects/Case/{case.id}")
    assert api("GET", f"/sobjects/EmailMessage/{mail}").status == 404


def test_a_case_closes_by_its_status(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x").id
    api("PATCH", f"/sobjects/Case/{case}", {"Status": "Closed"})
    closed = api.read("Case", case)
    assert closed["IsClosed"] is True
    assert closed["ClosedDate"] == closed["LastModifiedDate"]
    api("PATCH", f"/sobjects/Case/{case}", {"Status": "Working"})
    assert (api.read("Case", case)["IsClosed"], api.read("Case", case)["ClosedDate"]) == (False, None)


def test_only_a_draft_of_a_mail_can_be_changed(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x").id
    draft = api.create("EmailMessage", ParentId=case, Status="5", IsPrivateDraft=True, TextBody="a")
    assert api("PATCH", f"/sobjects/EmailMessage/{draft}", {"TextBody": "b"}).status == 204
    assert api("PATCH", f"/sobjects/EmailMessage/{draft}", {"Status": "3", "IsPrivateDraft": False}).status == 204
    refused = api("PATCH", f"/sobjects/EmailMessage/{draft}", {"TextBody": "c"})
    assert (refused.status, refused.code) == (400, "INSUFFICIENT_ACCESS_OR_READONLY")


def test_a_private_draft_is_its_authors_alone(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x").id
    ana = crm.org.people.id_of("Ana Agent")
    mail = crm.org.store.put_new(
        crm.org.object("EmailMessage"), {"ParentId": case, "Status": "5", "IsPrivateDraft": True}, ana
    )
    path, statement = f"/sobjects/EmailMessage/{mail['Id']}", "SELECT Id FROM EmailMessage WHERE Status = '5'"
    assert [api("GET", path).status, api("PATCH", path, {"TextBody": "x"}).status, api("DELETE", path).status] == [
        404
    ] * 3
    assert api.rows(statement) == []
    api.token = crm.org.sessions.open(ana)
    assert api("GET", path).status == 200
    assert api.rows(statement) == [{"Id": mail["Id"]}]


def test_what_changed_in_a_span_of_time_is_listed(api: Any) -> None:
    kept, gone = api.create("Account", Name="a"), api.create("Account", Name="b")
    api("DELETE", f"/sobjects/Account/{gone}")
    span = {"start": "2026-01-01T00:00:00+00:00", "end": "2090-01-01T00:00:00Z"}
    assert api("GET", "/sobjects/Account/updated", params=span).body["ids"] == [kept]
    deleted = api("GET", "/sobjects/Account/deleted", params=span).body
    assert [one["id"] for one in deleted["deletedRecords"]] == [gone]
    for wrong in ({}, {"start": "x", "end": "y"}, {"start": span["end"], "end": span["start"]}):
        assert api("GET", "/sobjects/Account/updated", params=wrong).code == "INVALID_REPLICATION_DATE"


# --- by an external id ----------------------------------------------------------------------------------------------


@pytest.fixture
def draft(crm: SalesforceCrm) -> dict[str, Any]:
    return {"Case__c": crm.open_case("Hello", "x").id, "Body__c": "Hello.", "Revision__c": 1, "Status__c": "ready"}


KEY = "/sobjects/AI_Draft__c/External_Key__c/abc"


def test_an_upsert_creates_once_and_then_changes(api: Any, draft: dict[str, Any]) -> None:
    first, second = api("PATCH", KEY, draft), api("PATCH", KEY, {"Body__c": "Better."})
    assert (first.status, first.body["created"]) == (201, True)
    assert (second.status, second.body) == (200, {**first.body, "created": False})
    older = api("PATCH", KEY.replace("/sobjects", "/services/data/v45.0/sobjects"), {"Body__c": "Best."})
    assert (older.status, older.body) == (204, None)
    read = api("GET", KEY).body
    assert (read["Body__c"], read["External_Key__c"], read["Name"]) == ("Best.", "abc", "AID-00000001")
    assert api("DELETE", KEY).status == 204
    assert api("GET", KEY).status == 404


def test_an_upsert_that_may_only_update_creates_nothing(api: Any, draft: dict[str, Any]) -> None:
    reply = api("PATCH", KEY, draft, params={"updateOnly": "true"})
    assert (reply.status, reply.code) == (404, "NOT_FOUND")
    assert api.rows("SELECT Id FROM AI_Draft__c") == []


def test_the_key_does_not_stand_in_the_body_too(api: Any, draft: dict[str, Any]) -> None:
    assert api("PATCH", KEY, {**draft, "External_Key__c": "abc"}).code == "INVALID_FIELD"
    assert api("PATCH", KEY.replace("External_Key__c", "Body__c"), draft).code == "NOT_FOUND"


def test_keys_that_keep_case_and_are_unique(api: Any, draft: dict[str, Any]) -> None:
    first = api("PATCH", KEY, draft).body["id"]
    assert api("PATCH", KEY.replace("abc", "ABC"), draft).status == 201
    reply = api("POST", "/sobjects/AI_Draft__c", {**draft, "External_Key__c": "abc"})
    assert (reply.status, reply.code) == (400, "DUPLICATE_VALUE")
    assert first in reply.body[0]["message"]


def test_a_key_of_several_records_gives_their_urls(api: Any, crm: SalesforceCrm) -> None:
    field = {"name": "Key__c", "label": "Key", "type": "string", "length": 20, "externalId": True}
    field |= {"createable": True, "updateable": True, "nillable": True}
    crm.org.schema.load_describe({"name": "Account", "fields": [field]})
    made = [api.create("Account", Name="a", Key__c="k") for _ in range(2)]
    for method, document in (("GET", None), ("PATCH", {"Name": "b"}), ("DELETE", None)):
        reply = api(method, "/sobjects/Account/Key__c/k", document)
        assert (reply.status, reply.body) == (300, [f"/services/data/v66.0/sobjects/Account/{one}" for one in made])


def test_relations_of_a_record_have_addresses(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x").id
    assert api("GET", f"/sobjects/Case/{case}/Contact").body["Email"] == "ann@example.org"
    assert api("GET", f"/sobjects/Case/{case}/EmailMessages").body["totalSize"] == 1
    assert api("GET", f"/sobjects/Case/{case}/Parent").status == 404


# --- conditional requests -------------------------------------------------------------------------------------------

LONG_AGO = {"If-Unmodified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"}


def test_a_write_that_relies_on_an_older_state_is_412(api: Any, draft: dict[str, Any]) -> None:
    api("PATCH", KEY, draft)
    case = draft["Case__c"]
    for path, document in ((f"/sobjects/Case/{case}", {"Priority": "High"}), (KEY, {"Body__c": "x"})):
        assert api("PATCH", path, document, headers=LONG_AGO).status == 412
        now = {"If-Unmodified-Since": api("GET", path).headers["Last-Modified"]}
        assert api("PATCH", path, document, headers=now).status in (200, 204)
    assert api("PATCH", f"/sobjects/Case/{case}", {}, headers={"If-Unmodified-Since": "yesterday"}).status == 400


def test_what_has_not_changed_is_304(api: Any) -> None:
    account = f"/sobjects/Account/{api.create('Account', Name='a')}"
    for path in (account, "/sobjects/Account/describe", "/sobjects"):
        modified = api("GET", path).headers["Last-Modified"]
        reply = api("GET", path, headers={"If-Modified-Since": modified})
        assert (reply.status, reply.body, reply.headers["Last-Modified"]) == (304, None, modified)
        assert api("GET", path, headers={"If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"}).status == 200


def test_only_accounts_have_entity_tags(api: Any, crm: SalesforceCrm) -> None:
    path = f"/sobjects/Account/{api.create('Account', Name='a')}"
    tag = api("GET", path).headers["ETag"]
    assert api("GET", path, headers={"If-None-Match": tag}).status == 304
    assert api("PATCH", path, {"Name": "b"}, headers={"If-Match": '"x", ' + tag}).status == 204
    assert api("PATCH", path, {"Name": "c"}, headers={"If-Match": tag}).status == 412
    case = crm.open_case("Hello", "x").id
    assert "ETag" not in api("GET", f"/sobjects/Case/{case}").headers
