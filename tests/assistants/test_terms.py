"""What a text is about: inflected and related words meet, grammar and politeness do not count."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.assistants.concepts import CONCEPTS
from crm_bridge.assistants.stopwords import COURTESY_WORDS, FUNCTION_WORDS
from crm_bridge.assistants.terms import clauses, content_terms, search_words, sentences, shared, stem


@pytest.mark.parametrize(
    "words",
    [
        ("delivery", "delivered", "deliver"),
        ("refund", "refunds", "refunded"),
        ("cancel", "cancelled", "cancellation"),
        ("ship", "shipping", "ships"),
        ("Rechnung", "Rechnungen"),
        ("Bestellung", "bestellt", "bestellen"),
        ("contraseña", "contraseñas"),
        ("commande", "commandes"),
        ("return", "returns", "returned"),
    ],
)
def test_inflected_forms_meet(words: tuple[str, ...]) -> None:
    first = stem(words[0])
    assert all(shared({stem(word)}, frozenset({first})) for word in words)


@pytest.mark.parametrize("pair", [("password", "parcel"), ("contraseña", "contrato"), ("order", "refund")])
def test_different_words_do_not(pair: tuple[str, str]) -> None:
    assert not shared({stem(pair[0])}, frozenset({stem(pair[1])}))


def test_politeness_and_grammar_are_no_topic() -> None:
    assert content_terms("Hello, could you please help me with this? Many thanks and kind regards", "en") == frozenset()


def test_links_addresses_and_mask_tokens_are_no_topic() -> None:
    assert content_terms("[NAME_1] https://example.com/refund me@refund.example [[EMAIL_2]]", "en") == frozenset()


def test_words_with_one_meaning_are_one_topic() -> None:
    assert content_terms("parcel", "en") == content_terms("shipping", "en")
    assert content_terms("Paket", "de") == content_terms("Lieferung", "de")


def test_search_words_add_what_means_the_same_in_that_language_only() -> None:
    words = search_words("Where is my parcel?", "en")
    assert words[0] == "parcel"
    assert "delivery" in words
    assert "lieferung" not in words
    assert search_words("parcel", None) == ("parcel",)


@pytest.mark.parametrize("language", sorted(CONCEPTS))
def test_no_word_stands_for_two_topics(language: str) -> None:
    seen: dict[str, str] = {}
    for concept, words in CONCEPTS[language].items():
        for word in words:
            assert seen.setdefault(stem(word), concept) == concept, word


def test_the_tables_speak_the_same_languages() -> None:
    assert set(FUNCTION_WORDS) == set(COURTESY_WORDS) == set(CONCEPTS)


def test_sentences_end_where_people_end_them() -> None:
    text = "Hi Ada! Is no. 5 open, e.g. on Nov. 3? “Yes.” It costs approx. 3.50 EUR.\n1. First. Then second.\n2. Third."
    assert sentences(text) == [
        "Hi Ada!",
        "Is no. 5 open, e.g. on Nov. 3?",
        "“Yes.”",
        "It costs approx. 3.50 EUR.",
        "1. First. Then second.",
        "2. Third.",
    ]


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_sentences_lose_no_word(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_hostile_text_costs_linear_time() -> None:
    begun = time.monotonic()
    for text in (
        "a" * 100_000,
        "a. " * 50_000,
        "[" * 100_000,
        "<" * 100_000,
        "a'" * 50_000,
        "@" * 100_000,
        "Dr. " * 40_000,
        'A." ' * 9_000,
    ):
        content_terms(text, None)
        for sentence in sentences(text):
            clauses(sentence)
    assert time.monotonic() - begun < 3
