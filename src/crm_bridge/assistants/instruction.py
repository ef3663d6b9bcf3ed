"""What an agent's "try again with this" asks of the offline assistant: length, an apology, topics to mention.

Understands a few words of seven languages and takes every other word for a topic. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from crm_bridge.assistants.terms import content_terms

MAX_INSTRUCTION_CHARS = 1_000


class Length(StrEnum):
    """How much is quoted."""

    SHORT = "short"
    NORMAL = "normal"
    LONG = "long"


_SHORT = re.compile(
    r"\b(short\w*|brief\w*|concise|less|kürze?r?|kurz\w*|knapp\w*|breve\w*|más corto|corta|court\w*|concis\w*"
    r"|kort\w*|beknopt\w*|curt[oa]\w*|resum\w*)\b",
    re.IGNORECASE,
)
_LONG = re.compile(
    r"\b(detail\w*|longer|more|explain\w*|elaborate|ausführlich\w*|länger\w*|mehr|detall\w*|más largo|largo|détail\w*"
    r"|plus long\w*|dettagli\w*|più lung\w*|uitgebreid\w*|langer|meer|mais long\w*)\b",
    re.IGNORECASE,
)
_APOLOGY = re.compile(
    r"\b(apolog\w*|sorry|entschuldig\w*|disculp\w*|perdón|excus\w*|scus\w*|excuses|desculp\w*)\b", re.IGNORECASE
)
_CRAFT = re.compile(
    r"\b(please|add|also|mention\w*|include|write|rewrite|make|use|say|tell|reply|answer\w*|draft|text|tone|friend\w*"
    r"|formal\w*|polite\w*|customer|sentence\w*|article\w*|bitte|erwähne?\w*|schreib\w*|antwort\w*|freundlich\w*"
    r"|förmlich\w*|höflich\w*|kunden?|artikel|menciona\w*|escrib\w*|añad\w*|ajout\w*|écri\w*|aggiung\w*|scriv\w*"
    r"|voeg|toe|noem|schrijf|adicion\w*|escrev\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """An instruction as far as it is understood."""

    length: Length = Length.NORMAL
    apologise: bool = False
    terms: frozenset[str] = frozenset()


def understand(instruction: str, language: str | None) -> Wish:
    """What an instruction asks for; nothing for an empty one. Its own language is not known, so all stop words go."""
    text = instruction[:MAX_INSTRUCTION_CHARS]
    length = Length.SHORT if _SHORT.search(text) else Length.LONG if _LONG.search(text) else Length.NORMAL
    topics = text
    for pattern in (_SHORT, _LONG, _APOLOGY, _CRAFT):
        topics = pattern.sub(" ", topics)
    return Wish(
        length=length,
        apologise=_APOLOGY.search(text) is not None,
        terms=content_terms(topics, None) & content_terms(topics, language),
    )
