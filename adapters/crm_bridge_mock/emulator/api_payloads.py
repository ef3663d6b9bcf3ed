"""What the bridge may send to `/api`, as marshmallow schemas with bounds: a CRM does not trust its integrations."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from crm_bridge_mock.emulator.payloads import MAX_IDS, MAX_LINE, Text


class _Payload(Schema):
    class Meta:
        unknown = EXCLUDE


def _line(**more: Any) -> Text:
    return Text(longest=MAX_LINE, **more)


def _id(**more: Any) -> fields.String:
    return fields.String(required=True, validate=validate.Length(min=1, max=200), **more)


def _ids() -> fields.List[str]:
    return fields.List(fields.String(validate=validate.Length(max=200)), required=True, validate=_AT_MOST_IDS)


def _number(**more: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(min=0, max=2**53), **more)


def _objects() -> fields.List[dict[str, Any]]:
    return fields.List(fields.Dict(keys=fields.String()), load_default=list, validate=validate.Length(max=200))


_AT_MOST_IDS = validate.Length(max=MAX_IDS)


class AddressingSchema(_Payload):
    channel = _line(required=True)
    sender = _line(load_default="")
    to = fields.List(_line(), required=True, validate=validate.Length(max=50))
    cc = fields.List(_line(), load_default=list, validate=validate.Length(max=50))
    in_reply_to = _line(load_default="")
    thread = _line(load_default="")


class DraftSchema(_Payload):
    id = _id()
    revision = _number(required=True)
    answers = fields.String(required=True, validate=validate.Length(max=200))
    made_from = _ids()
    text = Text(required=True)
    language = _line(load_default="")
    sources = _objects()
    findings = _objects()
    flags = _objects()
    addressing = fields.Nested(AddressingSchema, required=True)


class WriteSchema(_Payload):
    key = _id()
    replaces = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=200))
    draft = fields.Nested(DraftSchema, required=True)


class WithdrawSchema(_Payload):
    replaces = fields.String(required=True, validate=validate.Length(max=200))


class StateSchema(_Payload):
    kind = _line(required=True)
    sentence = _line(required=True)
    action = _line(load_default="")
    reason = _line(load_default="")
    sequence = _number(required=True)
    revision = _number(load_default=0)
    since = _line(load_default=None, allow_none=True)
    undo_until = _line(load_default=None, allow_none=True)
    draft_id = _line(load_default=None, allow_none=True)
    draft_status = _line(load_default="")
    by = _line(load_default="")
    findings = _objects()


class ApproverSchema(_Payload):
    id = _id()
    name = _line(required=True)
    email = _line(load_default="")


class ReplySchema(_Payload):
    key = _id()
    requested_at = _line(required=True)
    draft_id = _id()
    revision = _number(required=True)
    text = Text(required=True, shortest=1)
    language = _line(load_default="")
    answers = fields.String(required=True, validate=validate.Length(max=200))
    seen = _ids()
    addressing = fields.Nested(AddressingSchema, required=True)
    approver = fields.Nested(ApproverSchema, required=True)


class FindSchema(_Payload):
    key = _id()
    asked_at = _line(required=True)
