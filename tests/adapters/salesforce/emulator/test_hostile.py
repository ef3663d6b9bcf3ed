"""Whatever is sent, the org answers in the form of its API and never breaks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIELDS = (
    "Id",
    "Subject",
    "CreatedDate",
    "IsClosed",
    "Owner.Name",
    "Description",
    "CRMB_Sequence__c",
    "ContactId",
    "Foo",
)
VALUES = (
    "'x'", "null", "true", "5", "1e400", "2026-11-23", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
    "TODAY", "LAST_N_YEARS:99999", "NEXT_N_DAYS:99999", "'%a\\\\%_\\_'", "''", "FOO",
)  # fmt: skip
COMPARISONS = st.builds(
    "{} {} {}".format,
    st.sampled_from(FIELDS),
    st.sampled_from(("=", "!=", "<", ">=", "LIKE")),
    st.sampled_from(VALUES),
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds("NOT ({})".format, inner),
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
    ),
    max_leaves=5,
)
NAMES = (
    "records", "compositeRequest", "batchRequests", "attributes", "type", "method", "url", "referenceId", "body",
    "Name", "httpHeaders", "ids", "fields", "inputs", "sobjects", "q", "record", "allOrNone",
)  # fmt: skip
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(("x", "Account", "GET", "@{a[0].b}"))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)
POSTED = (
    "/composite", "/composite/batch", "/composite/sobjects", "/composite/tree/Account", "/composite/sobjects/Account",
    "/parameterizedSearch", "/sobjects/Account", "/quickActions/LogACall", "/actions/standard/emailSimple",
)  # fmt: skip
calm = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@calm
@given(where=CONDITIONS, order=st.sampled_from(FIELDS))
def test_no_condition_breaks_a_query(shared: Any, where: str, order: str) -> None:
    shared.crm.org.pages.rows = 3
    reply = shared.query(f"SELECT Id, (SELECT Id FROM EmailMessages) FROM Case WHERE {where} ORDER BY {order}")
    assert reply.status in (200, 400), reply.body


@pytest.mark.parametrize("path", POSTED)
@settings(calm, max_examples=20)
@given(document=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
def test_no_document_breaks_a_write(shared: Any, path: str, document: Any) -> None:
    reply = shared("POST", path, document)
    assert reply.status < 500, reply.body


@calm
@given(words=st.text(alphabet="ab*?{}()\\\"' OR,FINDRETUGC", max_size=30))
def test_no_words_break_a_search(shared: Any, words: str) -> None:
    for statement in (words, "FIND {" + words + "}", "FIND {ab} RETURNING Case(" + words + ")"):
        assert shared("GET", "/search", params={"q": statement}).status in (200, 400), statement


@pytest.mark.parametrize("wildcards", [3, 60])
def test_wildcards_cost_no_time(shared: Any, wildcards: int) -> None:
    shared.create("Account", Name="a" * 250)
    pattern = "%a" * wildcards + "%b"
    assert shared.rows(f"SELECT Id FROM Account WHERE Name LIKE '{pattern}'") == []
    search = shared("GET", "/search", params={"q": "FIND {" + "a*" * wildcards + "b} RETURNING Account"})
    assert search.status == (200 if wildcards <= 3 else 400)
