"""Bodies of the panel's routes. Panel JSON only ever grows, so unknown members are passed over."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, INCLUDE, Schema, ValidationError, fields, validate

from crm_bridge.contract import DecisionKind, InvalidDelivery
from crm_bridge.contract.value import MAX_ID_LENGTH
from crm_bridge.kit.parsing import parse_json
from crm_bridge.pipeline.decide import MAX_TEXT_CHARS
from crm_bridge.web.problems import Problem

MAX_COMMENT_CHARS = 5_000
MAX_ACKNOWLEDGED = 50
_ID = validate.Length(min=1, max=MAX_ID_LENGTH)


class Whole(fields.Integer):
    """A JSON integer: marshmallow's strict one takes `true` for 1."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, *args, **kwargs)


class Truth(fields.Boolean):
    """A JSON boolean: marshmallow's own takes "yes" and 1 for true."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class _Body(Schema):
    class Meta:
        unknown = EXCLUDE


class DecisionSchema(_Body):
    decision = fields.String(required=True, validate=validate.OneOf([kind.value for kind in DecisionKind]))
    revision = Whole(required=True, validate=validate.Range(min=0, max=2**31 - 1))
    text = fields.String(allow_none=True, load_default=None, validate=validate.Length(max=MAX_TEXT_CHARS))
    answers = fields.String(
        allow_none=True,
        load_default=None,
        validate=_ID,
        metadata={"description": "the newest public message seen, to re-base an edit"},
    )
    acknowledged = fields.List(
        fields.String(validate=validate.Length(min=1, max=100)),
        load_default=list,
        validate=validate.Length(max=MAX_ACKNOWLEDGED),
        metadata={"description": "the codes of blocking flags"},
    )
    reason = fields.String(allow_none=True, load_default="", validate=validate.Length(max=MAX_ID_LENGTH))
    comment = fields.String(allow_none=True, load_default="", validate=validate.Length(max=MAX_COMMENT_CHARS))
    idempotency_key = fields.String(allow_none=True, load_default=None, validate=_ID)


class UndoSchema(_Body):
    revision = Whole(allow_none=True, load_default=None, validate=validate.Range(min=0, max=2**31 - 1))


class ResolveSchema(_Body):
    sent = Truth(required=True, metadata={"description": "true: it went out; false: send it again"})


class _Growing(Schema):
    """An answer: more members may come, so readers pass over what they do not know."""

    class Meta:
        unknown = INCLUDE


class StateSchema(_Growing):
    kind = fields.String(required=True)
    sentence = fields.String(required=True)
    action = fields.String()
    reason = fields.String()
    by = fields.String()
    since = fields.String(allow_none=True)
    undo_until = fields.String(allow_none=True)
    revision = fields.Integer()
    sequence = fields.Integer()


class PanelSchema(_Growing):
    """What the panel shows."""

    case = fields.String(required=True)
    sequence = fields.Integer(required=True)
    state = fields.Nested(StateSchema, required=True)
    draft = fields.Dict(required=True, allow_none=True)
    new_messages = fields.List(fields.Dict(), required=True)


class HealthSchema(_Growing):
    status = fields.String(required=True)


def load_body(schema: Schema, body: bytes) -> dict[str, Any]:
    """A verified body, parsed and checked. Raises `InvalidDelivery` (400) or `Problem` 422 naming the members."""
    data = parse_json(body)
    if not isinstance(data, dict):
        raise InvalidDelivery("the body must be a JSON object")
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        detail = "The body does not say what is needed here."
        raise Problem(422, "invalid_decision", detail, errors=error.messages) from None
    return loaded
