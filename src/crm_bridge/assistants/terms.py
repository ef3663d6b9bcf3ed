"""What a text is about: its sentences and their content terms, crudely stemmed so that inflected forms meet.

Pure and linear in the (bounded) text. No index and no statistics: a few sources are compared, not a corpus.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise

from crm_bridge.assistants.concepts import CONCEPTS
from crm_bridge.assistants.stopwords import COURTESY_WORDS, FUNCTION_WORDS

MAX_CHARS = 8_000
"""How much of any one text is looked at."""

_TOKEN = re.compile(r"\[\[?[^\]\s]{1,60}\]\]?|[<{⟦][^>}⟧\s]{1,60}[>}⟧]")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
# After a full stop, a lower-case letter, a comma or a digit says that it was no end.
_CLOSED = r"[\"”»)]"
_SENTENCE_END = re.compile(
    rf"(?:(?<=[!?])|(?<=[!?]{_CLOSED}))\s+|(?:(?<=[.…])|(?<=[.…]{_CLOSED}))\s+(?=[^\sa-zà-öø-ÿ,;\d])"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-z]|bzw|ca|usw|inkl|zzgl|etc|approx|incl|Nr|No|Art|St|Dr|Mr|Mrs|Ms|Sr|Sra)\.$"
)
_CLAUSE_END = re.compile(r"[,;:]\s|\s(?:and|or|und|oder|sowie|y|e|o|et|ou|en|of)\s", re.IGNORECASE)
_LIST_ITEM = re.compile(r"\s*(?:[-*•–]|\d{1,2}[.)])\s+")

# fmt: off
_SUFFIXES = (
    "ungen", "ingen", "ing", "ung", "edly", "ed", "en", "es", "er", "em", "ly", "e", "a", "o", "i", "y", "n",
)
# fmt: on
_STEM_CHARS, _MIN_STEM_CHARS, _PREFIX_CHARS = 7, 4, 5
_CONCEPT_MARK = "="
_ALL_STOP_WORDS = frozenset().union(*FUNCTION_WORDS.values(), *COURTESY_WORDS.values())


def stop_words(language: str | None) -> frozenset[str]:
    """The words without a topic; those of all languages when the language is unknown."""
    if language is not None and language in FUNCTION_WORDS:
        return FUNCTION_WORDS[language] | COURTESY_WORDS[language]
    return _ALL_STOP_WORDS


def content_terms(text: str, language: str | None) -> frozenset[str]:
    """What a text is about: stems of its words with a topic, known concepts under one name. Numbers count."""
    concepts = _concepts(language)
    return frozenset(concepts.get(root, root) for root in map(stem, _content_words(text, language)))


def search_words(text: str, language: str | None) -> tuple[str, ...]:
    """The words to search articles with, any of which may match: those of the text and what means the same."""
    words = dict.fromkeys(_content_words(text, language))
    same: Mapping[str, tuple[str, ...]] = CONCEPTS.get(language or "", {})
    concepts = _concepts(language)
    meant = {concepts.get(stem(word), "").removeprefix(_CONCEPT_MARK) for word in words}
    return tuple(dict.fromkeys([*words, *(word for concept in sorted(meant) for word in same.get(concept, ()))]))


def _content_words(text: str, language: str | None) -> list[str]:
    stops = stop_words(language)
    words = (word.replace("’", "'").lower() for word in _WORD.findall(without_noise(text[:MAX_CHARS])))
    return [word for word in words if word not in stops and (len(word) > 1 or word.isdigit())]


@cache
def _concepts(language: str | None) -> Mapping[str, str]:
    """Stem -> concept. The mark keeps a concept from meeting an ordinary word."""
    known = list(CONCEPTS) if language is None else [language] if language in CONCEPTS else []
    return {
        stem(part): f"{_CONCEPT_MARK}{concept}"
        for code in known
        for concept, words in CONCEPTS[code].items()
        for word in words
        for part in word.split("-")[-1:]
    }


def word_pairs(text: str) -> frozenset[tuple[str, str]]:
    """Neighbouring words, grammar included: "where is my" says what kind of question it is."""
    words = [word.replace("’", "'").lower() for word in _WORD.findall(without_noise(text[:MAX_CHARS]))]
    return frozenset(pairwise(words))


def without_noise(text: str) -> str:
    """A text without links, addresses and mask tokens: they are nobody's topic and no language's words."""
    return _TOKEN.sub(" ", " ".join(word for word in text.split() if "@" not in word and "://" not in word))


def stem(word: str) -> str:
    """A crude stem: without accents, plural s, one common ending and a doubled last letter; at most 7 characters."""
    folded = "".join(c for c in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(c))
    if folded.isdigit():
        return folded
    folded = folded.split("'")[0] if folded.endswith("'s") else folded.rsplit("'", 1)[-1]
    if folded.endswith("s") and not folded.endswith("ss"):
        folded = _without(folded, "s")
    ending = next((suffix for suffix in _SUFFIXES if _without(folded, suffix) != folded), "")
    cut = _without(folded, ending)[:_STEM_CHARS]
    doubled = len(cut) >= _MIN_STEM_CHARS and cut[-1] == cut[-2]
    return cut[:-1] if doubled else cut


def _without(word: str, ending: str) -> str:
    left = len(word) - len(ending)
    return word[:left] if ending and word.endswith(ending) and left >= _MIN_STEM_CHARS else word


def shared(terms: Iterable[str], others: frozenset[str]) -> frozenset[str]:
    """Those of `terms` that `others` hold too, a long enough one also as the beginning of another (compounds)."""
    return frozenset(term for term in terms if term in others or any(_begins(term, other) for other in others))


def _begins(left: str, right: str) -> bool:
    short, long = sorted((left, right), key=len)
    return len(short) >= _PREFIX_CHARS and long.startswith(short)


def sentences(text: str) -> list[str]:
    """The sentences of a text in order; a line break ends one too, list items stay whole."""
    found: list[str] = []
    for line in text[:MAX_CHARS].splitlines():
        found.extend([line.strip()] if is_list_item(line) else _of_line(line))
    return [sentence for sentence in found if sentence]


def clauses(sentence: str) -> list[str]:
    """The parts of a sentence between commas and the words for "and" and "or"."""
    return _CLAUSE_END.split(sentence)


def is_list_item(line: str) -> bool:
    return _LIST_ITEM.match(line) is not None


def _of_line(line: str) -> list[str]:
    whole: list[str] = []
    for part in _SENTENCE_END.split(line.strip()):
        if whole and _ABBREVIATION.search(whole[-1][-12:]):
            whole[-1] += " " + part
        else:
            whole.append(part)
    return whole
