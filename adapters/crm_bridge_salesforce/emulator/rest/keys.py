"""Records by an external id, and the relations of a record: `/sobjects/X/<field or id>/<value or relation>`."""

from __future__ import annotations

from typing import Any

from flask import request

from crm_bridge.kit.emulation import HttpAnswer, Record
from crm_bridge_salesforce.emulator.errors import Refused, no_such_key, not_found
from crm_bridge_salesforce.emulator.ids import full_id_or_none
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest import conditions
from crm_bridge_salesforce.emulator.rest.sobjects import SObjects
from crm_bridge_salesforce.emulator.rest.wire import Route, answer, base, body, caller, empty, is_yes, shown, version
from crm_bridge_salesforce.emulator.schema import Field, SObject
from crm_bridge_salesforce.emulator.values import value_for

CREATED_IS_TOLD = 46
"""Since this version an upsert that changed a record is a 200 with a body, before it was a 204."""


class Keys:
    """The operations, on one org."""

    def __init__(self, org: Org, sobjects: SObjects) -> None:
        self._org = org
        self._sobjects = sobjects

    @property
    def routes(self) -> tuple[Route, ...]:
        """Their table."""
        rule = "/sobjects/<name>/<key>/<path:value>"
        return (
            Route("GET", rule, "read_by_key", self.read),
            Route("PATCH", rule, "upsert", self.upsert),
            Route("DELETE", rule, "delete_by_key", self.delete),
        )

    def read(self, name: str, key: str, value: str) -> HttpAnswer:
        """The record of a key, or what a relation of a record leads to."""
        sobject = self._org.object(name)
        if sobject.field(key) is None and full_id_or_none(key) is not None:
            return self._related(sobject, key, value)
        row = self._only(self._rows(sobject, self._key(sobject, key), value))
        if row is None:
            raise not_found()
        fields = self._sobjects.field_names(sobject, request.args.get("fields"))
        headers = conditions.of_record(sobject.name, row)
        return conditions.unchanged(headers) or answer(200, shown(self._org, sobject, row, fields), headers)

    def upsert(self, name: str, key: str, value: str) -> HttpAnswer:
        """201 for a new record, 200 (or 204) for a changed one, 300 with their URLs for several."""
        sobject = self._org.object(name)
        field, given = self._key(sobject, key), body()
        if any(one.lower() == field.name.lower() for one in given):
            detail = f"The {field.name} field should not be specified in the sobject data."
            raise Refused(400, "INVALID_FIELD", detail)
        with self._org.records.transaction():
            row, created = self.write(sobject, field, value, given, only_update=is_yes(request.args.get("updateOnly")))
        document = {"id": row["Id"], "success": True, "errors": [], "created": created}
        if created:
            return answer(201, document, {"Location": f"{base()}/sobjects/{sobject.name}/{row['Id']}"})
        told = float(version().removeprefix("v")) >= CREATED_IS_TOLD
        return answer(200, document) if told else empty(204)

    def write(
        self, sobject: SObject, field: Field, value: str, given: dict[str, Any], *, only_update: bool
    ) -> tuple[Record, bool]:
        """The record and whether it is new. Raises `Refused`, `SeveralFound`."""
        row = self._only(self._rows(sobject, field, value))
        if row is not None:
            conditions.check_unchanged(conditions.of_record(sobject.name, row))
            return self._org.store.update(sobject, row["Id"], given, caller()), False
        if only_update or field.kind == "id":
            raise not_found()
        self._sobjects.creatable(sobject.name)
        return self._org.store.create(sobject, {**given, field.name: value}, caller()), True

    def delete(self, name: str, key: str, value: str) -> HttpAnswer:
        """204."""
        sobject = self._org.object(name)
        with self._org.records.transaction():
            row = self._only(self._rows(sobject, self._key(sobject, key), value))
            if row is None:
                raise not_found()
            self._org.store.delete(sobject, row["Id"], caller())
        return empty(204)

    def _key(self, sobject: SObject, name: str) -> Field:
        field = sobject.field(name)
        hidden = self._org.schema.hidden(sobject.name)
        if field is None or field.name in hidden or not (field.says("externalId") or field.says("idLookup")):
            raise no_such_key(name)
        return field

    def _rows(self, sobject: SObject, field: Field, value: str) -> list[Record]:
        rows = self._org.store.with_key(sobject, field, value_for(field, value))
        return [one for one in rows if self._org.sees(caller(), one)]

    def _only(self, rows: list[Record]) -> Record | None:
        if len(rows) > 1:
            raise SeveralFound([f"{base()}/sobjects/{self._type(one)}/{one['Id']}" for one in rows])
        return rows[0] if rows else None

    def _type(self, row: Record) -> str:
        sobject = self._org.schema.of_prefix(row["Id"])
        return sobject.name if sobject else ""

    def _related(self, sobject: SObject, key: str, relation: str) -> HttpAnswer:
        row = self._sobjects.seen(sobject, key)
        child = sobject.child(relation)
        if child is not None:
            known = self._org.object(child.child)
            names = [one.name for one in known.fields if one.name not in self._org.schema.hidden(known.name)]
            wanted = request.args.get("fields") or ",".join(names)
            statement = f"SELECT {wanted} FROM {known.name} WHERE {child.field} = '{row['Id']}'"  # noqa: S608
            return answer(200, self._org.query(statement, caller(), version=version()))
        field = sobject.reference(relation)
        target = self._org.store.live(row[field.name]) if field and row.get(field.name) else None
        parent = self._org.schema.of_prefix(target["Id"]) if target else None
        if target is None or parent is None:
            raise not_found()
        return answer(200, shown(self._org, parent, target))


class SeveralFound(Exception):
    """A key that more than one record has; `urls` of them, the answer of a 300."""

    def __init__(self, urls: list[str]) -> None:
        super().__init__("several records have this key")
        self.urls = urls
