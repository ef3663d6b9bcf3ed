"""marshmallow bases for adapters: one for what a CRM sends, one for configuration, and a field for secrets.

Owns how unknown keys are taken and how an error finds its path. What a CRM's payload means stays with its adapter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields

from crm_bridge.contract import InvalidConfig, InvalidDelivery

NO_KNOWN_KEY = "is no known key"
"""How an `InvalidConfig` about a key nobody knows begins."""


class PayloadSchema(Schema):
    """What a CRM sends: keys nobody asked for are passed over, since CRMs add some every month."""

    class Meta:
        unknown = EXCLUDE


class ConfigSchema(Schema):
    """Configuration: a key nobody knows is a typing error and is refused."""

    class Meta:
        unknown = RAISE


class SecretField(fields.String):
    """A non-empty secret on one line. It appears in no error and in no dump."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"load_only": True, **kwargs})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:  # noqa: ARG002 - marshmallow asks for them
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise ValidationError("a secret: text on one line, not empty")
        return value


def load_config(schema: Schema, config: Mapping[str, Any]) -> dict[str, Any]:
    """The validated configuration. Raises `InvalidConfig` with the path of the first thing that is wrong."""
    try:
        loaded: dict[str, Any] = schema.load(config)
    except ValidationError as error:
        unknown = _unknown_key(schema, config)
        path, expected = unknown or next(_messages(error.messages))
        raise InvalidConfig(path, expected) from None
    return loaded


def _unknown_key(schema: Schema, config: Mapping[str, Any]) -> tuple[str, str] | None:
    """A key nobody knows is named first, one that looks mistyped before others: it is why others are missing."""
    if schema.unknown != RAISE:
        return None
    known = sorted(field.data_key or name for name, field in schema.fields.items() if not field.dump_only)
    found = [(get_close_matches(str(key), known, n=1), str(key)) for key in config if key not in known]
    if not found:
        return None
    near, key = next((pair for pair in found if pair[0]), found[0])
    meant = f" (did you mean {near[0]}?)" if near else ""
    return key, f"{NO_KNOWN_KEY}{meant}; expected one of {', '.join(known)}"


def load_payload(schema: Schema, payload: object) -> Any:
    """The validated payload. Raises `InvalidDelivery` naming the field, quoting nothing of the payload."""
    try:
        return schema.load(payload)  # type: ignore[arg-type]
    except ValidationError as error:
        path, _expected = next(_messages(error.messages))
        raise InvalidDelivery(f"the payload does not fit at {path}") from None


def _messages(found: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(dotted path, message) of every leaf of marshmallow's nested messages."""
    if isinstance(found, Mapping):
        for key, below in found.items():
            own = path if key == "_schema" else f"{path}.{key}".lstrip(".")
            yield from _messages(below, own)
    elif isinstance(found, list) and found:
        yield path or "(all of it)", str(found[0])
    else:
        yield path or "(all of it)", str(found)
