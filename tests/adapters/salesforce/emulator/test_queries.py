"""Queries over the API: rows, relations, order, both levels of pages, and the errors of the product."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_bridge_salesforce.emulator import SalesforceCrm

ACCOUNTS = (
    ("Acme", 10, "CA"),
    ("acme two", 20, None),
    ("50% off_", None, "NY"),
    ("Zeta\\", 5, "ca"),
)


def create(api: Any) -> dict[str, str]:
    with api.crm.records.transaction():
        return {
            name: api.create("Account", Name=name, NumberOfEmployees=size, BillingState=state)
            for name, size, state in ACCOUNTS
        }


@pytest.fixture
def accounts(api: Any) -> dict[str, str]:
    return create(api)


@pytest.fixture(scope="module")
def fixed(shared: Any) -> Any:
    """The same accounts for every condition."""
    create(shared)
    return shared


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("Name = 'ACME'", ["Acme"]),
        ("Name LIKE 'acme%'", ["Acme", "acme two"]),
        ("Name LIKE '50\\% off\\_'", ["50% off_"]),
        ("Name LIKE '_cme'", ["Acme"]),
        ("Name LIKE '%\\\\'", ["Zeta\\"]),
        ("NumberOfEmployees > 5 AND NumberOfEmployees <= 20", ["Acme", "acme two"]),
        ("NumberOfEmployees != 10", ["acme two", "50% off_", "Zeta\\"]),
        ("NumberOfEmployees = null", ["50% off_"]),
        ("BillingState IN ('CA', 'NY')", ["Acme", "50% off_", "Zeta\\"]),
        ("BillingState NOT IN ('CA')", ["acme two", "50% off_"]),
        ("(NOT Name LIKE 'a%') AND (BillingState = 'ny' OR NumberOfEmployees = 5)", ["50% off_", "Zeta\\"]),
        ("IsDeleted = false AND Owner.Name = 'CRM Bridge Integration'", [one[0] for one in ACCOUNTS]),
        (
            "CreatedDate = TODAY AND CreatedDate = LAST_N_DAYS:2 AND CreatedDate > YESTERDAY",
            [one[0] for one in ACCOUNTS],
        ),
        ("CreatedDate < 1970-01-01T00:00:00Z OR CreatedDate > TODAY", []),
    ],
)
def test_conditions_find_the_rows_they_mean(fixed: Any, where: str, names: list[str]) -> None:
    rows = fixed.rows(f"SELECT Name FROM Account WHERE {where}")
    assert [row["Name"] for row in rows] == names


def test_order_puts_nulls_first_unless_last_is_asked_for(api: Any, accounts: dict[str, str]) -> None:
    def sizes(order: str) -> list[int | None]:
        return [row["NumberOfEmployees"] for row in api.rows(f"SELECT NumberOfEmployees FROM Account ORDER BY {order}")]

    assert sizes("NumberOfEmployees") == [None, 5, 10, 20]
    assert sizes("NumberOfEmployees DESC") == [None, 20, 10, 5]
    assert sizes("NumberOfEmployees ASC NULLS LAST") == [5, 10, 20, None]
    assert sizes("NumberOfEmployees DESC NULLS LAST LIMIT 2 OFFSET 1") == [10, 5]


def test_parents_and_children_are_nested(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "It broke.").id
    (row,) = api.query(
        "SELECT Id, contact.Email, Contact.Account.Name, ParentId,"
        " (SELECT TextBody, Parent.CaseNumber FROM EmailMessages), (SELECT Id FROM CaseComments) FROM Case"
        f" WHERE Id = '{case[:15]}'"
    ).body["records"]
    assert row["attributes"] == {"type": "Case", "url": f"/services/data/v66.0/sobjects/Case/{case}"}
    assert row["Contact"]["Email"] == "ann@example.org"
    assert row["Contact"]["attributes"]["type"] == "Contact"
    assert row["Contact"]["Account"] is None
    assert row["CaseComments"] is None
    (mail,) = row["EmailMessages"]["records"]
    assert (mail["TextBody"], mail["Parent"]["CaseNumber"]) == ("It broke.", "00001001")


def test_a_query_inside_in_limits_the_outer_one(api: Any, crm: SalesforceCrm) -> None:
    first, _ = crm.open_case("One", "x"), crm.open_case("Two", "x")
    crm.agent_writes(first, "Note.", agent="Ana Agent", public=False)
    rows = api.rows("SELECT Subject FROM Case WHERE Id IN (SELECT ParentId FROM CaseComment WHERE IsPublished = false)")
    assert rows == [{"Subject": "One"}]


def test_count_gives_a_size_and_no_rows(api: Any, accounts: dict[str, str]) -> None:
    reply = api.query("SELECT COUNT() FROM Account WHERE Name LIKE 'a%'")
    assert reply.body == {"totalSize": 2, "done": True, "records": []}


def test_deleted_rows_are_in_query_all_only(api: Any, accounts: dict[str, str]) -> None:
    api("DELETE", f"/sobjects/Account/{accounts['Acme']}")
    assert api.query("SELECT Id FROM Account").body["totalSize"] == 3
    assert api.query("SELECT Id FROM Account", every=True).body["totalSize"] == 4
    assert api.query("SELECT Id FROM Account WHERE IsDeleted = true ALL ROWS").body["totalSize"] == 1


def test_pages_come_at_both_levels(api: Any, crm: SalesforceCrm) -> None:
    crm.org.pages.rows = 4
    busy, quiet = crm.open_case("Busy", "0"), crm.open_case("Quiet", "0")
    for number in range(1, 10):
        crm.customer_writes(busy, str(number))
    first = api.query("SELECT Subject, (SELECT TextBody FROM EmailMessages) FROM Case ORDER BY CaseNumber").body
    assert (first["totalSize"], first["done"], len(first["records"])) == (2, False, 1)
    second = api("GET", first["nextRecordsUrl"]).body
    assert ([one["Subject"] for one in second["records"]], second["done"]) == (["Quiet"], True)
    inner = first["records"][0]["EmailMessages"]
    texts, sizes = [], set()
    while True:
        texts += [one["TextBody"] for one in inner["records"]]
        sizes.add(inner["totalSize"])
        if inner["done"]:
            break
        inner = api("GET", inner["nextRecordsUrl"]).body
    assert (texts, sizes) == ([str(number) for number in range(10)], {10})
    assert quiet.id != busy.id


def test_the_caller_chooses_between_200_and_2000_rows(api: Any, crm: SalesforceCrm) -> None:
    account = crm.org.object("Account")
    with crm.records.transaction():
        for number in range(420):
            crm.org.store.put_new(account, {"Name": f"A {number}"}, crm.org.people.admin)
    statement = "SELECT Id FROM Account"
    assert [len(api.query(statement, rows=rows).body["records"]) for rows in (10, 300, 9000)] == [200, 300, 420]
    first = api.query(statement, rows=200).body
    last = api("GET", first["nextRecordsUrl"].replace("-200", "-400")).body
    assert (len(last["records"]), last["done"], last["totalSize"]) == (20, True, 420)


@pytest.mark.parametrize("locator", ["01gxx000000NEXT-2000", "x", "01gWx0000000001-abc", "%2e%2e"])
def test_an_unknown_locator_is_refused(shared: Any, locator: str) -> None:
    reply = shared("GET", f"/query/{locator}")
    assert (reply.status, reply.code) == (400, "INVALID_QUERY_LOCATOR")


def test_a_locator_ends_after_two_days(api: Any, crm: SalesforceCrm, accounts: dict[str, str]) -> None:
    crm.org.pages.rows = 2
    more = api.query("SELECT Id FROM Account").body["nextRecordsUrl"]
    crm.clock.advance(timedelta(days=2, seconds=1))
    api.token = crm.org.sessions.open(crm.org.people.integration)
    assert api("GET", more).code == "INVALID_QUERY_LOCATOR"


@pytest.mark.parametrize(
    ("statement", "code", "said"),
    [
        ("SELECT Foo__c FROM Case", "INVALID_FIELD", "No such column 'Foo__c' on entity 'Case'"),
        ("SELECT Id FROM Case WHERE Foo = 1", "INVALID_FIELD", "No such column 'Foo' on entity 'Case'"),
        ("SELECT Contact.Foo FROM Case", "INVALID_FIELD", "No such column 'Foo' on entity 'Contact'"),
        ("SELECT Foo.Name FROM Case", "INVALID_FIELD", "Didn't understand relationship 'Foo' in field path"),
        ("SELECT Id FROM Foo__c", "INVALID_TYPE", "sObject type 'Foo__c' is not supported"),
        ("SELECT (SELECT Id FROM Foos__r) FROM Case", "INVALID_TYPE", "relationship 'Foos__r' in FROM part"),
        ("SELECT (SELECT Foo FROM EmailMessages) FROM Case", "INVALID_FIELD", "on entity 'EmailMessage'"),
        ("SELECT Id FROM Case WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered in a query call"),
        ("SELECT Id FROM Case ORDER BY Description", "INVALID_FIELD", "can not be sorted in a query call"),
        ("SELECT Id FROM Case WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"),
        ("SELECT Id FROM Case WHERE CreatedDate = '2026-01-01'", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Case WHERE IsClosed = 'true'", "INVALID_FIELD", "must be of type boolean"),
        ("SELECT Id FROM Case WHERE Subject = 5", "INVALID_FIELD", "should be enclosed in quotes"),
        ("SELECT Id FROM Case OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
        ("SELECT FIELDS(ALL) FROM Case", "MALFORMED_QUERY", "LIMIT"),
        ("", "MALFORMED_QUERY", ""),
    ],
)
def test_what_is_wrong_is_said_as_the_product_says_it(shared: Any, statement: str, code: str, said: str) -> None:
    reply = shared.query(statement)
    assert (reply.status, reply.code) == (400, code)
    assert said in reply.body[0]["message"]


def test_all_fields_are_those_of_the_describe(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x")
    (row,) = api.rows(f"SELECT FIELDS(ALL) FROM Case WHERE Id = '{case.id}' LIMIT 1")
    assert list(row) == [one["name"] for one in api("GET", "/sobjects/Case/describe").body["fields"]]


def test_a_list_lags_and_a_record_asked_for_by_id_does_not(api: Any, crm: SalesforceCrm) -> None:
    crm.clock.stop_at(datetime(2026, 11, 23, 12, tzinfo=UTC))
    api.token = crm.org.sessions.open(crm.org.people.integration)
    crm.let_index_lag(timedelta(seconds=30))
    case = crm.open_case("New", "x")
    assert api.rows("SELECT Id FROM Case") == []
    assert api("GET", "/search", params={"q": "FIND {New} RETURNING Case"}).body["searchRecords"] == []
    assert api.rows(f"SELECT Subject FROM Case WHERE Id = '{case.id}'") == [{"Subject": "New"}]
    crm.clock.advance(timedelta(seconds=31))
    assert api.rows("SELECT Id FROM Case") == [{"Id": case.id}]


def test_a_search_finds_whole_words_and_prefixes(api: Any, accounts: dict[str, str]) -> None:
    def found(search: str) -> list[str]:
        reply = api("GET", "/search", params={"q": search})
        assert reply.status == 200, reply.body
        return [one.get("Name") or one["attributes"]["type"] for one in reply.body["searchRecords"]]

    assert found("FIND {acme} IN ALL FIELDS RETURNING Account(Id, Name), Contact") == ["Acme", "acme two"]
    assert found("FIND {acm} RETURNING Account(Name)") == []
    assert found("FIND {acm*} IN NAME FIELDS RETURNING Account(Name ORDER BY Name DESC LIMIT 1)") == ["acme two"]
    assert found('FIND {"acme two" OR zeta} RETURNING Account(Name)') == ["acme two", "Zeta\\"]
    assert found("FIND {Acme} RETURNING Account(Name WHERE NumberOfEmployees < 15) LIMIT 5") == ["Acme"]
    assert found("FIND {\\{acme\\}} LIMIT 1") == ["Account"]


@pytest.mark.parametrize("search", ["FIND acme", "FIND {}", "FIND {a} RETURNING Account", "FIND {acme} GIVING Account"])
def test_a_search_that_makes_no_sense_is_refused(shared: Any, search: str) -> None:
    reply = shared("GET", "/search", params={"q": search})
    assert (reply.status, reply.code) == (400, "MALFORMED_SEARCH")
