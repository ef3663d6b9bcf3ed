"""JSON from outside: strict about its shape, forgiving about broken characters in its texts."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.contract import InvalidDelivery
from crm_bridge.kit.parsing import JsonValue, parse_json


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b" [1, 2.5, -0, true, null] ", [1, 2.5, 0, True, None]),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b'"\xf0\x9f\x98\x80"', "😀"),
        (rb'"\ud83d\ude00"', "😀"),
        (b'"\xe2\x80\xa8\xe2\x80\xae"', "\u2028\u202e"),
        (b'{"a": {"a": 1}}', {"a": {"a": 1}}),
        (b"1e-999", 0.0),
    ],
)
def test_valid_json_is_read(body: bytes, value: JsonValue) -> None:
    assert parse_json(body) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"half \ud83d"', "half \ufffd"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"a\u0000b"', "ab"),
        (rb'{"k\u0000\ud800": ["\udfff"]}', {"k\ufffd": ["\ufffd"]}),
        (rb'"\ud83d\u0000\ude00"', "😀"),
    ],
)
def test_characters_no_database_takes_are_replaced_and_not_refused(body: bytes, value: JsonValue) -> None:
    assert parse_json(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32"),
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"1e999",
        b"-1e999",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"1" * 5000,
        b'{"a": 1, "a": 1}',
        rb'{"a": 1, "a": 2}',
        rb'{"a": 1, "a\u0000": 2}',
        b'{"a": 1} x',
        b"{'a': 1}",
        b"[1,]",
        b'"a\nb"',
        b'"a\x00b"',
        b"01",
        b"+1",
        b".5",
        b"\x00",
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 100_000,
        b'[{"":' * 100_000,
        b'"' + b"a" * 1_000_001 + b'"',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_everything_else_is_refused_in_one_way(body: bytes) -> None:
    with pytest.raises(InvalidDelivery):
        parse_json(body)


def test_nesting_up_to_the_limit_is_read_and_brackets_in_texts_do_not_count() -> None:
    assert parse_json(b"[" * 64 + b"]" * 64)
    assert parse_json(b'["' + b"[" * 5000 + rb"\"[\\" + b'"]') == ["[" * 5000 + '"[\\']


def test_limits_can_be_tightened() -> None:
    assert parse_json(b"[[1]]", max_bytes=5, max_depth=2) == [[1]]
    with pytest.raises(InvalidDelivery):
        parse_json(b"[[1]]", max_bytes=4)
    with pytest.raises(InvalidDelivery):
        parse_json(b"[[1]]", max_depth=1)


@pytest.mark.parametrize("body", [b'{"canary": 1, "canary": 2}', b'["canary', b"canary", b'"canary\xff"'])
def test_a_refusal_quotes_nothing(body: bytes) -> None:
    with pytest.raises(InvalidDelivery) as failure:
        parse_json(body)
    assert "canary" not in str(failure.value)
    assert failure.value.__cause__ is None


@pytest.mark.parametrize(
    "body",
    [
        b'"' * 999_999,
        b'"' + rb"\"" * 499_999,
        b"\\" * 999_999,
        b'[["' + rb"\"" * 400_000 + b"[" * 100,
        b"[]," * 300_000,
        b"[" * 64 + b"[{}," * 200_000,
        b"[" + b"{}," * 300_000 + b"0]",
        b"1" * 999_999,
        b"0." + b"1" * 999_990,
    ],
    ids=lambda body: repr(body[:10]),
)
def test_a_body_of_full_size_costs_little_time(body: bytes) -> None:
    began = time.process_time()
    with suppress(InvalidDelivery):
        parse_json(body)
    assert time.process_time() - began < 1.0


TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50)
@given(value=VALUES, ascii_only=st.booleans())
def test_what_a_sender_wrote_is_what_is_read(value: JsonValue, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(body=st.binary(max_size=60) | st.text(r'{}[]":,\ud0 19.eE-tn', max_size=40).map(str.encode))
def test_no_bytes_raise_anything_foreign_and_all_that_passes_can_be_stored(body: bytes) -> None:
    try:
        value = parse_json(body)
    except InvalidDelivery:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    assert rb"\u0000" not in json.dumps(value).encode()
