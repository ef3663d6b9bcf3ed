"""The keys of a configuration, as marshmallow schemas: what each may hold, its default, what to say when it does not.

An adapter's and an assistant's own keys are not known here; their own schemas check them when they are built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, post_load

from crm_bridge.contract import Network
from crm_bridge.settings import rules
from crm_bridge.settings.model import (
    GuardSettings,
    Listen,
    MaskingSettings,
    QualitySettings,
    Security,
    VoiceSettings,
)

_CODES = ("required", "null", "invalid", "validator_failed")
"""Every way in which marshmallow can find a field wrong; all of them say the same here."""

CONNECTION_NAME = r"[a-z][a-z0-9-]{0,39}"


class Rule(fields.Field[Any]):
    """One value checked by one function; whatever is wrong with it, the error says what was expected."""

    def __init__(self, check: Callable[[Any], Any], expected: str, **kwargs: Any) -> None:
        # marshmallow formats its messages, and TOML tables have braces.
        said = f"expected {expected}".replace("{", "{{").replace("}", "}}")
        messages: dict[str, str | list[Any] | dict[Any, Any]] = dict.fromkeys(_CODES, said)
        super().__init__(error_messages=messages, **kwargs)
        self.check = check

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        try:
            return self.check(value)
        except (ValueError, TypeError) as error:
            raise self.make_error("invalid") from error


class Table(Schema):
    """A table whose keys are all known. `makes` is the value built of it."""

    makes: Callable[..., Any] = dict

    class Meta:
        unknown = RAISE

    error_messages = {"type": "expected a table", "unknown": "is no known key"}  # noqa: RUF012 - marshmallow's way

    @post_load
    def build(self, data: dict[str, Any], **_: Any) -> Any:
        return type(self).makes(**data)


class AssistantTable(Rule):
    """The table of the assistant: only its kind is checked here."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValidationError("expected a table")
        try:
            return rules.assistant(value)
        except (ValueError, TypeError) as error:
            kinds = ", ".join(rules.ASSISTANT_KINDS)
            raise ValidationError({"kind": [f"expected one of {kinds}"]}) from error


class SecuritySchema(Table):
    makes = Security
    encryption_keys = Rule(
        rules.encryption_keys,
        "a list of at least one key of 32 bytes in URL-safe base64 (make one: openssl rand -base64 32 | tr +/ -_)",
        required=True,
    )


class NetworkSchema(Table):
    makes = Network
    proxy = Rule(rules.text, "the URL of a proxy, or nothing")
    no_proxy = Rule(rules.text, "host names separated by commas, or nothing")
    ca_bundle = Rule(rules.text, "the path of a file with CA certificates, or nothing")


class VoiceSchema(Table):
    makes = VoiceSettings
    greeting = Rule(rules.text, "a text")
    closing = Rule(rules.text, "a text")
    signer = Rule(rules.text, "a text")


class MaskingSchema(Table):
    makes = MaskingSettings
    internal_notes = Rule(rules.flag, "true or false")
    field_allow_list = Rule(rules.texts, "a list of field names")


class QualitySchema(Table):
    makes = QualitySettings
    stale_after_h = Rule(rules.number(0, 876_000), "a number of hours")
    duplicates_block = Rule(rules.flag, "true or false")


class GuardSchema(Table):
    makes = GuardSettings
    allowed_link_hosts = Rule(rules.texts, "a list of host names")
    blocking = Rule(rules.texts, "a list of flag codes")


_SELECTION = 'a table of lists of texts by field (queue, language, channel, …), e.g. { queue = ["Returns"] }'


class ConnectionSchema(Table):
    """The keys every connection has; what else stands there is the adapter's own."""

    class Meta:
        unknown = EXCLUDE

    adapter = Rule(rules.text, "the name of an installed adapter", required=True)
    mode = Rule(rules.one_of("shadow", "suggest"), "one of shadow, suggest")
    enabled = Rule(rules.flag, "true or false")
    environment = Rule(rules.one_of("sandbox", "production"), "one of sandbox, production")
    start_from = Rule(rules.start_from, '"now" or a date and time with its offset, e.g. 2026-01-31T08:00:00Z')
    debounce_s = Rule(rules.number(0, 3600), "seconds from 0 to 3600")
    undo_s = Rule(rules.number(0, 3600), "seconds from 0 to 3600")
    max_drafts_per_hour = Rule(rules.count_or_unlimited, 'a whole number from 1, or "unlimited"')
    daily_cost_limit = Rule(rules.cost_or_unlimited, 'a number from 0, or "unlimited"')
    include = Rule(rules.selection, _SELECTION)
    excluded = Rule(rules.selection, _SELECTION, data_key="exclude", attribute="exclude")
    voice = fields.Nested(VoiceSchema)
    masking = fields.Nested(MaskingSchema)
    quality = fields.Nested(QualitySchema)
    guard = fields.Nested(GuardSchema)
    holdout = Rule(rules.number(0, 0.9), "a share from 0 to 0.9")
    experiment_salt = Rule(rules.text, "a text")


CONNECTION_KEYS = frozenset(item.data_key or name for name, item in ConnectionSchema().fields.items())
"""The keys of a connection that are the bridge's own; every other one is the adapter's."""


class SettingsSchema(Table):
    """The whole file but the connections, which are loaded one by one."""

    public_url = Rule(
        rules.public_url, "the http(s) URL under which senders reach the bridge, without query", required=True
    )
    listen = Rule(rules.listen, "host:port", load_default=Listen(host="127.0.0.1", port=8000))
    operator_listen = Rule(rules.listen, "host:port")
    database_url = Rule(rules.database_url, '"embedded" or postgresql://user@host/db', load_default="embedded")
    data_dir = Rule(rules.path, "a path", load_default=lambda: rules.path("var"))
    log_format = Rule(rules.one_of("json", "console"), "one of json, console")
    security = fields.Nested(SecuritySchema, required=True)
    network = fields.Nested(NetworkSchema)
    assistant = AssistantTable(rules.assistant, "a table", load_default=lambda: rules.assistant({}))
    connections = Rule(lambda value: value, "a table per connection", required=True)
