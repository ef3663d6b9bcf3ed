"""What changed after a cursor: the queries of a poll, and the cursor that passes nothing and tells nothing twice. Pure.

A sweep reads four objects by `(SystemModstamp, Id)` from a floor on, page by page. The floor stays `OVERLAP` behind the
newest change, because what is committed late appears with an earlier stamp; what was told already is remembered by
record and stamp inside the cursor. A second is all that Salesforce keeps of a time: what is told within its second is
told once more when that is over, since it may have changed again and looks the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from simple_salesforce.format import format_soql

from crm_bridge.contract import BY_BRIDGE, CaseRef, Change
from crm_bridge_salesforce import ids
from crm_bridge_salesforce.cursor import OVERLAP, Cursor, bounded, swept, to_seconds
from crm_bridge_salesforce.fields import DRAFT
from crm_bridge_salesforce.learned import Learned
from crm_bridge_salesforce.mapping import VERSION_FIELDS, Stamp, version
from crm_bridge_salesforce.messages import moment
from crm_bridge_salesforce.soql import EMAIL_DRAFT
from crm_bridge_salesforce.soql import moment as literal

PAGE = 200
"""Records of each object in one call."""

A_SECOND = timedelta(seconds=1)
"""What Salesforce keeps of a time."""

FRESH = timedelta(seconds=5)
"""A second is surely over after so long, also when our clock is a little off."""

FIRST_LOOK = timedelta(days=1)
"""How far back a first poll looks for where "now" is; by our own clock, so it may be off by as much."""

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One object whose changes are changes of a case. `case`: the field that names the case; `via`: the way to it.

    `deleted`: the recycle bin is looked at too. `where`: which of its records count.
    """

    name: str
    case: str
    via: str
    where: str = ""
    deleted: bool = False


