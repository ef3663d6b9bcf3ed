"""What clients ask of how things look: layouts, list views, quick actions. As little as the API's forms allow."""

from __future__ import annotations

from typing import Any

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge_salesforce.emulator.errors import not_found
from crm_bridge_salesforce.emulator.ids import full_id_or_none, make_id
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest.sobjects import SObjects
from crm_bridge_salesforce.emulator.rest.wire import Route, answer, base, body, caller, object_in
from crm_bridge_salesforce.emulator.schema import SObject

LOG_A_CALL = "LogACall"
_ACTION = {"type": "LogACall", "name": LOG_A_CALL, "label": "Log a Call"}
_CONTEXT = ("WhoId", "WhatId")


class Appearance:
    """The operations, on one org."""

    def __init__(self, org: Org, sobjects: SObjects) -> None:
        self._org = org
        self._sobjects = sobjects

    @property
    def routes(self) -> tuple[Route, ...]:
        """Their table."""
        one, actions = "/sobjects/<name>", "/quickActions"
        return (
            Route("GET", f"{one}/describe/layouts", "layouts", self.layouts),
            Route("GET", f"{one}/describe/namedLayouts/<layout>", "named_layouts", self.layouts),
            Route("GET", f"{one}/describe/compactLayouts", "compact_layouts", self.compact_layouts),
            Route("GET", f"{one}/describe/approvalLayouts", "approval_layouts", self.approval_layouts),
            Route("GET", f"{one}/listviews", "list_views", self.list_views),
            Route("GET", f"{one}/listviews/<view>/describe", "describe_list_view", self.describe_list_view),
            Route("GET", f"{one}/listviews/<view>/results", "list_view_results", self.list_view_results),
            Route("GET", f"{one}{actions}", "object_actions", self.object_actions),
            Route("GET", actions, "quick_actions", self.quick_actions),
            Route("GET", f"{actions}/<action>", "quick_action", self.quick_action),
            Route("POST", f"{actions}/<action>", "run_quick_action", self.run),
            Route("GET", f"{actions}/<action>/describe", "describe_quick_action", self.quick_action),
            Route("GET", f"{actions}/<action>/defaultValues", "quick_action_defaults", self.defaults),
            Route("GET", f"{actions}/<action>/defaultValues/<context>", "quick_action_defaults_of", self.defaults),
        )

    # --- layouts --------------------------------------------------------------------------------------------------

    def layouts(self, name: str, layout: str = "") -> HttpAnswer:
        """One layout with no sections."""
        self._org.object(name)
        empty: dict[str, Any] = {"detailLayoutSections": [], "editLayoutSections": [], "relatedLists": []}
        empty["buttonLayoutSection"] = {"detailButtons": []}
        empty["quickActionList"] = {"quickActionListItems": []}
        named = {"id": make_id("00h", 1), "name": layout or None}
        document = {"layouts": [named | empty], "recordTypeMappings": [], "recordTypeSelectorRequired": [False]}
        return answer(200, document)

    def compact_layouts(self, name: str) -> HttpAnswer:
        """The one the system has."""
        sobject = self._org.object(name)
        layout = {"id": None, "name": "SYSTEM", "label": "System Default", "objectType": sobject.name}
        layouts: list[dict[str, Any]] = [layout | {"actions": [], "fieldItems": [], "imageItems": []}]
        document = {"compactLayouts": layouts, "defaultCompactLayoutId": None, "recordTypeCompactLayoutMappings": []}
        return answer(200, document)

    def approval_layouts(self, name: str) -> HttpAnswer:
        """None."""
        self._org.object(name)
        return answer(200, {"approvalLayouts": []})

    # --- list views -----------------------------------------------------------------------------------------------

    def list_views(self, name: str) -> HttpAnswer:
        """The list of everything."""
        sobject = self._org.object(name)
        view = view_of(self._org, sobject)
        own = f"{base()}/sobjects/{sobject.name}/listviews/{view}"
        listed = {"id": view, "developerName": "All", "label": f"All {sobject.label}s", "soqlCompatible": True}
        listed |= {"url": own, "describeUrl": f"{own}/describe", "resultsUrl": f"{own}/results"}
        document = {"done": True, "nextRecordsUrl": None, "size": 1, "sobjectType": sobject.name}
        return answer(200, document | {"listviews": [listed]})

    def describe_list_view(self, name: str, view: str) -> HttpAnswer:
        """Its columns and its query."""
        sobject = self._checked(name, view)
        document: dict[str, Any] = {"id": view, "sobjectType": sobject.name, "columns": self._columns(), "orderBy": []}
        document |= {"scope": "everything", "whereCondition": {}}
        document["query"] = f"SELECT Id FROM {sobject.name}"  # noqa: S608 - only said, not run
        return answer(200, document)

    def list_view_results(self, name: str, view: str) -> HttpAnswer:
        """Its first records."""
        sobject = self._checked(name, view)
        rows = self._sobjects.recent(sobject, 25)
        records = [{"columns": [{"fieldNameOrPath": "Id", "value": row["Id"]}]} for row in rows]
        document = {"id": view, "label": f"All {sobject.label}s", "developerName": "All", "done": True}
        return answer(200, document | {"size": len(rows), "columns": self._columns(), "records": records})

    def _checked(self, name: str, view: str) -> SObject:
        sobject = self._org.object(name)
        if full_id_or_none(view) != view_of(self._org, sobject):
            raise not_found()
        return sobject

    def _columns(self) -> list[dict[str, Any]]:
        column: dict[str, Any] = {
            "label": "ID",
            "fieldNameOrPath": "Id",
            "selectListItem": "Id",
            "type": "id",
            "hidden": True,
        }
        return [column | {"ascendingLabel": None, "sortable": True, "sortIndex": None, "sortDirection": None}]

    # --- quick actions --------------------------------------------------------------------------------------------

    def object_actions(self, name: str) -> HttpAnswer:
        """Those of an object: the global ones."""
        self._org.object(name)
        return self.quick_actions()

    def quick_actions(self) -> HttpAnswer:
        """The global ones."""
        return answer(200, [self._action()])

    def quick_action(self, action: str) -> HttpAnswer:
        """What it makes."""
        self._check_action(action)
        document: dict[str, Any] = {"targetSobjectType": "Task", "contextSobjectType": None}
        document["layout"] = {"layoutRows": []}
        return answer(200, self._action() | document)

    def defaults(self, action: str, context: str = "") -> HttpAnswer:
        """The values of a new record, in the context of another one."""
        self._check_action(action)
        values: dict[str, Any] = {"attributes": {"type": "Task"}, "Subject": "Call", "Description": None}
        return answer(200, values | self._of_context(context))

    def run(self, action: str) -> HttpAnswer:
        """A new record."""
        self._check_action(action)
        given = body()
        context = str(given.get("contextId") or "")
        related = {name: value for name, value in self._of_context(context).items() if value}
        values = {"Subject": "Call", **related, **object_in(given, "record")}
        row = self._org.store.create(self._org.object("Task"), values, caller())
        result = {"id": row["Id"], "success": True, "created": True, "errors": [], "feedItemIds": []}
        return answer(201, result | {"contextId": context or None, "successMessage": None})

    def _of_context(self, context: str) -> dict[str, str | None]:
        found = full_id_or_none(context)
        sobject = self._org.schema.of_prefix(found) if found else None
        task = self._org.object("Task")
        return {
            name: found if sobject and (field := task.field(name)) and sobject.name in field.targets else None
            for name in _CONTEXT
        }

    def _check_action(self, action: str) -> None:
        if action != LOG_A_CALL:
            raise not_found()

    def _action(self) -> dict[str, Any]:
        own = f"{base()}/quickActions/{LOG_A_CALL}"
        urls = {"quickAction": own, "describe": f"{own}/describe", "defaultValues": f"{own}/defaultValues"}
        return {**_ACTION, "urls": urls}


def view_of(org: Org, sobject: SObject) -> str:
    """The id of the list view an object has."""
    return make_id("00B", 1 + [one.name for one in org.schema.objects].index(sobject.name))


def object_of_view(org: Org, text: str) -> SObject | None:
    """The object whose list view this id is."""
    view = full_id_or_none(text)
    return next((one for one in org.schema.objects if view_of(org, one) == view), None) if view else None
