"""Configurations on the pages are accepted by the real settings, adapters and assistants; JSON is JSON."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from crm_bridge.assistants import build_assistant
from crm_bridge.contract import Network
from crm_bridge.kit.signing import new_secret
from crm_bridge.registry import load_adapter
from crm_bridge.settings import load_settings
from crm_bridge.store.encryption import new_key

if TYPE_CHECKING:
    from conftest import Block

EXAMPLES = ("crm-bridge.example.toml", "salesforce.toml")
SMALLEST = """
public_url = "https://bridge.example.com"
[security]
encryption_keys = [{ env = "CRM_BRIDGE_KEY" }]
[connections]
"""
CONNECTION = {"adapter": "mock", "base_url": "http://127.0.0.1:1", "webhook_secrets": [{"env": "A_WEBHOOK_SECRET"}]}


def of_language(blocks: list[Block], language: str) -> list[Block]:
    found = [block for block in blocks if block.language == language]
    assert found
    return found


def test_every_configuration_on_the_pages_is_accepted(blocks: list[Block], tmp_path: Path) -> None:
    for block in of_language(blocks, "toml"):
        load_fragment(block.text, tmp_path, block.place)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_to_deploy_is_accepted(name: str, tools: Any, tmp_path: Path) -> None:
    load_fragment((tools.ROOT / "config" / name).read_text("utf-8"), tmp_path, name)


def test_every_example_to_deploy_is_known(tools: Any) -> None:
    assert {file.name for file in (tools.ROOT / "config").glob("*.toml")} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_key_said_in_a_comment_of_an_example_exists(name: str, tools: Any, tmp_path: Path) -> None:
    """Commented-out keys are what people uncomment."""
    text = (tools.ROOT / "config" / name).read_text("utf-8")
    uncommented = re.sub(r"^# (?=[a-z_]+ = )", "", text.replace('\nkind = "offline"\n', "\n"), flags=re.MULTILINE)
    load_fragment(uncommented, tmp_path, f"{name}, uncommented")


def load_fragment(text: str, folder: Path, place: str) -> None:
    """The smallest configuration with this fragment in it: valid for the bridge, its adapters and its assistant."""
    tree = merged(tomllib.loads(SMALLEST), tomllib.loads(text))
    for connection in tree["connections"].values():
        for key, value in CONNECTION.items():
            connection.setdefault(key, value)
    file = folder / "config.toml"
    file.write_text(as_toml(with_secrets_from(tree, folder)), "utf-8")
    try:
        settings = load_settings(file, secrets_in(tree))
        build_assistant(settings.assistant, Network())
        for name, connection in settings.connections.items():
            load_adapter(connection.adapter, connection.adapter_config, settings.public_url).close()
            assert name
    except Exception as error:
        raise AssertionError(f"{place}: {error}") from error


def merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in above.items():
        known = below.get(key)
        below[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
    return below


def with_secrets_from(node: Any, folder: Path, key: str = "") -> Any:
    """Every `{ file = … }` points into this test's folder, where a secret of the right kind lies."""
    if isinstance(node, dict):
        if set(node) == {"file"}:
            file = folder / re.sub(r"\W", "-", node["file"])
            file.write_text(secret_for(key))
            return {"file": str(file)}
        return {inner: with_secrets_from(value, folder, inner) for inner, value in node.items()}
    if isinstance(node, list):
        return [with_secrets_from(value, folder, key) for value in node]
    return node


def secret_for(key: str) -> str:
    if key == "encryption_keys":
        return new_key()
    if key == "private_key":
        return private_key()
    return "postgresql://user@db.example.com/bridge" if key == "database_url" else new_secret()


def private_key() -> str:
    """A key as PEM; nothing is signed with it."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kinds = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.private_bytes(serialization.Encoding.PEM, *kinds).decode()


def secrets_in(node: Any, key: str = "") -> dict[str, str]:
    """An environment with a secret for every `{ env = … }`."""
    if isinstance(node, dict):
        if set(node) == {"env"}:
            return {node["env"]: secret_for(key)}
        return {name: value for inner, below in node.items() for name, value in secrets_in(below, inner).items()}
    if isinstance(node, list):
        return {name: value for below in node for name, value in secrets_in(below, key).items()}
    return {}


def as_toml(tree: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {value_in_toml(value)}\n" for key, value in tree.items())


def value_in_toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{key}" = {value_in_toml(below)}' for key, below in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(value_in_toml, value)) + "]"
    if isinstance(value, (str, bool, int, float)):
        return json.dumps(value)
    return str(value.isoformat())


def test_json_on_the_pages_is_json(blocks: list[Block]) -> None:
    for block in of_language(blocks, "json"):
        try:
            json.loads(block.text)
        except ValueError:
            pytest.fail(f"{block.place} is no JSON")
