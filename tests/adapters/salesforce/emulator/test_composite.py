"""Several calls in one: references, all or none, collections, batches, trees."""

from __future__ import annotations

from typing import Any

import pytest

from crm_bridge_salesforce.emulator import SalesforceCrm

BASE = "/services/data/v66.0"


def part(name: str, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
    document = {"referenceId": name, "method": method, "url": BASE + path}
    return document | ({"body": body} if body is not None else {}) | ({"httpHeaders": headers} if headers else {})


def composite(api: Any, *parts: dict[str, Any], all_or_none: bool = False) -> list[Any]:
    reply = api("POST", "/composite", {"allOrNone": all_or_none, "compositeRequest": list(parts)})
    assert reply.status == 200, reply.body
    found = reply.body["compositeResponse"]
    assert [one["referenceId"] for one in found] == [one["referenceId"] for one in parts]
    return list(found)


def codes(results: list[Any]) -> list[Any]:
    return [one["body"][0]["errorCode"] if one["httpStatusCode"] >= 400 else one["httpStatusCode"] for one in results]


def test_a_part_uses_what_earlier_ones_answered(api: Any) -> None:
    results = composite(
        api,
        part("a", "POST", "/sobjects/Account", {"Name": "Acme"}),
        part("c", "POST", "/sobjects/Contact", {"LastName": "Lee", "AccountId": "@{a.id}"}),
        part("q", "GET", "/query?q=SELECT+Id,Account.Name+FROM+Contact+WHERE+AccountId='@{a.id}'"),
        part("again", "GET", "/sobjects/Contact/@{q.records[0].Id}?fields=LastName"),
        part("changed", "PATCH", "/sobjects/Account/@{a.id}", {"Description": "of @{again.LastName}"}),
    )
    assert codes(results) == [201, 201, 200, 200, 204]
    assert results[0]["httpHeaders"]["Location"] == f"{BASE}/sobjects/Account/{results[0]['body']['id']}"
    assert results[2]["body"]["records"][0]["Account"]["Name"] == "Acme"
    assert results[4]["body"] is None
    assert api.read("Account", results[0]["body"]["id"])["Description"] == "of Lee"


def test_a_part_that_fails_is_an_error_inside_a_200(api: Any) -> None:
    results = composite(
        api,
        part("a", "POST", "/sobjects/Account", {}),
        part("b", "POST", "/sobjects/Contact", {"LastName": "Lee", "AccountId": "@{a.id}"}),
        part("c", "GET", "/query?q=SELECT+Id+FROM+Foo"),
        part("d", "GET", "/sobjects/Account/describe", **{"If-Modified-Since": "Tue, 01 Jan 2030 00:00:00 GMT"}),
        part("e", "POST", "/sobjects/Account", {"Name": "kept"}),
    )
    assert codes(results) == ["REQUIRED_FIELD_MISSING", "PROCESSING_HALTED", "INVALID_TYPE", 304, 201]
    assert "No value for a.id found in a" in results[1]["body"][0]["message"]
    assert results[3]["httpHeaders"]["Last-Modified"]


def test_all_or_none_leaves_nothing_behind(api: Any) -> None:
    results = composite(
        api,
        part("a", "POST", "/sobjects/Account", {"Name": "one"}),
        part("b", "POST", "/sobjects/Account", {}),
        part("c", "POST", "/sobjects/Account", {"Name": "three"}),
        all_or_none=True,
    )
    assert codes(results) == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"]
    assert [one["httpStatusCode"] for one in results] == [400, 400, 400]
    assert api.rows("SELECT Id FROM Account") == []


def test_all_or_none_outside_holds_for_collections_inside(api: Any) -> None:
    records = [{"attributes": {"type": "Account"}, "Name": "one"}, {"attributes": {"type": "Account"}}]
    inner = part("many", "POST", "/composite/sobjects", {"allOrNone": False, "records": records})
    first = part("a", "POST", "/sobjects/Account", {"Name": "first"})
    results = composite(api, first, inner, all_or_none=True)
    assert results[0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert api.rows("SELECT Id FROM Account") == []
    composite(api, first, inner)
    assert [row["Name"] for row in api.rows("SELECT Name FROM Account")] == ["first", "one"]


def test_a_webhook_tells_nothing_of_what_was_rolled_back(api: Any, crm: SalesforceCrm) -> None:
    crm.integration_tells = True
    case = part("a", "POST", "/sobjects/Case", {"Subject": "x"})
    composite(api, case, part("b", "POST", "/sobjects/Account", {}), all_or_none=True)
    assert crm.outbox.pending() == 0


@pytest.mark.parametrize(
    "parts",
    [
        [part(f"p{number}", "GET", "/limits") for number in range(26)],
        [part(f"p{number}", "GET", "/query?q=SELECT+Id+FROM+User") for number in range(6)],
        [part("same", "GET", "/limits"), part("same", "GET", "/limits")],
        [part("-", "GET", "/limits")],
        [{"method": "GET", "url": f"{BASE}/limits"}],
        [{"method": "GET", "referenceId": "a"}],
        "nothing",
        [1],
    ],
)
def test_a_call_that_is_wrong_as_a_whole_does_nothing(shared: Any, parts: Any) -> None:
    reply = shared("POST", "/composite", {"compositeRequest": parts})
    assert reply.status == 400
    assert reply.code


@pytest.mark.parametrize("url", ["/limits", "https://other.example/services/data/v66.0/limits", f"{BASE}/composite"])
def test_a_part_leads_nowhere_else(shared: Any, url: str) -> None:
    (result,) = composite(shared, {"referenceId": "a", "method": "GET", "url": url})
    assert result["httpStatusCode"] == 400


def test_a_composite_call_counts_once(api: Any, crm: SalesforceCrm) -> None:
    composite(api, *[part(f"p{number}", "GET", "/limits") for number in range(10)])
    assert dict(crm.calls) == {"composite": 1}


# --- collections ----------------------------------------------------------------------------------------------------


def account(**fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Account"}, **fields}


def test_each_record_of_a_collection_has_a_result(api: Any) -> None:
    made = api("POST", "/composite/sobjects", {"records": [account(Name="a"), account(), {"Name": "x"}]})
    assert (made.status, [one["success"] for one in made.body]) == (200, [True, False, False])
    assert made.body[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    first = made.body[0]["id"]
    changed = api("PATCH", "/composite/sobjects", {"records": [account(id=first, Name="b"), account(Name="c")]})
    assert [one["success"] for one in changed.body] == [True, False]
    fields = {"ids": [first, "001000000000000AAA"], "fields": ["Name"]}
    read = api("POST", "/composite/sobjects/Account", fields).body
    assert (read[0]["Name"], read[1]) == ("b", None)
    by_url = api("GET", f"/composite/sobjects/Account?ids={first},x&fields=Name").body
    assert by_url == read
    gone = api("DELETE", f"/composite/sobjects?ids={first},nonsense").body
    assert [one["success"] for one in gone] == [True, False]


def test_a_collection_that_is_all_or_none_is_rolled_back(api: Any) -> None:
    document = {"allOrNone": True, "records": [account(Name="a"), account()]}
    results = api("POST", "/composite/sobjects", document).body
    assert [one["errors"][0]["statusCode"] for one in results] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "REQUIRED_FIELD_MISSING",
    ]
    assert api.rows("SELECT Id FROM Account") == []


def test_a_collection_is_upserted_by_its_key(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x").id
    record = {"attributes": {"type": "AI_Draft__c"}, "Case__c": case, "External_Key__c": "k1"}
    path = "/composite/sobjects/AI_Draft__c/External_Key__c"
    first = api("PATCH", path, {"records": [record]}).body
    second = api("PATCH", path, {"records": [{**record, "Case__c": case}, {**record, "External_Key__c": None}]}).body
    assert first[0]["created"] is True
    assert second[0]["errors"][0]["statusCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert second[1]["errors"][0]["statusCode"] == "MISSING_ARGUMENT"


@pytest.mark.parametrize(
    "records", [[account(Name="a")] * 201, [account(Name="a"), {"attributes": {"type": "Contact"}}] * 6]
)
def test_a_collection_has_limits(shared: Any, records: Any) -> None:
    reply = shared("POST", "/composite/sobjects", {"records": records})
    assert (reply.status, reply.code) == (400, "LIMIT_EXCEEDED")


def test_a_batch_stops_where_that_is_wished(api: Any) -> None:
    parts = [
        {"method": "GET", "url": "v66.0/limits"},
        {"method": "GET", "url": "v66.0/sobjects/Nothing"},
        {"method": "POST", "url": "v66.0/sobjects/Account", "richInput": {"Name": "a"}},
    ]
    halted = api("POST", "/composite/batch", {"haltOnError": True, "batchRequests": parts}).body
    assert (halted["hasErrors"], [one["statusCode"] for one in halted["results"]]) == (True, [200, 404, 412])
    whole = api("POST", "/composite/batch", {"batchRequests": parts}).body
    assert [one["statusCode"] for one in whole["results"]] == [200, 404, 201]


def test_a_tree_is_created_whole_or_not_at_all(api: Any) -> None:
    child = {"attributes": {"type": "Contact", "referenceId": "c"}, "LastName": "Lee"}
    tree = {"attributes": {"type": "Account", "referenceId": "a"}, "Name": "Acme", "Contacts": {"records": [child]}}
    made = api("POST", "/composite/tree/Account", {"records": [tree]})
    assert (made.status, [one["referenceId"] for one in made.body["results"]]) == (201, ["a", "c"])
    assert api.rows("SELECT Account.Name FROM Contact")[0]["Account"]["Name"] == "Acme"
    broken = {**tree, "Contacts": {"records": [{"attributes": {"type": "Contact", "referenceId": "bad"}}]}}
    refused = api("POST", "/composite/tree/Account", {"records": [broken]})
    assert (refused.status, refused.body["results"][0]["referenceId"]) == (400, "bad")
    assert len(api.rows("SELECT Id FROM Account")) == 1
