"""Bytes in, documents out: what all routes share. Routes are rows of tables; no operation is known here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import g, request

from crm_bridge.contract import InvalidDelivery
from crm_bridge.kit.emulation import HttpAnswer, json_answer
from crm_bridge.kit.parsing import parse_json
from crm_bridge_salesforce.emulator.errors import Refused, not_json
from crm_bridge_salesforce.emulator.ids import full_id_or_none
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.schema import SObject

JSON = "application/json;charset=UTF-8"
ALL_OR_NONE = "salesforce.all_or_none"
"""In the environment of a call inside a composite one that is all or none."""

View = Callable[..., HttpAnswer]


@dataclass(frozen=True, slots=True)
class Route:
    """`name` is the operation faults and counters know; the rule stands below `/services/data/<version>`."""

    method: str
    rule: str
    name: str
    view: View


def answer(status: int, document: Any, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """A document."""
    return json_answer(status, document, JSON).with_headers(headers or {})


def empty(status: int, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """No body."""
    return HttpAnswer(status=status, headers=tuple((headers or {}).items()))


def refusal(refused: Refused) -> HttpAnswer:
    """An error array."""
    return answer(refused.status, refused.documents)


def caller() -> str:
    """The id of the user who calls."""
    return str(g.caller)


def version() -> str:
    """`v66.0`, as the call names it."""
    return str(g.version)


def base() -> str:
    """`/services/data/v66.0`."""
    return f"/services/data/{version()}"


def body() -> dict[str, Any]:
    """The JSON object of the call. Raises `Refused`."""
    given = request.get_data(cache=True)
    if not given:
        raise not_json("The HTTP entity body is required, but this request has no entity body.")
    try:
        document = parse_json(given)
    except InvalidDelivery as error:
        raise not_json(f"Unexpected input: {error} at [line:1, column:1]") from None
    if not isinstance(document, dict):
        raise not_json("Cannot deserialize request body: an object is expected at [line:1, column:1]")
    return dict(document)


def list_of(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects in a body. Raises `Refused`."""
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise not_json(f"Cannot deserialize request body: '{name}' has to be a list of objects")
    return found


def object_in(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object in a body, empty where there is none. Raises `Refused` for anything else."""
    found = document.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise not_json(f"Cannot deserialize request body: '{name}' has to be an object")
    return found


def texts_in(document: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts in a body, empty where there is none. Raises `Refused` for anything else."""
    found = document.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise not_json(f"Cannot deserialize request body: '{name}' has to be a list of texts")
    return found


def wants(document: Mapping[str, Any], name: str) -> bool:
    """A yes-or-no of a body; anything else is no."""
    return document.get(name) is True


def is_yes(text: str | None) -> bool:
    """A yes-or-no of a query."""
    return (text or "").lower() == "true"


def shown(org: Org, sobject: SObject, row: Mapping[str, Any], fields: list[str] | None = None) -> dict[str, Any]:
    """A record as the API gives it: these fields (names already checked), else all the caller may see."""
    hidden = org.schema.hidden(sobject.name)
    names = fields or [one.name for one in sobject.fields if one.name not in hidden]
    url = f"{base()}/sobjects/{sobject.name}/{row['Id']}"
    document: dict[str, Any] = {"attributes": {"type": sobject.name, "url": url}}
    return document | {name: row.get(name) for name in names}


def named_id(given: str) -> str | None:
    """A record id out of a path, None for what is none."""
    return full_id_or_none(given)
