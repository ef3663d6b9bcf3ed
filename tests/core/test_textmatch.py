"""What makes two texts the same, and how far apart they are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.core.textmatch import MAX_COMPARED_CHARS, Likeness, fold, likeness, normalise, similarity

short = st.text(alphabet="abc d", max_size=14)


def slow_distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        row, above = [i], row
        for j, right in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (left != right)))
    return row[-1]


@given(a=short, b=short)
def test_similarity_is_the_textbook_one(a: str, b: str) -> None:
    left, right = normalise(a), normalise(b)
    longest = max(len(left), len(right), 1)
    assert similarity(a, b) == pytest.approx(1 - slow_distance(left, right) / longest)


@given(a=st.text(max_size=80), b=st.text(max_size=80))
def test_similarity_is_symmetric_bounded_and_1_only_for_the_same(a: str, b: str) -> None:
    value = similarity(a, b)
    assert 0.0 <= value <= 1.0
    assert value == pytest.approx(similarity(b, a))
    assert (value == 1.0) == (normalise(a) == normalise(b))


@given(text=st.text(max_size=80))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_what_a_mail_client_changes_is_no_edit() -> None:
    ours = "Hello Ada,\n\nit's “done” – thank you.\n"
    assert likeness(ours, 'Hello Ada,\r\n\r\nit’s "done" - thank\u00a0you.') is Likeness.SAME
    assert likeness(ours, ours + "\n-- \nBob, Shop\nPhone 123") is Likeness.SAME
    assert likeness(ours, ours + "\n> Where is it?\n> Ada\n") is Likeness.SAME


def test_edited_and_other_texts_are_told_apart() -> None:
    ours = "Hello Ada, your parcel is on its way and arrives soon."
    assert likeness(ours, ours.replace("soon", "tomorrow")) is Likeness.EDITED
    assert likeness(ours, "We are closed.") is Likeness.OTHER
    assert likeness("", "text") is Likeness.OTHER


def test_long_texts_are_compared_within_bounds() -> None:
    long = "abc " * MAX_COMPARED_CHARS
    assert similarity(long, long) == 1.0
    assert similarity(long, long + "tail") < 1.0
    assert similarity("a" * 10**6, "b" * 10**6) == 0.0


@settings(max_examples=200)
@given(text=st.text(max_size=80))
def test_folding_keeps_the_way_back(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.origin)
    assert list(folded.origin) == sorted(folded.origin)
    if folded.text:
        assert folded.span(0, len(folded.text))[1] == len(text)


@pytest.mark.parametrize(("written", "folded"), [("MÜLLER", "muller"), ("Stra\u00dfe", "strasse"), ("４１", "41"),
    ("٤١", "41"), ("a\u200bb", "ab"), ("Jose\u0301", "jose"), ("a\u00a0b", "a b"), ("x\u2013y", "x-y")])  # fmt: skip
def test_spellings_fold_to_one(written: str, folded: str) -> None:
    assert fold(written).text == folded
