"""What a caller gave for a record, checked field by field: names, rights, kinds, references. It writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.errors import Refused, bad_reference, unknown_column_of_body
from crm_bridge_salesforce.emulator.schema import Field, Schema, SObject
from crm_bridge_salesforce.emulator.values import value_for

Live = Callable[[str], Record | None]
"""The record of an id, unless it was deleted."""


def given_values(
    schema: Schema, sobject: SObject, given: Mapping[str, Any], ability: str, live: Live
) -> dict[str, Any]:
    """Values by the names of the describe. `ability`: `createable` or `updateable`. Raises `Refused`."""
    values: dict[str, Any] = {}
    refused: list[str] = []
    hidden = schema.hidden(sobject.name)
    for name, value in given.items():
        if name.lower() == "attributes":
            continue
        field = sobject.field(name)
        if field is None or field.name in hidden:
            raise unknown_column_of_body(name, sobject.name)
        if field.name == "Id":
            raise Refused(400, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
        if field.says(ability):
            values[field.name] = _referred(schema, field, value_for(field, value), live)
        else:
            refused.append(field.name)
    if refused:
        raise _not_writable(refused)
    return values


def check_required(sobject: SObject, values: Mapping[str, Any]) -> None:
    """Refuse a new record that lacks what it needs."""
    missing = [one.name for one in sobject.fields if one.is_required and values.get(one.name) is None]
    if missing:
        detail = f"Required fields are missing: [{', '.join(missing)}]"
        raise Refused(400, "REQUIRED_FIELD_MISSING", detail, missing)


def _referred(schema: Schema, field: Field, value: Any, live: Live) -> Any:
    if field.kind != "reference" or value is None:
        return value
    targets = [one for one in map(schema.get, field.targets) if one is not None]
    if targets and not any(value.startswith(one.prefix) for one in targets):
        detail = f"{field.label}: id value of incorrect type: {value}"
        raise Refused(400, "FIELD_INTEGRITY_EXCEPTION", detail, [field.name])
    if targets and live(value) is None:
        raise bad_reference(field.name)
    return value


def _not_writable(fields: list[str]) -> Refused:
    detail = (
        f"Unable to create/update fields: {', '.join(fields)}. Please check the security settings of this field and"
        " verify that it is read/write for your profile or permission set."
    )
    return Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", detail, fields)
