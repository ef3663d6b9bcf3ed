"""Which of the given sources answer a question, and which of their sentences say so.

The search upstream is generous; here a source must share enough of the question's topic to be quoted. Pure and
deterministic; every list is bounded by the context it comes from and by the limits below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crm_bridge.assistants.terms import clauses, content_terms, is_list_item, sentences, shared, word_pairs
from crm_bridge.contract import Source

MAX_SOURCES_USED = 4
MAX_SOURCES_SEEN = 20
MAX_ASKS = 30

_MIN_COVERAGE = 0.34
_STRONG_COVERAGE = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """One sentence of a question by its content terms, and those of its clauses when it has several.

    `explicit`: it ends in a question mark.
    """

    terms: frozenset[str]
    clauses: tuple[frozenset[str], ...] = ()
    pairs: frozenset[tuple[str, str]] = frozenset()
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
    pairs: frozenset[tuple[str, str]]
    body: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    candidate: _Candidate
    terms: frozenset[str]
    in_title: frozenset[str]
    coverage: float
    score: float = field(default=0.0)


def asks_of(text: str, language: str | None) -> tuple[Ask, ...]:
    """The sentences of a text that have a topic."""
    found = (
        Ask(
            terms=_topic(sentence, language),
            clauses=tuple(filter(None, (_topic(clause, language) for clause in clauses(sentence)))),
            pairs=word_pairs(sentence),
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
    answered = [ask for ask in questions if _best(ask, ask.terms, candidates)]
    chosen: dict[str, Passage] = {}
    for ask in asks:
        strict = bool(answered) and not ask.explicit
        for fit in _cover(ask, candidates, strict=strict):
            _add(chosen, fit.candidate.source, fit.terms, frozenset())
    _follow(instruction_terms, candidates, chosen)
    return tuple(chosen.values())[:MAX_SOURCES_USED]


def _follow(terms: frozenset[str], candidates: Sequence[_Candidate], chosen: dict[str, Passage]) -> None:
    """Mark what chosen sources must mention, and add the one other source that alone has what was named."""
    hits = {candidate.source.id: shared(terms, candidate.title | candidate.body) for candidate in candidates}
    there = frozenset[str]().union(*(hits[source_id] for source_id in chosen))
    for passage in [passage for passage in chosen.values() if hits[passage.source.id]]:
        _add(chosen, passage.source, frozenset(), hits[passage.source.id])
    others = [candidate for candidate in candidates if candidate.source.id not in chosen]
    named = [candidate for candidate in others if _names(terms, candidate, there)]
    told = [c for c in others if not there and len(hits[c.source.id]) >= _STRONG_COVERAGE * max(1, len(terms))]
    for candidate in (named or told)[:1]:
        _add(chosen, candidate.source, hits[candidate.source.id], hits[candidate.source.id])


def _names(terms: frozenset[str], candidate: _Candidate, there: frozenset[str]) -> bool:
    """Whether an instruction means this title: by a word no chosen source has, or by most of the title."""
    in_title = shared(terms, candidate.title)
    return bool(in_title - there) or len(in_title) > _STRONG_COVERAGE * len(candidate.title)


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
        pairs=word_pairs(source.title),
        body=content_terms(source.excerpt, language),
    )


def _cover(ask: Ask, candidates: Sequence[_Candidate], *, strict: bool) -> list[_Fit]:
    """The best source for a sentence, and those that one of its clauses is clearly about."""
    whole = _best(ask, ask.terms, candidates)
    if whole is None or (strict and not (whole.in_title and len(whole.terms) > 1 and _strong(whole))):
        return []
    found = [whole]
    for position, clause in enumerate(ask.clauses):
        others = frozenset[str]().union(*ask.clauses[:position], *ask.clauses[position + 1 :])
        part = _best(ask, clause, candidates)
        # What several clauses share is the sentence's topic, not the clause's own.
        if others and part and part.in_title - others and _strong(part):
            found.append(part)
    return found


def _strong(fit: _Fit) -> bool:
    return fit.coverage >= _STRONG_COVERAGE


def _best(ask: Ask, terms: frozenset[str], candidates: Sequence[_Candidate]) -> _Fit | None:
    fits = [fit for candidate in candidates if (fit := _fit(ask, terms, candidate))]
    return max(fits, key=lambda fit: (fit.score, -fit.candidate.rank), default=None)


def _fit(ask: Ask, terms: frozenset[str], candidate: _Candidate) -> _Fit | None:
    """How well a source answers (a clause of) an ask, or None when it shares too little of the topic to be quoted."""
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
    # A title counts by how much of it was asked for; "where is my …" tells two articles on deliveries apart.
    about = len(in_title) * len(in_title) / max(1, len(candidate.title))
    wording = len(ask.pairs & candidate.pairs) / max(1, len(candidate.pairs))
    score = (len(hits) + about + wording) * coverage
    return _Fit(candidate=candidate, terms=hits, in_title=in_title, coverage=coverage, score=score)


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
