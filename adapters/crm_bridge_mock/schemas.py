"""The configuration of a connection to the embedded CRM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import fields, validate

from crm_bridge.contract import InvalidConfig
from crm_bridge.kit.schemas import ConfigSchema, SecretField, load_config
from crm_bridge.kit.signing import check_secret
from crm_bridge_mock.profiles import DEFAULT_PROFILE, PROFILES, Profile


class MockConfigSchema(ConfigSchema):
    """`base_url`, `webhook_secrets` (the first signs, every one verifies), `profile`, `timeout_s` (of one call)."""

    base_url = fields.Url(required=True, schemes={"http", "https"}, require_tld=False)
    webhook_secrets = fields.List(SecretField(), required=True, validate=validate.Length(min=1, max=10))
    timeout_s = fields.Float(load_default=10.0, validate=validate.Range(min=0.1, max=60))
    profile = fields.String(load_default=DEFAULT_PROFILE, validate=validate.OneOf(sorted(PROFILES)))


@dataclass(frozen=True, kw_only=True, slots=True)
class MockConfig:
    """A checked configuration."""

    base_url: str
    webhook_secrets: tuple[str, ...]
    profile: Profile
    timeout_s: float = 10.0

    def __repr__(self) -> str:
        return f"MockConfig(base_url={self.base_url!r}, profile={self.profile.name!r})"


def checked(config: Mapping[str, Any]) -> MockConfig:
    """The configuration as a value. Raises `InvalidConfig` with the path inside the connection's table."""
    loaded = load_config(MockConfigSchema(), config)
    for index, secret in enumerate(loaded["webhook_secrets"]):
        check_secret(secret, path=f"webhook_secrets.{index}")
    base_url = loaded["base_url"].rstrip("/")
    if "?" in base_url or "#" in base_url:
        raise InvalidConfig("base_url", "a URL without query and fragment")
    return MockConfig(
        base_url=base_url,
        webhook_secrets=tuple(loaded["webhook_secrets"]),
        profile=PROFILES[loaded["profile"]],
        timeout_s=loaded["timeout_s"],
    )
