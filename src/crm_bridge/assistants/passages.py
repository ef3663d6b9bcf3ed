"""Which of the given sources answer a question, and which of their sentences say so.

The search upstream is generous; here a source must share enough of the question's topic to be quoted. Pure and
deterministic; every list is bounded by the context it comes from and by the limits below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crm_bridge.assistants.terms import clauses, content_terms, is_list_item, sentences, shared
from crm_bridge.contract import Source

MAX_SOURCES_USED = 4
MAX_SOURCES_SEEN = 20
MAX_ASKS = 30

_MIN_COVERAGE = 0.34
_STRONG_COVERAGE = 0.5
_TITLE_WEIGHT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """One sentence of a question by its content terms, and those of its clauses when it has several.

    `explicit`: it ends in a question mark.
    """

    terms: frozenset[str]
    clauses: tuple[frozenset[str], ...] = ()
    explicit: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A source that fits, the terms it fits by, and those of an instruction it must mention."""

    source: Source
    terms: frozenset[str]
    wanted: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    source: Source
    rank: int
    title: frozenset[str]
    body: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    candidate: _Candidate
    terms: frozenset[str]
    in_title: bool
    coverage: float
    score: float = field(default=0.0)


def asks_of(text: str, language: str | None) -> tuple[Ask, ...]:
    """The sentences of a text that have a topic."""
    found = (
        Ask(
            terms=_topic(sentence, language),
            clauses=tuple(filter(None, (_topic(clause, language) for clause in clauses(sentence)))),
            explicit="?" in sentence[-3:],
        )
        for sentence in sentences(text)
    )
    return tuple(ask for ask in found if ask.terms)[:MAX_ASKS]


def _topic(text: str, language: str | None) -> frozenset[str]:
    # A number in a question is its order or invoice, which no article knows.
    return frozenset(term for term in content_terms(text, language) if not term.isdigit())


def choose(
    asks: Sequence[Ask], sources: Sequence[Source], language: str | None, *, instruction_terms: frozenset[str]
) -> tuple[Passage, ...]:
    """The sources that answer the asks, in the order of the asks; empty when none fits.

    A plain statement beside a question that was answered needs a stronger fit: it is often only the story.
    A source named by the instruction is added, or marked as having to mention it.
    """
    candidates = [_candidate(rank, source, language) for rank, source in enumerate(sources[:MAX_SOURCES_SEEN])]
    candidates = [candidate for candidate in candidates if candidate.source.excerpt.strip()]
    questions = [ask for ask in asks if ask.explicit]
    answered = [ask for ask in questions if _best(ask.terms, candidates)]
    chosen: dict[str, Passage] = {}
    for ask in asks:
        strict = bool(answered) and not ask.explicit
        for fit in _cover(ask, candidates, strict=strict):
            _add(chosen, fit.candidate.source, fit.terms, frozenset())
    for candidate in candidates:
        hits = shared(instruction_terms, candidate.title | candidate.body)
        if hits and len(hits) >= _MIN_COVERAGE * len(instruction_terms):
            _add(chosen, candidate.source, hits, hits)
    return tuple(chosen.values())[:MAX_SOURCES_USED]


def _add(chosen: dict[str, Passage], source: Source, terms: frozenset[str], wanted: frozenset[str]) -> None:
    before = chosen.get(source.id)
    chosen[source.id] = Passage(
        source=source,
        terms=terms | (before.terms if before else frozenset()),
        wanted=wanted | (before.wanted if before else frozenset()),
    )


def _candidate(rank: int, source: Source, language: str | None) -> _Candidate:
    return _Candidate(
        source=source,
        rank=rank,
        title=content_terms(source.title, language),
        body=content_terms(source.excerpt, language),
    )


