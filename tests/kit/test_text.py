"""Texts and HTML from outside become storable and readable, and cost little whoever built them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.kit.text import MAX_TEXT_CHARS, clean_text, plain_text, repair_text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\x00b", "ab"),
        ("cut \ud83d", "cut \ufffd"),
        ("\ude00 cut", "\ufffd cut"),
        ("\ud83d\ude00", "😀"),
        ("\ud83d\x00\ude00", "😀"),
    ],
)
def test_only_what_cannot_be_stored_is_replaced(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_every_other_text_survives_byte_for_byte(text: str) -> None:
    assert clean_text(text) == text


@given(text=st.text(st.characters() | st.characters(categories=["Cs"]) | st.just("\x00")))
def test_a_cleaned_text_can_be_stored_and_cleaning_again_changes_nothing(text: str) -> None:
    cleaned = clean_text(text)
    assert b"\x00" not in cleaned.encode("utf-8")
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("schÃ¶n", "schön"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("“quoted” ﬁne Ａ &amp;", "“quoted” ﬁne Ａ &amp;"),
        ("\ud800", "\ufffd"),
    ],
)
def test_broken_text_is_repaired_and_odd_text_is_kept(text: str, readable: str) -> None:
    assert repair_text(text) == readable


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("  \n ", ""),
        ("a < b & c", "a < b & c"),
        ("<p>Hi <b>you</b></p><p>Bye</p>", "Hi you\n\nBye"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>cc</td><td>d</td></tr></table>", "a   b\ncc  d"),
        ("<ul><li>x<li>y</ul>", "* x\n  * y"),
        ("a<script>evil()</script><style>b{}</style><!-- c --><title>t</title>d", "ad"),
        ("<img src=x onerror=evil()><a href='javascript:evil()'>link</a>", "link"),
        ("&lt;script&gt;evil()", "<script>evil()"),
        ("<?xml version='1.0' encoding='utf-7'?><p>x</p>", "x"),
        ("<p>schÃ¶n\x00</p>", "schön"),
    ],
)
def test_html_reads_as_a_person_would_read_it(html: str, text: str) -> None:
    assert plain_text(html) == text


def test_deeply_nested_html_loses_no_text() -> None:
    html = "<div>" * 400 + "<p>Hello &amp; <b>you</b></p><script>evil()</script><!-- no --><p>Bye</p>" + "</div>" * 400
    assert plain_text(html) == "Hello & you\n\nBye"


COSTLY = {
    "deep": "<div>" * 60_000,
    "deep tables": "<table><tr><td>" * 20_000,
    "many tables": "<table><tr><td>x</td></tr></table>" * 8_000,
    "padded table": "<table>" + "<tr><td>x</td></tr>" * 3_000 + "<tr><td>" + "y" * 100_000 + "</table>",
    "nested tables": "<table><tr><td>" * 55 + "y" * 100_000,
    "wide table": "<table><tr>" + "<td>x" * 4_900,
    "indented list": "<ul>" * 59 + "<li>x" * 4_900,
    "unclosed fonts": "".join(f"<font color={n}>" for n in range(9_000)),
    "misnested fonts": "".join(f"<font color={n}><p>x</p></b>" for n in range(1_200)),
    "open comments": "<!--" * 70_000,
    "open scripts": "<script>" * 30_000,
    "open tags": "<a b='" * 50_000,
    "angles": "<" * 300_000,
    "ampersands": "&" * 300_000,
    "spaces": "<p> " + " \n" * 140_000,
}


@pytest.mark.parametrize("html", COSTLY.values(), ids=COSTLY.keys())
def test_html_built_to_be_costly_is_not(html: str) -> None:
    began = time.process_time()
    assert len(plain_text(html)) <= MAX_TEXT_CHARS
    assert time.process_time() - began < 2.0


PIECES = st.sampled_from(["<p>", "</p>", "<table>", "<tr>", "<td>", "</table>", "<script>", "</script", "<!--", "-->"])


@settings(deadline=None, max_examples=60)
@given(html=st.lists(PIECES | st.text(max_size=6), max_size=30).map("".join))
def test_no_html_raises(html: str) -> None:
    text = plain_text(html)
    assert text == clean_text(text).strip()
