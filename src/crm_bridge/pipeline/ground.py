"""Grounding: sources for a masked question from the connection's own articles. No assistant sees the store."""

from __future__ import annotations

import sqlalchemy as sa

from crm_bridge.assistants.terms import search_words
from crm_bridge.contract import Source
from crm_bridge.core.masking import MaskedContext
from crm_bridge.store import articles
from crm_bridge.store.articles import Hit

MAX_SOURCES = 5
MAX_EXCERPT_CHARS = 4_000
MIN_TERMS = 2
MIN_SHARE = 0.34
"""A hit fits when it shares two distinct terms with the question, or a third of a very short one."""


def ground(transaction: sa.Connection, name: str, masked: MaskedContext, language: str | None) -> tuple[Source, ...]:
    """The articles that fit, those in the customer's language first."""
    asked = f"{masked.subject}\n{masked.question}\n{masked.instruction}"
    # What people call a thing and what an article calls it differ: the field's synonyms are asked for as well.
    question = f"{asked}\n{' '.join(search_words(asked, language))}"
    own = articles.search(transaction, name, question, language=language, hits=MAX_SOURCES) if language else []
    fitting = [hit for hit in own if _fits(hit)]
    if not fitting:
        others = articles.search(transaction, name, question, language=None, hits=MAX_SOURCES)
        fitting = [hit for hit in others if _fits(hit)]
    return tuple(_source(hit) for hit in fitting)


def _fits(hit: Hit) -> bool:
    return hit.terms >= MIN_TERMS or (hit.asked > 0 and hit.terms / hit.asked >= MIN_SHARE)


def _source(hit: Hit) -> Source:
    return Source(id=hit.id, title=hit.title, url=hit.url, excerpt=hit.body[:MAX_EXCERPT_CHARS], language=hit.language)
