"""`/composite/sobjects`: up to 200 records in one call, each with a result of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask import request

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge_salesforce.emulator.errors import Refused, no_such_key, not_json, too_many
from crm_bridge_salesforce.emulator.ids import full_id_or_none
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest.keys import Keys, SeveralFound
from crm_bridge_salesforce.emulator.rest.sobjects import SObjects
from crm_bridge_salesforce.emulator.rest.wire import (
    ALL_OR_NONE,
    Route,
    answer,
    body,
    caller,
    is_yes,
    list_of,
    shown,
    wants,
)
from crm_bridge_salesforce.emulator.store import full_id_of

MOST, MOST_CHUNKS, MOST_READ = 200, 10, 2000
Record = dict[str, Any]
Write = Callable[[Record], Record]


class Collections:
    """The operations, on one org."""

    def __init__(self, org: Org, sobjects: SObjects, keys: Keys) -> None:
        self._org = org
        self._sobjects = sobjects
        self._keys = keys

    @property
    def routes(self) -> tuple[Route, ...]:
        """Their table."""
        many = "/composite/sobjects"
        return (
            Route("POST", many, "create_many", self.create),
            Route("PATCH", many, "update_many", self.update),
            Route("DELETE", many, "delete_many", self.delete),
            Route("GET", f"{many}/<name>", "read_many", self.read),
            Route("POST", f"{many}/<name>", "read_many_by_body", self.read_by_body),
            Route("PATCH", f"{many}/<name>/<key>", "upsert_many", self.upsert),
        )

    def create(self) -> HttpAnswer:
        """A result for each record."""
        return self._each_of_body(self._create)

    def update(self) -> HttpAnswer:
        """A result for each record; the id stands in it."""
        return self._each_of_body(self._update)

    def upsert(self, name: str, key: str) -> HttpAnswer:
        """A result for each record; the key stands in it."""
        sobject = self._org.object(name)
        field = sobject.field(key)
        if field is None or not (field.says("externalId") or field.says("idLookup")):
            raise no_such_key(key)

        def write(record: Record) -> Record:
            given = {one: value for one, value in record.items() if one.lower() != field.name.lower()}
            value = next((value for one, value in record.items() if one.lower() == field.name.lower()), None)
            if value is None:
                raise Refused(400, "MISSING_ARGUMENT", f"{field.name} not specified", [])
            row, created = self._keys.write(sobject, field, str(value), given, only_update=False)
            return {"id": row["Id"], "success": True, "errors": [], "created": created}

        return self._each_of_body(write)

    def delete(self) -> HttpAnswer:
        """A result for each id of the query."""
        ids = [one for one in request.args.get("ids", "").split(",") if one]
        _check_count(ids, MOST)
        return self._each([{"id": one} for one in ids], self._delete, is_yes(request.args.get("allOrNone")))

    def read(self, name: str) -> HttpAnswer:
        """Records by id, null for each that is not there."""
        return self._read(name, request.args.get("ids", "").split(","), request.args.get("fields", ""))

    def read_by_body(self, name: str) -> HttpAnswer:
        """The same out of a body."""
        given = body()
        ids, fields = given.get("ids"), given.get("fields")
        if not isinstance(ids, list) or not isinstance(fields, list):
            raise not_json("Cannot deserialize request body: lists 'ids' and 'fields' are expected")
        return self._read(name, [str(one) for one in ids], ",".join(str(one) for one in fields))

    # --- one of them ----------------------------------------------------------------------------------------------

    def _create(self, record: Record) -> Record:
        sobject = self._sobjects.creatable(_type_of(record))
        row = self._org.store.create(sobject, record, caller())
        return {"id": row["Id"], "success": True, "errors": []}

    def _update(self, record: Record) -> Record:
        sobject = self._org.object(_type_of(record))
        given = next((value for name, value in record.items() if name.lower() == "id"), None)
        if given is None:
            raise Refused(400, "MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
        rest = {name: value for name, value in record.items() if name.lower() != "id"}
        row = self._org.store.update(sobject, full_id_of(sobject, given), rest, caller())
        return {"id": row["Id"], "success": True, "errors": []}

    def _delete(self, record: Record) -> Record:
        record_id = full_id_or_none(record["id"])
        sobject = self._org.schema.of_prefix(record_id) if record_id else None
        if record_id is None or sobject is None:
            raise Refused(400, "MALFORMED_ID", f"malformed id {record['id']}", [])
        self._org.store.delete(sobject, record_id, caller())
        return {"id": record_id, "success": True, "errors": []}

    # --- all of them ----------------------------------------------------------------------------------------------

    def _read(self, name: str, ids: Sequence[str], fields: str) -> HttpAnswer:
        sobject = self._org.object(name)
        _check_count(ids, MOST_READ)
        names = self._sobjects.field_names(sobject, fields)
        if names is None:
            raise Refused(400, "MISSING_ARGUMENT", "fields have to be named")
        rows = [self._org.seen(caller(), found) if (found := full_id_or_none(one)) else None for one in ids]
        return answer(200, [shown(self._org, sobject, row, names) if row else None for row in rows])

    def _each_of_body(self, write: Write) -> HttpAnswer:
        document = body()
        records = list_of(document, "records")
        _check_count(records, MOST)
        _check_chunks(records)
        return self._each(records, write, wants(document, "allOrNone"))

    def _each(self, records: Sequence[Record], write: Write, all_or_none: bool) -> HttpAnswer:
        if not all_or_none and not request.environ.get(ALL_OR_NONE):
            return answer(200, [_attempt(write, one) for one in records])
        results: list[Record] = []
        try:
            with self._org.records.transaction():
                results = [_attempt(write, one) for one in records]
                _check_all(results)
        except _RolledBack:
            results = [_rolled_back() if one["success"] else one for one in results]
        return answer(200, results)


class _RolledBack(Exception):
    """Ends the transaction of a collection that is all or none."""


def _check_all(results: Sequence[Record]) -> None:
    if not all(one["success"] for one in results):
        raise _RolledBack


def _attempt(write: Write, record: Record) -> Record:
    try:
        return write(record)
    except Refused as refused:
        return refused.result
    except SeveralFound as several:
        detail = f"{len(several.urls)} records have this key"
        return Refused(300, "DUPLICATE_EXTERNAL_ID", detail, []).result


def _rolled_back() -> Record:
    detail = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    return Refused(400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", detail, []).result


def _type_of(record: Record) -> str:
    found = _named_type(record)
    if found is None:
        raise Refused(400, "INVALID_TYPE", "attributes.type has to be specified", [])
    return found


def _named_type(record: Record) -> str | None:
    attributes = record.get("attributes")
    found = attributes.get("type") if isinstance(attributes, dict) else None
    return found if isinstance(found, str) else None


def _check_count(items: Sequence[Any], most: int) -> None:
    if len(items) > most:
        raise too_many("The number of records", most)


def _check_chunks(records: Sequence[Record]) -> None:
    types = [_named_type(one) for one in records]
    chunks = sum(1 for before, after in zip([None, *types], types, strict=False) if before != after)
    if chunks > MOST_CHUNKS:
        detail = (
            f"Cannot have more than {MOST_CHUNKS} chunks in a single operation. Please rearrange the data to reduce"
            " chunking."
        )
        raise Refused(400, "LIMIT_EXCEEDED", detail)
