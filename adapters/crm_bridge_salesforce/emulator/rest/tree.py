"""`/composite/tree/X`: records with their children, all of them or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge_salesforce.emulator.errors import Refused, unknown_column_of_body
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest.sobjects import SObjects
from crm_bridge_salesforce.emulator.rest.wire import Route, answer, body, caller, list_of, object_in
from crm_bridge_salesforce.emulator.schema import SObject

MOST, MOST_LEVELS = 200, 5


class Trees:
    """The operation, on one org."""

    def __init__(self, org: Org, sobjects: SObjects) -> None:
        self._org = org
        self._sobjects = sobjects

    @property
    def routes(self) -> tuple[Route, ...]:
        """Its table."""
        return (Route("POST", "/composite/tree/<name>", "create_tree", self.create),)

    def create(self, name: str) -> HttpAnswer:
        """201 with every new id, or 400 with what was wrong first."""
        records = list_of(body(), "records")
        made: list[dict[str, str]] = []
        reference = ""
        try:
            with self._org.records.transaction():
                for reference, record_id in self._made(self._sobjects.creatable(name), records, {}, 1):
                    made.append({"referenceId": reference, "id": record_id})
                    _check_count(made)
        except Refused as refused:
            errors = refused.result["errors"]
            failed = getattr(refused, "reference", reference)
            return answer(400, {"hasErrors": True, "results": [{"referenceId": failed, "errors": errors}]})
        return answer(201, {"hasErrors": False, "results": made})

    def _made(
        self, sobject: SObject, records: list[dict[str, Any]], parent: Mapping[str, str], level: int
    ) -> Iterator[tuple[str, str]]:
        if level > MOST_LEVELS:
            raise Refused(400, "LIMIT_EXCEEDED", f"The number of levels exceeds the limit of {MOST_LEVELS}")
        for record in records:
            reference = str(object_in(record, "attributes").get("referenceId", ""))
            children = {name: value for name, value in record.items() if _is_tree(value)}
            own = {name: value for name, value in record.items() if name not in children}
            try:
                row = self._org.store.create(sobject, {**own, **parent}, caller())
            except Refused as refused:
                refused.reference = reference  # type: ignore[attr-defined]  # which record it was, for the answer
                raise
            yield reference, row["Id"]
            for name, value in children.items():
                relation = sobject.child(name)
                if relation is None:
                    raise unknown_column_of_body(name, sobject.name)
                child = self._org.object(relation.child)
                yield from self._made(child, list_of(value, "records"), {relation.field: row["Id"]}, level + 1)


def _check_count(made: list[dict[str, str]]) -> None:
    if len(made) > MOST:
        raise Refused(400, "LIMIT_EXCEEDED", f"The number of records exceeds the limit of {MOST}")


def _is_tree(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("records"), list)
