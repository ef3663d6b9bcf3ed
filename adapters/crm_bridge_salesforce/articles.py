"""Knowledge articles of an org, where it has Knowledge: published ones in every language, archived ones as deleted.

The cursor is the place `(LastModifiedDate, Id)` within a sweep, and where the next sweep begins: a little before the
newest change, so that one of the same second is told once more rather than lost. A version that was archived or deleted
means nothing while another one of the same article and language is online.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from simple_salesforce.format import format_soql

from crm_bridge.contract import Article, Articles, Permanent
from crm_bridge.kit.http import usable
from crm_bridge.kit.parsing import clean_text, plain_text
from crm_bridge_salesforce.client import SalesforceClient, Sub, query_sub
from crm_bridge_salesforce.fields import ARTICLE
from crm_bridge_salesforce.ids import is_id
from crm_bridge_salesforce.learned import Learned
from crm_bridge_salesforce.messages import moment
from crm_bridge_salesforce.soql import moment as literal

PAGE = 100
_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
ONLINE = "Online"
_OPTIONAL = ("Summary", "IsMasterLanguage")
_SYSTEM = frozenset(
    {"Id", "KnowledgeArticleId", "Title", "UrlName", "Language", "PublishStatus", "LastModifiedDate", "IsDeleted"}
)

OVERLAP = timedelta(seconds=30)
"""How far before the newest change the next sweep begins."""

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """Where a sweep begins, and how far it was read: None between two sweeps."""

    begins: datetime
    place: tuple[datetime, str] | None = None


def read_page(client: SalesforceClient, may: Learned, cursor: str | None) -> Articles:
    """A page of articles after a cursor; an empty one where the org has no Knowledge."""
    stands = _read_cursor(cursor)
    if not may.has_knowledge:
        return Articles(items=(), cursor=_cursor_text(stands))
    records = _records(client, query_sub("articles", _query(may, stands), deleted=True))
    with usable("articles"):
        gone = [one for one in records if not _is_online(one)]
        online = _still_online(client, gone)
        kept = [one for one in records if _is_online(one) or _identity(one) not in online]
        items = tuple(_article(one, may) for one in kept)
        moved = _moved(stands, records)
    return Articles(items=items, cursor=_cursor_text(moved), more=moved.place is not None)


def _records(client: SalesforceClient, sub: Sub) -> list[Document]:
    (answer,) = client.read("articles", [sub])
    answer.raise_for("articles")
    return client.records("articles", answer.body)


def _still_online(client: SalesforceClient, gone: Sequence[Document]) -> set[tuple[str, str]]:
    """Of versions that were archived or deleted: the articles that have a newer one. One call where there are any."""
    named = sorted({str(one["KnowledgeArticleId"]) for one in gone if is_id(one["KnowledgeArticleId"])})
    if not named:
        return set()
    where = format_soql("WHERE PublishStatus = {} AND KnowledgeArticleId IN {}", ONLINE, named)
    fields = "Id, KnowledgeArticleId, Language"
    found = _records(client, query_sub("online", " ".join(("SELECT", fields, "FROM", ARTICLE, where))))
    return {_identity(one) for one in found}


def _identity(record: Document) -> tuple[str, str]:
    return str(record["KnowledgeArticleId"]), str(record["Language"])


def _is_online(record: Document) -> bool:
    return record["PublishStatus"] == ONLINE and record["IsDeleted"] is not True


def _query(may: Learned, stands: Cursor) -> str:
    names = ", ".join([*sorted(_SYSTEM), *_standard(may), *_custom(may)])
    among = format_soql("PublishStatus IN {}", [ONLINE, "Archived"])
    order = f"ORDER BY LastModifiedDate, Id LIMIT {PAGE}"
    return " ".join(("SELECT", names, "FROM", ARTICLE, "WHERE", among, "AND", _after(stands), order))


def _after(stands: Cursor) -> str:
    if stands.place is None:
        return f"LastModifiedDate >= {literal(stands.begins)}"
    at, last = literal(stands.place[0]), format_soql("{}", stands.place[1])
    return f"(LastModifiedDate > {at} OR (LastModifiedDate = {at} AND Id > {last}))"


def _standard(may: Learned) -> list[str]:
    return [name for name in _OPTIONAL if may.has(ARTICLE, name)]


def _custom(may: Learned) -> list[str]:
    """The article's own text fields: which there are is every org's own business."""
    return sorted(name for name in may.readable[ARTICLE] if name.endswith("__c"))[:20]


def _article(record: Document, may: Learned) -> Article:
    body = "\n\n".join(_texts(record, may))
    language = str(record["Language"]).replace("_", "-")
    # The URL name is what people know an article by; its translations may share it.
    suffix = f":{language}" if record.get("IsMasterLanguage") is False else ""
    return Article(
        id=f"{str(record['UrlName'])[:180]}{suffix}",
        title=clean_text(str(record["Title"])),
        body=body,
        language=language,
        version=str(record["LastModifiedDate"]),
        updated_at=moment(record["LastModifiedDate"]),
        deleted=not _is_online(record),
    )


def _texts(record: Document, may: Learned) -> Iterator[str]:
    for name in (*_standard(may), *_custom(may)):
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            yield plain_text(value) if "<" in value else clean_text(value)


# --- cursor -------------------------------------------------------------------------------------------------------


def _moved(stands: Cursor, records: Sequence[Document]) -> Cursor:
    if not records:
        return replace(stands, place=None)
    newest = moment(records[-1]["LastModifiedDate"])
    begins = max(stands.begins, newest - OVERLAP)
    return Cursor(begins=begins, place=(newest, str(records[-1]["Id"])) if len(records) >= PAGE else None)


def _read_cursor(text: str | None) -> Cursor:
    if text is None:
        return Cursor(begins=_BEGIN)
    try:
        begins, place = json.loads(text)
        return Cursor(begins=moment(begins), place=(moment(place[0]), str(place[1])) if place else None)
    except (ValueError, TypeError, LookupError):
        raise Permanent("this is no cursor of articles", code="unusable_cursor") from None


def _cursor_text(stands: Cursor) -> str:
    place = [stands.place[0].isoformat(), stands.place[1]] if stands.place else None
    return json.dumps([stands.begins.isoformat(), place])
