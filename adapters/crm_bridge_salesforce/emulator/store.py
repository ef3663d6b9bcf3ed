"""The records of an org: create, change, delete, restore, look up, as the API sees them.

It owns ids, system fields, references, uniqueness and the recycle bin. What a write means for one object (a case that
is closed, a mail that is a draft) is `rules.py`'s; who is told is the listener's. Every write checks before it changes
anything, so a refused record leaves nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_bridge.kit.emulation import EmulatorClock, Record, RecordStore
from crm_bridge_salesforce.emulator.checks import check_required, given_values
from crm_bridge_salesforce.emulator.errors import Refused, is_deleted, malformed_id, not_found
from crm_bridge_salesforce.emulator.ids import full_id_or_none, make_id
from crm_bridge_salesforce.emulator.rules import RULES
from crm_bridge_salesforce.emulator.schema import Field, Schema, SObject
from crm_bridge_salesforce.emulator.values import stamp

_TABLES = (
    """CREATE TABLE IF NOT EXISTS sobjects (
        id TEXT PRIMARY KEY, type TEXT NOT NULL, position INTEGER NOT NULL, data TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS sobjects_by_type ON sobjects (type, position)",
    "CREATE INDEX IF NOT EXISTS sobjects_by_parent ON sobjects (type, json_extract(data, '$.ParentId'))",
    "CREATE INDEX IF NOT EXISTS sobjects_by_case ON sobjects (type, json_extract(data, '$.Case__c'))",
)
_PUT = (
    "INSERT INTO sobjects (id, type, position, data) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET data = excluded.data"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A write that is done. `before` None: created; `after` None: deleted. `by`: a user's id."""

    sobject: str
    before: Record | None
    after: Record | None
    by: str


class Store:
    """Records on the emulator's database. `on_written` is called inside the transaction of the write."""

    def __init__(self, records: RecordStore, schema: Schema, clock: EmulatorClock) -> None:
        self.records = records
        self.schema = schema
        self.clock = clock
        self.on_written: Callable[[Written], None] = lambda _written: None
        for statement in _TABLES:
            records.execute(statement)

    # --- looking up -----------------------------------------------------------------------------------------------

    def get(self, record_id: str) -> Record | None:
        """The record of a full id, deleted ones too (`IsDeleted`); None when there never was one."""
        rows = self.records.execute("SELECT data FROM sobjects WHERE id = ?", (record_id,))
        return json.loads(rows[0][0]) if rows else None

    def live(self, record_id: str) -> Record | None:
        """The record unless it was deleted."""
        record = self.get(record_id)
        return record if record is not None and not record["IsDeleted"] else None

    def all_of(self, sobject: str) -> Iterator[Record]:
        """Every record of an object, deleted ones too, oldest first."""
        for (data,) in self.records.execute("SELECT data FROM sobjects WHERE type = ? ORDER BY position", (sobject,)):
            yield json.loads(data)

    def referring(self, sobject: str, field: str, target: str) -> list[Record]:
        """Records of an object whose field has this value, deleted ones too, oldest first."""
        self._check_name(field)
        rows = self.records.execute(
            f"SELECT data FROM sobjects WHERE type = ? AND json_extract(data, '$.{field}') = ? ORDER BY position",  # noqa: S608
            (sobject, target),
        )
        return [json.loads(row[0]) for row in rows]

    def now(self) -> str:
        """The moment as it is kept."""
        return stamp(self.clock.now())

    # --- writing --------------------------------------------------------------------------------------------------

    def create(self, sobject: SObject, given: Mapping[str, Any], by: str) -> Record:
        """A new record with what the API's caller gave. Raises `Refused`."""
        with self.records.transaction():
            values = given_values(self.schema, sobject, given, "createable", self.live)
            check_required(sobject, values)
            return self.put_new(sobject, values, by)

    def put_new(self, sobject: SObject, values: Mapping[str, Any], by: str) -> Record:
        """A new record of checked values, system-written ones too."""
        with self.records.transaction():
            record = self._defaults(sobject, by) | dict(values)
            rule = RULES.get(sobject.name)
            if rule is not None:
                record = rule(self, None, record)
            self._check_unique(sobject, record)
            self._keep(sobject, record)
            self.on_written(Written(sobject=sobject.name, before=None, after=record, by=by))
            return record

    def update(self, sobject: SObject, record_id: str, given: Mapping[str, Any], by: str) -> Record:
        """Change what the API's caller gave. Raises `Refused`."""
        with self.records.transaction():
            before = self.writable(sobject, record_id)
            values = given_values(self.schema, sobject, given, "updateable", self.live)
            return self.change(sobject, before, values, by)

    def change(self, sobject: SObject, before: Record, values: Mapping[str, Any], by: str) -> Record:
        """Change a record by checked values."""
        with self.records.transaction():
            now = self.now()
            record = before | dict(values)
            record |= {"LastModifiedDate": now, "LastModifiedById": by, "SystemModstamp": now}
            rule = RULES.get(sobject.name)
            if rule is not None:
                record = rule(self, before, record)
            self._check_unique(sobject, record)
            self._keep(sobject, record)
            self.on_written(Written(sobject=sobject.name, before=before, after=record, by=by))
            return record

    def move(self, sobject: SObject, row: Record, values: Mapping[str, Any], by: str) -> None:
        """Change references as the system does: no rule is asked and nobody is told."""
        now = self.now()
        changed = {"LastModifiedDate": now, "LastModifiedById": by, "SystemModstamp": now}
        self._keep(sobject, row | dict(values) | changed)

    def delete(self, sobject: SObject, record_id: str, by: str, **more: Any) -> None:
        """Into the recycle bin, with what depends on it. Raises `Refused`."""
        with self.records.transaction():
            before = self.writable(sobject, record_id)
            self._bury(sobject, before, by, more)

    def writable(self, sobject: SObject, record_id: str) -> Record:
        """A record that may be written. Raises `Refused` for a deleted one or none."""
        found = self.get(record_id)
        if found is None or self.schema.of_prefix(record_id) is not sobject:
            raise not_found() if found is None else malformed_id(f"{sobject.label} ID", record_id, "Id")
        if found["IsDeleted"]:
            raise is_deleted()
        return found

    # --- inside ---------------------------------------------------------------------------------------------------

    def _bury(self, sobject: SObject, before: Record, by: str, more: Mapping[str, Any]) -> None:
        now = self.now()
        record = before | dict(more) | {"IsDeleted": True, "SystemModstamp": now, "LastModifiedDate": now}
        record |= {"LastModifiedById": by, "_deleted_at": now}
        self._keep(sobject, record)
        self.on_written(Written(sobject=sobject.name, before=before, after=None, by=by))
        for relation in sobject.children:
            child = self.schema.get(relation.child)
            if child is None:
                continue
            for one in self.referring(child.name, relation.field, record["Id"]):
                if relation.cascades and not one["IsDeleted"]:
                    self._bury(child, one, by, {})

    def _defaults(self, sobject: SObject, by: str) -> Record:
        now = self.now()
        record: Record = {one.name: one.document.get("defaultValue") for one in sobject.fields}
        record |= {one.name: False for one in sobject.fields if one.kind == "boolean" and record[one.name] is None}
        number = self.records.next_number(f"id.{sobject.prefix}")
        record |= {"Id": make_id(sobject.prefix, number), "IsDeleted": False, "CreatedById": by, "LastModifiedById": by}
        record |= {"CreatedDate": now, "LastModifiedDate": now, "SystemModstamp": now, "_position": 0}
        if sobject.field("OwnerId") is not None:
            record["OwnerId"] = by
        return record

    def _check_unique(self, sobject: SObject, record: Record) -> None:
        for field in sobject.fields:
            value = record.get(field.name)
            if not field.says("unique") or value is None:
                continue
            for other in self.with_key(sobject, field, value):
                if other["Id"] != record["Id"]:
                    detail = f"duplicate value found: {field.name} duplicates value on record with id: {other['Id']}"
                    raise Refused(400, "DUPLICATE_VALUE", detail, [])

    def with_key(self, sobject: SObject, field: Field, value: Any) -> list[Record]:
        """Live records whose key field has this value; keys differ by case only where the describe says so."""
        found = self.referring(sobject.name, field.name, value)
        if not found and isinstance(value, str) and not field.says("caseSensitive"):
            wanted = value.lower()
            found = [one for one in self.all_of(sobject.name) if str(one.get(field.name)).lower() == wanted]
        return [one for one in found if not one["IsDeleted"]]

    def _keep(self, sobject: SObject, record: Record) -> None:
        if not record["_position"]:
            record["_position"] = self.records.next_number("position")
        self.records.execute(_PUT, (record["Id"], sobject.name, record["_position"], json.dumps(record)))

    def _check_name(self, field: str) -> None:
        if not field.replace("_", "").isalnum():
            raise ValueError("a field's name has letters, digits and underscores")


def full_id_of(sobject: SObject, given: object) -> str:
    """The full id of a record named in a call. Raises `Refused`."""
    found = full_id_or_none(given)
    if found is None:
        raise malformed_id(f"{sobject.label} ID", given, "Id")
    return found
