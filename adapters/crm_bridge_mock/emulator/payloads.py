"""What agents, browsers and the bridge may send to the embedded CRM, as marshmallow schemas with bounds.

Texts lose NUL and lone surrogates instead of being refused: customers do send them. Whatever is wrong becomes `Refused`
with the problem document to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from crm_bridge.kit.text import clean_text
from crm_bridge_mock.emulator.problems import Answer, problem

MAX_TEXT = 200_000
MAX_LINE = 500
MAX_IDS = 5_000


class Refused(Exception):
    """The payload cannot be used; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer[1]["code"])
        self.answer = answer


class Text(fields.String):
    """A text of customers or agents: cleaned, at most `longest` characters."""

    def __init__(self, *, longest: int = MAX_TEXT, shortest: int = 0, **more: Any) -> None:
        super().__init__(validate=validate.Length(min=shortest, max=longest), **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> str:
        return clean_text(super()._deserialize(value, attr, data, **more) or "")


class _Payload(Schema):
    class Meta:
        unknown = EXCLUDE


def _line(**more: Any) -> Text:
    return Text(longest=MAX_LINE, **more)


def _identifier(**more: Any) -> fields.String:
    return fields.String(validate=validate.Length(min=1, max=200), **more)


def _flags() -> fields.List[str]:
    return fields.List(_line(), load_default=list, validate=validate.Length(max=100))


class CustomerSchema(_Payload):
    name = _line(load_default="")
    email = _line(required=True, shortest=3)
    phone = _line(load_default="", allow_none=True)
    account = _line(load_default="", allow_none=True)


class AttachmentSchema(_Payload):
    name = _line(required=True)
    type = _line(load_default="")
    size = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(min=0, max=2**40))


class _MessageFields(_Payload):
    body = Text(required=True, shortest=1)
    html = Text(load_default=None, allow_none=True)
    automatic = fields.Boolean(load_default=False)
    language = _line(load_default=None, allow_none=True)
    channel = _line(load_default=None, allow_none=True)
    cc = fields.List(_line(), load_default=list, validate=validate.Length(max=50))
    attachments = fields.List(fields.Nested(AttachmentSchema), load_default=list, validate=validate.Length(max=50))


class NewCaseSchema(_MessageFields):
    subject = _line(required=True)
    customer = fields.Nested(CustomerSchema, required=True)
    queue = _line(load_default=None, allow_none=True)
    priority = _line(load_default=None, allow_none=True)


class NewMessageSchema(_MessageFields):
    author = fields.String(required=True, validate=validate.OneOf(["customer", "agent"]))
    public = fields.Boolean(load_default=True)


class CloseSchema(_Payload):
    reason = _line(load_default="")


class MergeSchema(_Payload):
    into = _identifier(required=True)


class TextSchema(_Payload):
    text = Text(required=True)


class WorkingTextSchema(TextSchema):
    revision = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(min=0, max=2**53))


class SendSchema(_Payload):
    text = Text(load_default=None, allow_none=True)


class UndoSchema(_Payload):
    revision = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(min=0, max=2**53))


class ResolveSchema(_Payload):
    sent = fields.Boolean(required=True)


class DecisionSchema(_Payload):
    """The decision body of the panel, without the decision itself."""

    revision = fields.Integer(required=True, strict=True, validate=validate.Range(min=0, max=2**53))
    text = Text(load_default=None, allow_none=True)
    answers = _identifier(load_default=None, allow_none=True)
    acknowledged = _flags()
    reason = _line(load_default="")
    comment = Text(load_default="", longest=5_000)
    idempotency_key = _identifier(load_default=None, allow_none=True)


def load(schema: Schema, payload: object) -> dict[str, Any]:
    """The payload as the schema has it. Raises `Refused`."""
    if not isinstance(payload, Mapping):
        raise Refused(problem(400, "not_an_object", "The body has to be a JSON object."))
    try:
        loaded: dict[str, Any] = schema.load(payload)
    except ValidationError as error:
        raise Refused(problem(400, "invalid", "Some fields cannot be used.", errors=error.messages)) from None
    return loaded
