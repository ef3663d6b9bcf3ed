"""Knowledge articles of each connection in PostgreSQL full-text search.

Terms are OR-ed: a whole mail AND-ed together hits nothing. Each article is indexed with its own language's
stemming; a question of no known language is taken word by word, which still finds names and numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from crm_bridge.contract import Article
from crm_bridge.store.tables import articles

_CONFIGS = {
    "da": "danish", "de": "german", "en": "english", "es": "spanish", "fi": "finnish", "fr": "french",
    "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
MAX_QUESTION_TERMS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """An article and how well it fits: `terms` distinct question terms found, of `asked`; `rank` orders hits."""

    id: str
    title: str
    body: str
    url: str
    language: str
    rank: float
    terms: int
    asked: int


def text_config(language: str | None) -> str:
    """The PostgreSQL text search configuration of a language tag such as "de" or "de-AT"."""
    return _CONFIGS.get((language or "").lower().partition("-")[0], "simple")


def upsert(connection: sa.Connection, name: str, found: Sequence[Article]) -> None:
    """Store changed articles, remove deleted ones. Sorted, so that two syncs lock in one order."""
    for article in sorted(found, key=lambda item: item.id):
        if article.deleted:
            connection.execute(sa.delete(articles).where(articles.c.connection == name, articles.c.id == article.id))
            continue
        config = sa.cast(text_config(article.language), sa.dialects.postgresql.REGCONFIG)
        words = sa.func.setweight(sa.func.to_tsvector(config, article.title), sa.literal_column("'A'")).op("||")(
            sa.func.setweight(sa.func.to_tsvector(config, article.body), sa.literal_column("'C'"))
        )
        values = {
            "language": article.language,
            "title": article.title,
            "body": article.body,
            "url": article.url,
            "version": article.version,
            "updated_at": article.updated_at,
            "words": words,
        }
        connection.execute(
            insert(articles)
            .values(connection=name, id=article.id, **values)
            .on_conflict_do_update(index_elements=["connection", "id"], set_=values)
        )


_SEARCH = sa.text(
    """
    with asked as (
        select '''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''' as term
        from (select distinct lexeme from unnest(to_tsvector(cast(:config as regconfig), :question))
              limit :most) lexemes
    ), query as (
        select cast(string_agg(term, ' | ') as tsquery) as any_term, count(*) as asked from asked
    )
    select a.id, a.title, a.body, a.url, a.language, query.asked,
           ts_rank_cd(a.words, query.any_term, 1) as rank,
           (select count(*) from asked
            where a.words @@ cast(asked.term as tsquery)) as terms
    from articles a, query
    where a.connection = :name and query.any_term is not null and a.words @@ query.any_term
      and (cast(:language as text) is null or a.language = :language)
    order by terms desc, rank desc, a.id
    limit :hits
    """
)


def search(connection: sa.Connection, name: str, question: str, *, language: str | None, hits: int = 5) -> list[Hit]:
    """The articles of one connection, and of one language when given, that share the most with a question."""
    rows = connection.execute(
        _SEARCH,
        {
            "name": name,
            "config": text_config(language),
            "question": question[:20_000],
            "language": language,
            "most": MAX_QUESTION_TERMS,
            "hits": hits,
        },
    ).all()
    return [Hit(**row._mapping) for row in rows]


def languages(connection: sa.Connection, name: str) -> frozenset[str]:
    return frozenset(
        connection.execute(sa.select(articles.c.language).where(articles.c.connection == name).distinct()).scalars()
    )
