"""Statements: what is understood, and that nothing but the API's own error comes of the rest."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.soql import parse
from crm_bridge_salesforce.emulator.soql.tree import All, AnyOf, Comparison, Negated, Path, Query

WORDS = (
    "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ORDER BY", "LIMIT", "OFFSET", "NULLS LAST", "DESC",
    "FOR UPDATE", "ALL ROWS", "COUNT()", "Id", "Name", "Owner.Name", "Account", "(", ")", ",", "=", "!=", "<=", "'x'",
    "'it\\'s'", "3", "null", "TODAY", "LAST_N_DAYS:3", "2026-11-23T10:00:00Z", "2026-11-23", "FIELDS(ALL)", "'",
)  # fmt: skip


def condition(text: str) -> object:
    return parse(f"SELECT Id FROM Case WHERE {text}").where


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    _parsed_or_refused(text)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
def test_no_heap_of_words_raises_anything_but_a_refusal(text: str) -> None:
    _parsed_or_refused(text)
    _parsed_or_refused(f"SELECT Id FROM Case WHERE {text}")


@settings(max_examples=100)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_an_escaped_text_comes_back_as_it_was(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    where = condition(f"Subject = '{escaped}'")
    assert isinstance(where, Comparison)
    assert where.values[0].value == text


@pytest.mark.parametrize("depth", [500, 20_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    for text in ("(" * depth + "Id = null" + ")" * depth, "NOT " * depth + "Id = null"):
        with pytest.raises(Refused) as refused:
            condition(text)
        assert refused.value.code == "QUERY_TOO_COMPLICATED"


def test_a_statement_of_more_than_100_000_letters_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        parse("SELECT Id FROM Case WHERE Subject = '" + "x" * 100_000 + "'")
    assert refused.value.code == "QUERY_TOO_COMPLICATED"


def test_and_and_or_at_one_level_need_parentheses() -> None:
    assert isinstance(condition("Id = null AND Id = null AND Id = null"), All)
    assert isinstance(condition("Id = null OR (Id = null AND Id = null)"), AnyOf)
    with pytest.raises(Refused, match="MALFORMED_QUERY"):
        condition("Id = null AND Id = null OR Id = null")


def test_every_clause_of_a_statement_is_read() -> None:
    query = parse(
        "select Id, Owner.Name, (SELECT Id FROM EmailMessages WHERE NOT Status = '5' LIMIT 3) FROM Case c "
        "WHERE c.Subject LIKE 'a%' ORDER BY CreatedDate DESC NULLS LAST, Id LIMIT 10 OFFSET 5 FOR VIEW"
    )
    inner = query.select[2]
    assert query.select[1] == Path(("Owner", "Name"), 11)
    assert isinstance(inner, Query)
    assert isinstance(inner.where, Negated)
    assert (query.alias, query.limit, query.offset, inner.limit) == ("c", 10, 5, 3)
    assert [(one.path.names, one.descending, one.nulls_last) for one in query.order] == [
        (("CreatedDate",), True, True),
        (("Id",), False, False),
    ]


@pytest.mark.parametrize(
    ("statement", "place", "said"),
    [
        ("SELECT Id FORM Case", "ERROR at Row:1:Column:11", "unexpected token: 'FORM'"),
        ("SELECT Id\nFROM Case\nWHERE", "ERROR at Row:3:Column:6", "unexpected end"),
        ("SELECT Id, FROM Case", "ERROR at Row:1:Column:12", "unexpected token: 'FROM'"),
        ("SELECT * FROM Case", "ERROR at Row:1:Column:8", "unexpected token: '*'"),
        ("SELECT Id FROM Case WHERE Subject = 'it's'", "ERROR at Row:1:Column:42", "end inside a text"),
    ],
)
def test_an_error_says_where_it_is(statement: str, place: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(statement)
    assert refused.value.code == "MALFORMED_QUERY"
    assert place in refused.value.message
    assert said in refused.value.message


def _parsed_or_refused(text: str) -> None:
    with contextlib.suppress(Refused):
        parse(text)
