"""The assistant without a network: quotes the sources that answer the question, politely, or says that none does.

Deterministic: the same context gives the same text, a new attempt another one. It never writes a fact of its own:
everything beyond the polite words of `phrases` stands in a source word for word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crm_bridge.assistants.instruction import Length, Wish, understand
from crm_bridge.assistants.language import detect_language, primary_code
from crm_bridge.assistants.passages import Ask, Passage, asks_of, choose, quote
from crm_bridge.assistants.phrases import NEUTRAL, PHRASES, Phrases
from crm_bridge.assistants.protocol import Abstention, Proposal
from crm_bridge.contract import Source
from crm_bridge.core.masking import MaskedContext

_SENTENCES = {Length.SHORT: (1, 1), Length.NORMAL: (5, 3), Length.LONG: (12, 8)}
"""How many sentences of a source are quoted: when it is the only one, when it is one of several."""

_MAX_VARIANTS = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class OfflineAssistant:
    """Needs nothing; good enough to work with, and honest about what it does not know."""

    timeout_s: float = 2.0
    """Nothing is waited for; it computes for milliseconds."""

    def draft(self, context: MaskedContext) -> Proposal | Abstention:
        """A reply that quotes the fitting sources; `no_source` when none fits in the customer's language."""
        if not context.question.strip():
            return Abstention(reason="no_source", detail="There is no open question of the customer.")
        language = _language_of(context)
        sources = [source for source in context.sources if _speaks(source, language)]
        wish = understand(context.instruction, language)
        passages = choose(_asks(context, language), sources, language, instruction_terms=wish.terms)
        if not passages:
            return Abstention(reason="no_source", detail=_nothing_fits(context.sources, sources, language))
        text = _another_text(context, passages, _manner(context, wish, language))
        return Proposal(text=text, sources=tuple(passage.source.id for passage in passages), language=language)


# --- what is asked, in which language -----------------------------------------------------------------------------


def _language_of(context: MaskedContext) -> str | None:
    """The customer's language: as the CRM says, else as detected, else that of the source found most relevant."""
    known = primary_code(context.language) or detect_language(f"{context.subject}\n{context.question}")
    if known:
        return known
    return next((code for source in context.sources if (code := primary_code(source.language))), None)


def _speaks(source: Source, language: str | None) -> bool:
    if language is None:
        return True
    written_in = primary_code(source.language) or detect_language(f"{source.title}\n{source.excerpt}")
    return written_in in (language, None)


def _asks(context: MaskedContext, language: str | None) -> Sequence[Ask]:
    """What the open question asks. The subject counts as long as nobody has answered: later it is history."""
    asks = asks_of(context.question, language)
    answered = any(message.author in ("agent", "bridge") and not message.internal for message in context.messages)
    return asks if answered else (*asks, *_implicit(asks_of(context.subject, language)))


def _implicit(asks: Sequence[Ask]) -> tuple[Ask, ...]:
    return tuple(replace(ask, explicit=False) for ask in asks)


def _nothing_fits(given: Sequence[Source], spoken: Sequence[Source], language: str | None) -> str:
    if not given:
        return "No knowledge article was found for this question."
    if not spoken:
        return f"The knowledge articles found are not in the customer's language ({language})."
    return "None of the knowledge articles found answers this question."


# --- the reply ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Manner:
    """How this reply is worded: everything but what it says."""

    phrases: Phrases
    greeting: str
    ending: str
    wish: Wish
    language: str | None


def _manner(context: MaskedContext, wish: Wish, language: str | None) -> _Manner:
    phrases = PHRASES.get(language or "en", NEUTRAL)
    name = f" {context.customer}" if context.customer else ""
    voice = context.voice
    ending = (voice.closing.strip() or phrases.closing, voice.signer.strip())
    return _Manner(
        phrases=phrases,
        greeting=voice.greeting.strip() or phrases.greeting.format(name=name),
        ending="\n".join(line for line in ending if line),
        wish=wish,
        language=language,
    )


def _another_text(context: MaskedContext, passages: Sequence[Passage], manner: _Manner) -> str:
    """The reply, in words that differ from the text of the attempt before."""
    before = _plain(context.previous_text)
    first = _digest(f"{before}\n{context.instruction}") if before else 0
    drafted = [_compose(passages, manner, (first + step) % _MAX_VARIANTS) for step in range(_MAX_VARIANTS)]
    return next((text for text in drafted if _plain(text) != before), drafted[0])


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:4], "big")


def _plain(text: str) -> str:
    return " ".join(text.split())


def _compose(passages: Sequence[Passage], manner: _Manner, variant: int) -> str:
    said = _one(passages[0], manner, variant) if len(passages) == 1 else _several(passages, manner)
    outro = _pick(manner.phrases.outro, variant // 3)
    parts = [manner.greeting, _opening(passages, manner, variant), *said, outro, manner.ending]
    return "\n\n".join(part for part in parts if part)


def _opening(passages: Sequence[Passage], manner: _Manner, variant: int) -> str:
    phrases = manner.phrases
    several = _pick(phrases.several, variant) if len(passages) > 1 else ""
    said = (_pick(phrases.thanks, variant), phrases.apology if manner.wish.apologise else "", several)
    opening = " ".join(part for part in said if part)
    # After "Guten Tag," German goes on in lower case; after a greeting without a comma it is a new sentence.
    return opening if manner.greeting.endswith(",") else opening[:1].upper() + opening[1:]


def _one(passage: Passage, manner: _Manner, variant: int) -> list[str]:
    lead = _pick(manner.phrases.one, variant).format(title=passage.source.title.strip())
    said = quote(passage, manner.language, limit=_SENTENCES[manner.wish.length][0])
    return [lead, said, _more(passage, manner)]


def _several(passages: Sequence[Passage], manner: _Manner) -> list[str]:
    """One paragraph a source, under its title."""
    limit = _SENTENCES[manner.wish.length][1]
    paragraphs = (
        (passage.source.title.strip(), quote(passage, manner.language, limit=limit), _more(passage, manner))
        for passage in passages
    )
    return ["\n".join(line for line in paragraph if line) for paragraph in paragraphs]


def _more(passage: Passage, manner: _Manner) -> str:
    return manner.phrases.more.format(url=passage.source.url) if passage.source.url else ""


def _pick(ways: Sequence[str], variant: int) -> str:
    return ways[variant % len(ways)]
