"""The configuration of a connection to a Salesforce org."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate

from crm_bridge.contract import InvalidConfig
from crm_bridge.kit.inbound import path_token
from crm_bridge.kit.schemas import ConfigSchema, SecretField, load_config
from crm_bridge.kit.signing import SECRET_PREFIX, check_secret
from crm_bridge_salesforce import ids

API_VERSION = "66.0"
Auth = Literal["client_credentials", "jwt", "token"]
TargetName = Literal["auto", "record", "comment"]

NEEDED_BY_AUTH: Mapping[str, tuple[str, ...]] = {
    "client_credentials": ("client_id", "client_secret"),
    "jwt": ("client_id", "username", "private_key"),
    "token": ("access_token",),
}

_SCHEMES = {"http", "https"}
_PATH_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,200}")
"""At least 128 random bits, in characters that stand in a path as they are."""
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END [A-Z ]*PRIVATE KEY-----\s*")


class KeyField(fields.String):
    """A private key as PEM, over several lines. It appears in no error and in no dump."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"load_only": True, **kwargs})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:  # noqa: ARG002 - marshmallow asks for them
        if not isinstance(value, str) or not _KEY.fullmatch(value.strip()):
            raise ValidationError("a private key as PEM")
        return value.strip()


class SalesforceConfigSchema(ConfigSchema):
    """See `docs/adapters/salesforce` for every key; what each `auth` needs is in `NEEDED_BY_AUTH`."""

    base_url = fields.Url(required=True, schemes=_SCHEMES, require_tld=False)
    login_url = fields.Url(load_default="", schemes=_SCHEMES, require_tld=False)
    organization_id = fields.String(required=True)
    auth = fields.String(load_default="client_credentials", validate=validate.OneOf(sorted(NEEDED_BY_AUTH)))
    client_id = fields.String(load_default="", validate=validate.Length(max=1_000))
    client_secret = SecretField(load_default="")
    username = fields.String(load_default="", validate=validate.Length(max=200))
    private_key = KeyField(load_default="")
    access_token = SecretField(load_default="")
    api_version = fields.String(load_default=API_VERSION, validate=validate.Regexp(r"^[1-9][0-9]{1,2}\.0$"))
    webhook_secrets = fields.List(SecretField(), required=True, validate=validate.Length(min=1, max=10))
    apex_secrets = fields.List(SecretField(), load_default=list, validate=validate.Length(max=10))
    target = fields.String(load_default="auto", validate=validate.OneOf(["auto", "record", "comment"]))
    max_daily_share = fields.Float(load_default=0.8, validate=validate.Range(min=0.01, max=1))
    timeout_s = fields.Float(load_default=10.0, validate=validate.Range(min=0.1, max=60))


@dataclass(frozen=True, kw_only=True, slots=True)
class SalesforceConfig:
    """A checked configuration. `path_tokens` are what may stand in the path of a webhook."""

    base_url: str
    login_url: str
    organization_id: str
    auth: Auth
    client_id: str
    client_secret: str
    username: str
    private_key: str
    access_token: str
    api_version: str
    path_tokens: tuple[str, ...]
    apex_secrets: tuple[str, ...]
    target: TargetName
    max_daily_share: float
    timeout_s: float

    def __repr__(self) -> str:
        return f"SalesforceConfig(base_url={self.base_url!r}, auth={self.auth!r}, target={self.target!r})"

    @property
    def token_url(self) -> str:
        """Where tokens are asked for: the login host when one is named, else the org itself."""
        return self.login_url or self.base_url

    @property
    def audience(self) -> str:
        """Whom a signed assertion is for (`aud`): the login host, which for a sandbox is another one."""
        sandbox = ".sandbox." in (urlsplit(self.base_url).hostname or "")
        return self.login_url or f"https://{'test' if sandbox else 'login'}.salesforce.com"


def checked(config: Mapping[str, Any]) -> SalesforceConfig:
    """The configuration as a value. Raises `InvalidConfig` with the path inside the connection's table."""
    loaded = load_config(SalesforceConfigSchema(), config)
    for name in NEEDED_BY_AUTH[loaded["auth"]]:
        if not loaded[name]:
            raise InvalidConfig(name, f"needed for auth = {loaded['auth']!r}")
    if not ids.is_id(loaded["organization_id"], ids.ORGANIZATION):
        raise InvalidConfig("organization_id", "the id of the org: 15 or 18 characters that begin with 00D")
    secrets, apex = loaded.pop("webhook_secrets"), loaded.pop("apex_secrets")
    for index, secret in enumerate(apex):
        if len(secret) < 16:
            raise InvalidConfig(f"apex_secrets.{index}", "at least 16 characters")
    known = {
        **loaded,
        "base_url": _origin("base_url", loaded["base_url"]),
        "login_url": _origin("login_url", loaded["login_url"]),
        "organization_id": ids.full(loaded["organization_id"]),
    }
    tokens = tuple(_path_token(index, secret) for index, secret in enumerate(secrets))
    return SalesforceConfig(**known, path_tokens=tokens, apex_secrets=tuple(apex))


def _path_token(index: int, secret: str) -> str:
    """A secret that can stand in a path stands there as it is; one of the kit's form by the token made of it."""
    where = f"webhook_secrets.{index}"
    if secret.startswith(SECRET_PREFIX):
        check_secret(secret, path=where)
        return path_token(secret)
    if not _PATH_TOKEN.fullmatch(secret):
        raise InvalidConfig(where, "22 to 200 letters, digits, - and _ (or whsec_…), made at random")
    return secret


def _origin(name: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidConfig(name, "scheme and host only, as in https://example.my.salesforce.com")
    return url.rstrip("/")