_SOURCES = (
    Source(name="Case", case="Id", via="", deleted=True),
    Source(name="EmailMessage", case="ParentId", via="Parent.", where=format_soql("Status != {}", EMAIL_DRAFT)),
    Source(name="CaseComment", case="ParentId", via="Parent."),
    Source(name=DRAFT, case="Case__c", via="Case__r."),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One changed record. `mine`: our own user changed it last."""

    source: Source
    record: Document
    mine: bool

    @property
    def mark(self) -> str:
        return _mark(self.record)

    @property
    def at(self) -> int:
        return _at_s(self.record)

    @property
    def is_own_draft(self) -> bool:
        """A draft that we wrote ourselves is no news of the case."""
        return self.mine and self.source.name == DRAFT


def sources(may: Learned) -> list[Source]:
    """The objects this user can be told about."""
    return [one for one in _SOURCES if may.has(one.name, "SystemModstamp") and (one.name != DRAFT or may.has_app)]


def page_query(source: Source, cursor: Cursor, may: Learned) -> str:
    """The next page of one object."""
    place = cursor.places.get(source.name)
    if place is None:
        after = f"SystemModstamp >= {literal(cursor.floor)}"
    else:
        at, record = literal(place[0]), format_soql("{}", place[1])
        after = f"(SystemModstamp > {at} OR (SystemModstamp = {at} AND Id > {record}))"
    return f"{_select(source, may)} {_where(source, after)} ORDER BY SystemModstamp, Id LIMIT {PAGE}"


def newest_query(source: Source, since: datetime, may: Learned) -> str:
    """The newest changes of one object: where a first poll begins."""
    after = f"SystemModstamp >= {literal(since)}"
    return f"{_select(source, may)} {_where(source, after)} ORDER BY SystemModstamp DESC, Id DESC LIMIT {PAGE}"


def begun(found: Mapping[str, Sequence[Document]], since: datetime) -> Cursor:
    """A cursor behind everything that was found, of which nothing is told."""
    rows = [row for records in found.values() for row in records]
    newest = max((moment(row["SystemModstamp"]) for row in rows), default=since)
    cursor = Cursor(floor=newest - OVERLAP if rows else since, seen={_mark(row): _at_s(row) for row in rows})
    # A full page ends somewhere in the overlap: what lies below that is from before, and must not be told.
    full_pages = [records for records in found.values() if len(records) >= PAGE]
    floors = [min(moment(row["SystemModstamp"]) for row in records) + A_SECOND for records in full_pages]
    return swept(replace(cursor, floor=min(newest, max([cursor.floor, *floors]))))


def followed(
    cursor: Cursor, found: Mapping[str, Sequence[Document]], asked: Iterable[Source], *, me: str, now: datetime
) -> tuple[list[Change], Cursor]:
    """What a page brought that is to be told, one change for each case, and where the poll stands then."""
    by_case: dict[str, list[Row]] = {}
    for source in asked:
        for record in found[source.name]:
            if ids.is_id(record.get(source.case), ids.CASE):
                row = Row(source=source, record=record, mine=bool(me) and record.get("LastModifiedById") == me)
                by_case.setdefault(ids.full(record[source.case]), []).append(row)
    over_at = to_seconds(now - FRESH)
    told = [change for case, rows in by_case.items() if (change := _change(case, rows, cursor, over_at))]
    fresh = {row.mark for rows in by_case.values() for row in rows if row.at > over_at and not row.mine}
    return told, _moved(cursor, found, fresh)


# --- inside -------------------------------------------------------------------------------------------------------


def _select(source: Source, may: Learned) -> str:
    of_case = ["SystemModstamp", *(name for name in VERSION_FIELDS if may.has("Case", name))]
    names = ["Id", "SystemModstamp", "LastModifiedById", *(f"{source.via}{name}" for name in of_case)]
    if source.deleted:
        names.append("IsDeleted")
    else:
        names.append(source.case)
    return f"SELECT {', '.join(dict.fromkeys(names))} FROM {source.name}"  # noqa: S608 - names of our own tables


def _where(source: Source, after: str) -> str:
    return f"WHERE {source.where} AND {after}" if source.where else f"WHERE {after}"


def _change(case: str, rows: Sequence[Row], cursor: Cursor, over_at: int) -> Change | None:
    new = [row for row in rows if row.mark not in cursor.seen and not row.is_own_draft]
    again = [row for row in rows if row.mark in cursor.fresh and row.at <= over_at and not row.is_own_draft]
    if not new and not again:
        return None
    others = [row for row in (*new, *again) if not row.mine]
    newest = max(others, key=lambda row: row.at, default=None)
    by = BY_BRIDGE if newest is None else str(newest.record.get("LastModifiedById") or "") or None
    told_early = "~" if any(row.at > over_at and not row.mine for row in new) else ""
    return Change(ref=CaseRef(id=case), version=f"{_version(rows)}{told_early}", by=by)


def _version(rows: Sequence[Row]) -> str:
    """As `read_case` gives it."""
    about: Document = {}
    found = []
    for row in rows:
        case = row.record if row.source.name == "Case" else row.record.get(row.source.via.rstrip(".")) or {}
        about = about or case
        if case.get("SystemModstamp"):
            found.append(Stamp(record=row.record[row.source.case], at=moment(case["SystemModstamp"])))
        if not row.is_own_draft:
            found.append(Stamp(record=row.record["Id"], at=moment(row.record["SystemModstamp"])))
    return version(about, found)


def _moved(cursor: Cursor, found: Mapping[str, Sequence[Document]], fresh: Set[str]) -> Cursor:
    """`fresh`: of what this page holds, what was changed within its second."""
    seen, places, done = dict(cursor.seen), dict(cursor.places), set(cursor.done)
    for name, records in found.items():
        seen |= {_mark(row): _at_s(row) for row in records}
        if len(records) >= PAGE:
            places[name] = (moment(records[-1]["SystemModstamp"]), str(records[-1]["Id"]))
        else:
            done.add(name)
    read = {_mark(row) for records in found.values() for row in records}
    still = {mark for mark in cursor.fresh if mark not in read or mark in fresh}
    still |= {mark for mark in fresh if mark not in cursor.seen}
    moved = replace(cursor, seen=seen, places=places, done=frozenset(done), fresh=frozenset(still))
    return bounded(moved) if places.keys() - done else swept(moved)


def _mark(row: Document) -> str:
    told = "|".join(
        str(row.get(name)) for name in ("Id", "SystemModstamp", "LastModifiedById", "IsDeleted", *VERSION_FIELDS)
    )
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _at_s(row: Document) -> int:
    return int(moment(row["SystemModstamp"]).timestamp())
