"""The language of a text is said when it is clear, and not otherwise, with and without the model."""

from __future__ import annotations

import builtins
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.assistants import language
from crm_bridge.assistants.language import PLAUSIBLE, detect_language, primary_code

CLEAR = [
    ("en", "Hi, where is my order? It has not arrived yet."),
    ("de", "Ich habe mein Passwort vergessen und kann mich nicht anmelden."),
    ("es", "Hola, no puedo entrar en mi cuenta desde ayer, ¿qué hago?"),
    ("fr", "Bonjour, je voudrais être remboursé pour ma commande."),
    ("it", "Ciao, dove si trova il mio ordine? Non è ancora arrivato."),
    ("nl", "Waar is mijn bestelling? Ik heb nog niets van jullie gehoord."),
    ("pt", "Olá, onde está a minha encomenda? Ainda não chegou."),
]
UNCLEAR = [
    "",
    "Hello",
    "OK thanks",
    "refund",
    "4711 / 0815",
    "https://example.com/where/is/my/order",
    "[EMAIL_1] [NAME_1] [PHONE_2]",
    "zxcvb qqqq blorp frobnicate",
]


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra `lang` were not installed."""
    monkeypatch.setattr(language, "_model", lambda: None)


def test_the_model_is_an_extra_and_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("py3langid"):
            raise ModuleNotFoundError(name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    assert language._model.__wrapped__() is None


@pytest.mark.parametrize(("code", "text"), CLEAR)
def test_a_clear_mail_has_its_language(code: str, text: str) -> None:
    assert detect_language(text) == code


@pytest.mark.parametrize(("code", "text"), CLEAR)
def test_without_the_model_the_stop_words_still_tell(no_model: None, code: str, text: str) -> None:
    assert detect_language(text) == code


@pytest.mark.parametrize("text", UNCLEAR)
def test_an_unclear_text_has_none(text: str) -> None:
    assert detect_language(text) is None


@pytest.mark.parametrize("text", UNCLEAR)
def test_an_unclear_text_has_none_without_the_model(no_model: None, text: str) -> None:
    assert detect_language(text) is None


def test_without_the_model_a_language_without_a_table_is_not_mistaken_for_another(no_model: None) -> None:
    assert detect_language("Dzień dobry, gdzie jest moja paczka? Czekam już dwa tygodnie.") is None


def test_mask_tokens_and_links_do_not_count_as_words() -> None:
    german = "Ich habe mein Passwort vergessen [NAME_1] https://example.com/please/help/me/with/this/order"
    assert detect_language(german) == "de"


@pytest.mark.parametrize(
    ("given_code", "expected"),
    [("de", "de"), ("de-AT", "de"), ("pt_BR", "pt"), (" EN ", "en"), ("", None), (None, None), ("German", None)],
)
def test_a_code_is_reduced_to_its_primary_part(given_code: str | None, expected: str | None) -> None:
    assert primary_code(given_code) == expected


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_whatever_the_text_the_answer_is_a_plausible_language_or_none(text: str) -> None:
    assert detect_language(text) in PLAUSIBLE | {None}


def test_a_huge_text_costs_no_more_than_a_mail() -> None:
    detect_language("warm up the model once please")
    begun = time.monotonic()
    detect_language("[" * 2_000_000)
    detect_language("the parcel is not here " * 200_000)
    assert time.monotonic() - begun < 2
