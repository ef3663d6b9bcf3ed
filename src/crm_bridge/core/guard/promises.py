"""Promises in a draft that the company never made: refunds, free things, guarantees, deadlines, dates.

What only the customer wrote grounds nothing ("my refund was approved"). A sentence that stands word for word in a
source or in an agent's message is fine; that a refund *has been* approved is something only an agent can have said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from crm_bridge.core.guard.amounts import Amount, amounts_in
from crm_bridge.core.guard.grounds import Grounds, Remark, Said, sentences, wording
from crm_bridge.core.guard.wording import (
    CONDITION,
    FIRM_DATE,
    FUTURE,
    LOOSE_DATE,
    NEGATION,
    NUMBER_WORDS,
    RELATIVE_DATE,
    SETTLED,
    TIME_UNITS,
    TOPICS,
)

_remark = partial(Remark, "promise_not_found")
_SETTLEABLE = ("refund", "compensation")

_UNIT_PATTERN = "|".join(f"(?P<u{index}>{pattern})" for index, pattern in enumerate(TIME_UNITS.values()))
_NUMERAL = rf"\d{{1,3}}|{'|'.join(sorted(NUMBER_WORDS, key=len, reverse=True))}"
_DURATION = re.compile(
    rf"(?<![\w.,])(?:({_NUMERAL})\s?(?:-|to|bis|a|or|oder|o|ou|und|and)\s?)?({_NUMERAL})(?:\s|-|\s?-\s?)?"
    rf"(?:more |full |weitere[nr]? |mas |autres )?(?:{_UNIT_PATTERN})(?![^\W_])"
)
_PAST_BEFORE = re.compile(r"\b(?:vor|hace|il y a|seit|since|desde hace|depuis|last|past|letzten|ultimos?|derniers?) \Z")
_PAST_AFTER = re.compile(r"\s+(?:ago|earlier|old|a day|am tag|al dia|par jour|alt)\b")

Duration = tuple[int, str]


def check_promises(reply: Said, grounds: Grounds) -> Iterator[Remark]:
    """Promises without a ground, at most one per sentence and kind."""
    quoted = {wording(sentence) for sentence in sentences(grounds.company.folded)}
    topics = {name for name, pattern in TOPICS.items() if pattern.search(grounds.company.folded)}
    settled = set(_settled(grounds.agents.folded))
    amounts = set(dict(amounts_in(grounds.company.folded)))
    durations = {duration for duration, _ in _durations(grounds.company.folded)}
    for sentence in dict.fromkeys(sentences(reply.folded)):
        if wording(sentence) in quoted:
            continue
        yield from _ungrounded_topics(sentence, topics)
        yield from _ungrounded_decisions(sentence, settled)
        yield from _ungrounded_sums(sentence, amounts)
        yield from _ungrounded_durations(sentence, durations)
        yield from _ungrounded_dates(sentence, grounds.company.folded)


def _ungrounded_topics(sentence: str, grounded: set[str]) -> Iterator[Remark]:
    for name, pattern in TOPICS.items():
        if name not in grounded and pattern.search(sentence):
            yield _remark(f"nobody of the company said anything of this kind: {name}", sentence)


def _ungrounded_decisions(sentence: str, settled: set[str]) -> Iterator[Remark]:
    for name in _settled(sentence):
        if name not in settled:
            yield _remark(f"no agent of this case decided this: {name}", sentence)


def _ungrounded_sums(sentence: str, grounded: set[Amount]) -> Iterator[Remark]:
    """A sum to be paid back is promised, also when the customer named it first."""
    if any(TOPICS[name].search(sentence) for name in _SETTLEABLE):
        for amount, written in amounts_in(sentence):
            if amount not in grounded:
                yield _remark("nobody of the company promised this sum", written)


def _settled(folded: str) -> Iterator[str]:
    """Kinds of money matters that a text says are decided."""
    for sentence in sentences(folded):
        for name in _SETTLEABLE:
            topic, decision = TOPICS[name].search(sentence), SETTLED.search(sentence)
            if topic and decision:
                before = sentence[: min(topic.start(), decision.start())]
                if not CONDITION.search(before) and not NEGATION.search(sentence):
                    yield name


def _ungrounded_durations(sentence: str, grounded: set[Duration]) -> Iterator[Remark]:
    for duration, written in _durations(sentence):
        if duration not in grounded:
            yield _remark("this time is in no source and in no agent's message", written)


def _durations(folded: str) -> Iterator[tuple[Duration, str]]:
    for match in _DURATION.finditer(folded):
        if _PAST_BEFORE.search(folded[max(0, match.start() - 20) : match.start()]):
            continue
        if _PAST_AFTER.match(folded, match.end()):
            continue
        unit = next(name for index, name in enumerate(TIME_UNITS) if match.group(f"u{index}"))
        for written in match.group(1, 2):
            if written:
                yield (NUMBER_WORDS.get(written) or int(written), unit), match.group()


def _ungrounded_dates(sentence: str, company: str) -> Iterator[Remark]:
    patterns = [FIRM_DATE, RELATIVE_DATE]
    if FUTURE.search(sentence):
        patterns.append(LOOSE_DATE)
    for pattern in patterns:
        for match in pattern.finditer(sentence):
            if not _stands_in(company, match.group(1)):
                yield _remark("this date is in no source and in no agent's message", match.group())


def _stands_in(text: str, phrase: str) -> bool:
    """Whether a phrase stands in a text as whole words."""
    place = text.find(phrase)
    while place >= 0:
        end = place + len(phrase)
        if not (text[place - 1 : place].isalnum() or text[end : end + 1].isalnum()):
            return True
        place = text.find(phrase, place + 1)
    return False
