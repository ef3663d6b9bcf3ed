"""What may stand in the `[assistant]` table and what an assistant may answer, as marshmallow schemas.

Configuration refuses unknown keys; answers pass over them, so that a protocol can grow. What an answer means is
decided in `answers`.
"""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from crm_bridge.assistants.protocol import ABSTENTION_REASONS, MAX_TEXT_CHARS
from crm_bridge.contract import InvalidConfig
from crm_bridge.kit.schemas import ConfigSchema, PayloadSchema, SecretField
from crm_bridge.kit.signing import check_secret

MAX_SOURCE_IDS = 50
MAX_SECRETS = 5
_TIMEOUT_S = validate.Range(min=1, max=120, error="seconds, 1 to 120")
_PRICE = validate.Range(min=0, max=1_000_000, error="a price per million tokens, not negative")

PROTOCOL_VERSION = 1


class SigningSecrets(fields.Field[list[str]]):
    """One secret or a list that rotates: the first signs, every one verifies. Each `whsec_<base64>`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:  # noqa: ARG002 the base names them
        secrets = value if isinstance(value, list) else [value]
        if not 0 < len(secrets) <= MAX_SECRETS:
            raise ValidationError(f"one secret or a list of up to {MAX_SECRETS}")
        for secret in secrets:
            try:
                check_secret(secret)
            except InvalidConfig as error:
                raise ValidationError(error.expected) from None
        return secrets


class OfflineConfigSchema(ConfigSchema):
    kind = fields.Constant("offline")


class HttpConfigSchema(ConfigSchema):
    kind = fields.Constant("http")
    base_url = fields.String(required=True)
    secret = SigningSecrets(required=True, load_only=True)
    timeout_s = fields.Float(load_default=30.0, validate=_TIMEOUT_S)


class OpenAIConfigSchema(ConfigSchema):
    kind = fields.Constant("openai")
    base_url = fields.String(load_default="https://api.openai.com/v1")
    model = fields.String(required=True, validate=validate.Length(min=1, max=200))
    api_key = SecretField(load_default=None)
    timeout_s = fields.Float(load_default=60.0, validate=_TIMEOUT_S)
    max_output_tokens = fields.Integer(load_default=2_000, strict=True, validate=validate.Range(min=100, max=32_000))
    temperature = fields.Float(load_default=None, allow_none=True, validate=validate.Range(min=0, max=2))
    structured_output = fields.String(
        load_default="json_schema", validate=validate.OneOf(("json_schema", "json_object", "off"))
    )
    input_price_per_million = fields.Float(load_default=None, allow_none=True, validate=_PRICE)
    output_price_per_million = fields.Float(load_default=None, allow_none=True, validate=_PRICE)


class AbstainSchema(PayloadSchema):
    reason = fields.String(required=True, validate=validate.OneOf(ABSTENTION_REASONS))
    detail = fields.String(load_default="", validate=validate.Length(max=MAX_TEXT_CHARS))


class AnswerSchema(PayloadSchema):
    """The response of an `http` assistant: either a text or an abstention."""

    version = fields.Integer(required=True, strict=True, validate=validate.Equal(PROTOCOL_VERSION))
    context_id = fields.String(required=True)
    text = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=MAX_TEXT_CHARS))
    sources = fields.List(fields.String(), load_default=list, validate=validate.Length(max=MAX_SOURCE_IDS))
    language = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=35))
    abstain = fields.Nested(AbstainSchema, load_default=None, allow_none=True)

    @validates_schema
    def _one_of_both(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if (data.get("text") is None) == (data.get("abstain") is None):
            raise ValidationError("either text or abstain", "text")


class ModelAnswerSchema(PayloadSchema):
    """What a language model is asked to fill in; the same shape as `model_answer_json_schema`."""

    outcome = fields.String(required=True, validate=validate.OneOf(("reply", "abstain")))
    text = fields.String(load_default="", allow_none=True, validate=validate.Length(max=MAX_TEXT_CHARS))
    sources = fields.List(fields.String(), load_default=list, validate=validate.Length(max=MAX_SOURCE_IDS))
    language = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=35))
    reason = fields.String(load_default="none", allow_none=True)
    detail = fields.String(load_default="", allow_none=True)


class _UsageSchema(PayloadSchema):
    prompt_tokens = fields.Integer(load_default=0, validate=validate.Range(min=0))
    completion_tokens = fields.Integer(load_default=0, validate=validate.Range(min=0))


class _ChoiceMessageSchema(PayloadSchema):
    content = fields.String(load_default=None, allow_none=True)
    refusal = fields.String(load_default=None, allow_none=True)


class _ChoiceSchema(PayloadSchema):
    message = fields.Nested(_ChoiceMessageSchema, required=True)
    finish_reason = fields.String(load_default=None, allow_none=True)


class CompletionSchema(PayloadSchema):
    """The part of a chat completion that is read, of any server that calls itself compatible."""

    model = fields.String(load_default="", allow_none=True)
    choices = fields.List(fields.Nested(_ChoiceSchema), required=True, validate=validate.Length(min=1, max=8))
    usage = fields.Nested(_UsageSchema, load_default=None, allow_none=True)


def model_answer_json_schema(source_ids: list[str]) -> dict[str, Any]:
    """The JSON schema a model's answer is held to; it can only name sources it was given."""
    named: dict[str, Any] = {"type": "string", "enum": source_ids} if source_ids else {"type": "string"}
    properties: dict[str, Any] = {
        "outcome": {"type": "string", "enum": ["reply", "abstain"]},
        "text": {"type": "string"},
        "sources": {"type": "array", "items": named},
        "language": {"type": "string"},
        "reason": {"type": "string", "enum": [*ABSTENTION_REASONS, "none"]},
        "detail": {"type": "string"},
    }
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
