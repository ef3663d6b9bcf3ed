"""Configuration is strict and says where; payloads take what they know; secrets stay out of every message."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import fields, validate

from crm_bridge.contract import InvalidConfig, InvalidDelivery
from crm_bridge.kit.schemas import ConfigSchema, PayloadSchema, SecretField, load_config, load_payload


class Auth(ConfigSchema):
    secrets = fields.List(SecretField(), required=True, validate=validate.Length(min=1))


class Config(ConfigSchema):
    base_url = fields.Url(required=True, require_tld=False)
    auth = fields.Nested(Auth)


class Payload(PayloadSchema):
    id = fields.String(required=True)


GOOD: dict[str, Any] = {"base_url": "http://127.0.0.1:1", "auth": {"secrets": ["s1", "s2"]}}


def test_a_good_configuration_is_loaded() -> None:
    assert load_config(Config(), GOOD) == GOOD


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({}, "base_url"),
        ({**GOOD, "base_urll": 1}, "base_urll"),
        ({**GOOD, "base_url": 7}, "base_url"),
        ({**GOOD, "auth": {}}, "auth.secrets"),
        ({**GOOD, "auth": {"secrets": []}}, "auth.secrets"),
        ({**GOOD, "auth": {"secrets": ["ok", " "]}}, "auth.secrets.1"),
        ({**GOOD, "auth": {"secrets": ["ok"], "x": 1}}, "auth.x"),
        ({**GOOD, "auth": []}, "auth"),
    ],
)
def test_a_wrong_setting_is_named_by_its_path(config: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidConfig) as failure:
        load_config(Config(), config)
    assert failure.value.path == path
    assert failure.value.expected


@pytest.mark.parametrize("secret", ["canary\n", "canary\x00", "", None, 7, {"canary": 1}])
def test_a_bad_secret_is_refused_and_not_quoted(secret: object) -> None:
    with pytest.raises(InvalidConfig) as failure:
        load_config(Config(), {**GOOD, "auth": {"secrets": [secret]}})
    assert "canary" not in str(failure.value)


def test_secrets_are_never_dumped() -> None:
    assert Auth().dump({"token": "canary"}) == {}

    class Flat(ConfigSchema):
        token = SecretField()

    assert Flat().dump({"token": "canary"}) == {}


def test_a_payload_may_hold_more_than_we_know() -> None:
    assert load_payload(Payload(), {"id": "1", "new": True}) == {"id": "1"}


@pytest.mark.parametrize("payload", [None, [], "canary", {"id": {"canary": 1}}, {}])
def test_a_payload_that_does_not_fit_quotes_nothing(payload: object) -> None:
    with pytest.raises(InvalidDelivery) as failure:
        load_payload(Payload(), payload)
    assert "canary" not in str(failure.value)
