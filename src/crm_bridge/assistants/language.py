"""The language of a text, said only when it is clear.

Owns detection and the form of language codes. With the extra `lang` a statistical model answers, without it the
stop words of seven languages; both stay silent on short, mixed or foreign texts, because a wrong language is worse
than none. No I/O apart from loading the model once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from crm_bridge.assistants.stopwords import FUNCTION_WORDS
from crm_bridge.assistants.terms import without_noise

# fmt: off
PLAUSIBLE = frozenset(
    {
        "en", "de", "es", "fr", "it", "nl", "pt", "da", "sv", "no", "fi", "pl", "cs", "sk", "hu",
        "ro", "bg", "hr", "sl", "el", "ru", "uk", "tr", "ar", "he", "fa", "hi", "ja", "ko", "zh",
        "th", "vi", "id", "ca",
    }
)
# fmt: on
"""Languages customers write in; rarer ones of the model are mostly mistakes on short mails."""

MAX_CHARS = 4_000
"""Enough to be sure; keeps the cost the same for every mail."""

_MIN_WORDS, _MIN_LETTERS = 3, 12
_MIN_WIDE_LETTERS = 4
_SURE, _LIKELY = 0.85, 0.5
_STOP_WORD_SHARE = 0.2

# Whatever holds a digit is no word.
_WORD = re.compile(r"(?<![^\W_])[^\W\d_]+(?:['’][^\W\d_]+)?(?![^\W_])")
_WIDE = re.compile(r"[\u0590-\u0dff\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

Ranker = Callable[[str], tuple[str, float]]


def primary_code(language: str | None) -> str | None:
    """`de` for `de-AT`, `DE` or `de_CH`; None for anything that is no language code."""
    found = re.match(r"([a-z]{2,3})(?:[-_]|$)", (language or "").strip().lower())
    return found[1] if found else None


def detect_language(text: str) -> str | None:
    """The ISO 639-1 code of a text's language, or None when it is not clear."""
    clean = without_noise(text[:MAX_CHARS])
    words = [word.lower().replace("’", "'") for word in _WORD.findall(clean)]
    letters = sum(len(word) for word in words)
    wide = len(_WIDE.findall(clean))
    if wide < _MIN_WIDE_LETTERS and (len(words) < _MIN_WORDS or letters < _MIN_LETTERS):
        return None
    by_words = _by_stop_words(words)
    model = _model()
    if model is None:
        return by_words
    language, confidence = model(" ".join(words))
    agreed = confidence >= _LIKELY and language == by_words
    return language if confidence >= _SURE or agreed else None


def _by_stop_words(words: list[str]) -> str | None:
    hits = sorted(
        ((sum(word in known for word in words), code) for code, known in FUNCTION_WORDS.items()), reverse=True
    )
    (most, code), (second, _) = hits[0], hits[1]
    clear = most >= 2 and most >= _STOP_WORD_SHARE * len(words) and most >= 1.5 * second
    return code if clear else None


@cache
def _model() -> Ranker | None:
    """The statistical model (0.5 s and some 60 MB, so only when first needed), None without the extra `lang`."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        return None
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(PLAUSIBLE & set(identifier.labels))

    def rank(text: str) -> tuple[str, float]:
        language, confidence = identifier.classify(text)
        return str(language), float(confidence)

    return rank
