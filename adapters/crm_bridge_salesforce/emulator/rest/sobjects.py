"""`/sobjects`: what objects there are, their describes, and one record at a time by its id."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import request

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge_salesforce.emulator.errors import Refused, no_such_key, not_found, unknown_column
from crm_bridge_salesforce.emulator.ids import full_id_or_none
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest import conditions
from crm_bridge_salesforce.emulator.rest.wire import Route, answer, base, body, caller, empty, shown
from crm_bridge_salesforce.emulator.schema import SObject
from crm_bridge_salesforce.emulator.values import moment_of, stamp

RECENT = 10
_URLS = {
    "rowTemplate": "/{ID}",
    "describe": "/describe",
    "layouts": "/describe/layouts",
    "compactLayouts": "/describe/compactLayouts",
    "approvalLayouts": "/describe/approvalLayouts",
    "listviews": "/listviews",
    "quickActions": "/quickActions",
}


class SObjects:
    """The operations, on one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    @property
    def routes(self) -> tuple[Route, ...]:
        """Their table."""
        one = "/sobjects/<name>/<key>"
        return (
            Route("GET", "/sobjects", "describe_global", self.describe_global),
            Route("GET", "/sobjects/<name>", "describe_basic", self.describe_basic),
            Route("POST", "/sobjects/<name>", "create", self.create),
            Route("GET", "/sobjects/<name>/describe", "describe", self.describe),
            Route("GET", "/sobjects/<name>/updated", "updated", self.updated),
            Route("GET", "/sobjects/<name>/deleted", "deleted", self.deleted),
            Route("GET", one, "read", self.read),
            Route("PATCH", one, "update", self.update),
            Route("DELETE", one, "delete", self.delete),
            Route("POST", one, "create_by_id", self.create_by_id),
        )

    # --- describes ------------------------------------------------------------------------------------------------

    def describe_global(self) -> HttpAnswer:
        """Every object."""
        headers = conditions.of_moment(self._org.schema.changed_at)
        known = [self._summary(one) for one in self._org.schema.objects]
        document = {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": known}
        return conditions.unchanged(headers) or answer(200, document, headers)

    def describe_basic(self, name: str) -> HttpAnswer:
        """An object, and what was written there last."""
        sobject = self._org.object(name)
        return answer(200, {"objectDescribe": self._summary(sobject), "recentItems": self.recent(sobject, RECENT)})

    def describe(self, name: str) -> HttpAnswer:
        """An object with its fields and relations, as the caller may see them."""
        sobject = self._org.object(name)
        headers = conditions.of_moment(self._org.schema.changed_at)
        document = sobject.describe(self._org.schema.hidden(sobject.name)) | {"urls": self._urls(sobject)}
        return conditions.unchanged(headers) or answer(200, document, headers)

    def recent(self, sobject: SObject, most: int) -> list[dict[str, Any]]:
        """Records by their last change, newest first, with id and name."""
        rows = [one for one in self._org.store.all_of(sobject.name) if not one["IsDeleted"]]
        rows = [one for one in rows if self._org.sees(caller(), one)]
        rows.sort(key=lambda one: one["SystemModstamp"], reverse=True)
        title = next((one.name for one in sobject.fields if one.says("nameField")), None)
        return [shown(self._org, sobject, one, ["Id", *([title] if title else [])]) for one in rows[:most]]

    def _summary(self, sobject: SObject) -> dict[str, Any]:
        return {**sobject.document, "urls": self._urls(sobject)}

    def _urls(self, sobject: SObject) -> dict[str, str]:
        own = f"{base()}/sobjects/{sobject.name}"
        return {"sobject": own} | {name: own + rest for name, rest in _URLS.items()}

    # --- one record -----------------------------------------------------------------------------------------------

    def create(self, name: str) -> HttpAnswer:
        """201 with the new id."""
        sobject = self.creatable(name)
        row = self._org.store.create(sobject, body(), caller())
        location = f"{base()}/sobjects/{sobject.name}/{row['Id']}"
        return answer(201, {"id": row["Id"], "success": True, "errors": []}, {"Location": location})

    def create_by_id(self, name: str, key: str) -> HttpAnswer:
        """`POST /sobjects/X/Id`: a create that looks like an upsert."""
        if key.lower() != "id":
            raise no_such_key(key)
        return self.create(name)

    def read(self, name: str, key: str) -> HttpAnswer:
        """A record, or the fields of it that were asked for."""
        sobject = self._org.object(name)
        row = self.seen(sobject, key)
        fields = self.field_names(sobject, request.args.get("fields"))
        headers = conditions.of_record(sobject.name, row)
        return conditions.unchanged(headers) or answer(200, shown(self._org, sobject, row, fields), headers)

    def update(self, name: str, key: str) -> HttpAnswer:
        """204."""
        sobject = self._org.object(name)
        changed = body()
        with self._org.records.transaction():
            row = self._org.store.writable(sobject, self._id(key))
            conditions.check_unchanged(conditions.of_record(sobject.name, row))
            self._check_seen(row)
            self._org.store.update(sobject, row["Id"], changed, caller())
        return empty(204)

    def delete(self, name: str, key: str) -> HttpAnswer:
        """204."""
        sobject = self._org.object(name)
        with self._org.records.transaction():
            row = self._org.store.writable(sobject, self._id(key))
            self._check_seen(row)
            self._org.store.delete(sobject, row["Id"], caller())
        return empty(204)

    def creatable(self, name: str) -> SObject:
        """An object that new records can be made of."""
        sobject = self._org.object(name)
        if not sobject.document.get("createable", True):
            detail = f"entity type {sobject.name} does not support create"
            raise Refused(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", detail, [])
        return sobject

    def seen(self, sobject: SObject, key: str) -> dict[str, Any]:
        """A live record the caller may see. Raises `Refused`."""
        row = self._org.seen(caller(), self._id(key))
        if row is None or not row["Id"].startswith(sobject.prefix):
            raise not_found()
        return row

    def field_names(self, sobject: SObject, given: str | None) -> list[str] | None:
        """Names of fields as the describe writes them; None when none were asked for. Raises `Refused`."""
        if not given:
            return None
        hidden = self._org.schema.hidden(sobject.name)
        names: list[str] = []
        for name in given.split(","):
            field = sobject.field(name.strip())
            if field is None or field.name in hidden:
                raise unknown_column(name.strip(), sobject.name)
            names.append(field.name)
        return names

    def _id(self, key: str) -> str:
        found = full_id_or_none(key)
        if found is None:
            raise no_such_key(key)
        return found

    def _check_seen(self, row: dict[str, Any]) -> None:
        if not self._org.sees(caller(), row):
            raise not_found()

    # --- what changed ---------------------------------------------------------------------------------------------

    def updated(self, name: str) -> HttpAnswer:
        """Ids of what was created or changed in a span of time."""
        sobject = self._org.object(name)
        begin, end = self._span()
        rows = self._org.store.all_of(sobject.name)
        found = [one["Id"] for one in rows if not one["IsDeleted"] and begin <= one["SystemModstamp"] <= end]
        return answer(200, {"ids": found, "latestDateCovered": end})

    def deleted(self, name: str) -> HttpAnswer:
        """Ids of what was deleted in a span of time."""
        sobject = self._org.object(name)
        begin, end = self._span()
        rows = [one for one in self._org.store.all_of(sobject.name) if one["IsDeleted"]]
        found = [one for one in rows if begin <= one["_deleted_at"] <= end]
        document: dict[str, Any] = {"earliestDateAvailable": stamp(self._org.clock.now() - timedelta(days=30))}
        document["deletedRecords"] = [{"id": one["Id"], "deletedDate": one["_deleted_at"]} for one in found]
        return answer(200, document | {"latestDateCovered": end})

    def _span(self) -> tuple[str, str]:
        begin, end = self._moment("start"), self._moment("end")
        if end <= begin:
            raise Refused(400, "INVALID_REPLICATION_DATE", "The start date must be before the end date.")
        return stamp(begin), stamp(end)

    def _moment(self, name: str) -> datetime:
        try:
            # A plus that was not escaped arrives as a blank.
            return moment_of(request.args[name].strip().replace(" ", "+"))
        except (KeyError, ValueError, OverflowError):
            raise Refused(400, "INVALID_REPLICATION_DATE", f"The parameter {name} has to be a date and time.") from None