def _cover(ask: Ask, candidates: Sequence[_Candidate], *, strict: bool) -> list[_Fit]:
    """The best source for a sentence, and those that one of its clauses is clearly about."""
    whole = _best(ask.terms, candidates)
    if whole is None or (strict and not (whole.in_title and len(whole.terms) > 1 and _strong(whole))):
        return []
    parts = [_best(clause, candidates) for clause in ask.clauses] if len(ask.clauses) > 1 else []
    return [whole, *(fit for fit in parts if fit and fit.in_title and _strong(fit))]


def _strong(fit: _Fit) -> bool:
    return fit.coverage >= _STRONG_COVERAGE


def _best(terms: frozenset[str], candidates: Sequence[_Candidate]) -> _Fit | None:
    fits = [fit for candidate in candidates if (fit := _fit(terms, candidate))]
    return max(fits, key=lambda fit: (fit.score, -fit.candidate.rank), default=None)


def _fit(terms: frozenset[str], candidate: _Candidate) -> _Fit | None:
    """How well a source answers an ask, or None when it shares too little of the topic to be quoted."""
    in_title = shared(terms, candidate.title)
    hits = in_title | shared(terms, candidate.body)
    coverage = len(hits) / len(terms)
    enough = (
        (len(hits) >= 2 and coverage >= _MIN_COVERAGE)
        or (bool(in_title) and coverage >= _STRONG_COVERAGE)
        or (len(hits) >= 3 and bool(in_title))
        or (coverage == 1.0 and candidate.rank == 0)
    )
    if not enough:
        return None
    score = (len(hits) + (_TITLE_WEIGHT - 1) * len(in_title)) * coverage
    return _Fit(candidate=candidate, terms=hits, in_title=bool(in_title), coverage=coverage, score=score)


def quote(passage: Passage, language: str | None, *, limit: int) -> str:
    """At most `limit` neighbouring sentences of a source, word for word, around what was asked.

    A list is never cut in the middle of its beginning, and what an instruction wants is always among them.
    """
    lines = [(number, s) for number, line in enumerate(passage.source.excerpt.splitlines()) for s in sentences(line)]
    if len(lines) > 1 and lines[-1][1].endswith(("…", "...")):
        lines.pop()
    worth = [_worth(sentence, passage, language) for _, sentence in lines]
    start = _window(worth, limit)
    kept = set(range(start, min(start + limit, len(lines))))
    if passage.wanted:
        kept |= {max(range(len(lines)), key=lambda index: (len(_wanted(lines[index][1], passage, language)), -index))}
    kept |= _rest_of_list([sentence for _, sentence in lines], kept, limit)
    return _joined([lines[index] for index in sorted(kept)])


def _worth(sentence: str, passage: Passage, language: str | None) -> int:
    return len(shared(passage.terms, content_terms(sentence, language))) + len(_wanted(sentence, passage, language))


def _wanted(sentence: str, passage: Passage, language: str | None) -> frozenset[str]:
    return shared(passage.wanted, content_terms(sentence, language))


def _window(worth: Sequence[int], limit: int) -> int:
    """Where the best `limit` neighbouring sentences begin; the earliest of equals, as articles begin with the point."""
    starts = range(max(1, len(worth) - limit + 1))
    return max(starts, key=lambda start: (sum(worth[start : start + limit]), -start))


def _rest_of_list(lines: Sequence[str], kept: set[int], limit: int) -> set[int]:
    """Steps are only useful together: the items around a kept one, unless one sentence was asked for."""
    if limit == 1:
        return set()
    added: set[int] = set()
    for index in [index for index in kept if is_list_item(lines[index])]:
        for step in (-1, 1):
            at = index + step
            while 0 <= at < len(lines) and is_list_item(lines[at]):
                added.add(at)
                at += step
    return added


def _joined(lines: Sequence[tuple[int, str]]) -> str:
    text = ""
    for position, (number, sentence) in enumerate(lines):
        same_line = position > 0 and lines[position - 1][0] == number
        text += (" " if same_line else "\n" if position else "") + sentence
    return text
