"""From layers to `Settings`: find the file, resolve secrets, check every key, name what is wrong and where it stands.

The only place of the settings that joins things. It starts nothing and knows no adapter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from marshmallow import Schema, ValidationError, fields

from crm_bridge.contract import InvalidConfig
from crm_bridge.settings.demo import DEMO_PORT, demo_tree
from crm_bridge.settings.layers import ENV_PREFIX, Layered, add_environment, add_file
from crm_bridge.settings.model import ConnectionSettings, Settings
from crm_bridge.settings.schema import CONNECTION_KEYS, CONNECTION_NAME, ConnectionSchema, SettingsSchema
from crm_bridge.settings.secrets import allow_literals, refuse_literals, resolve_secrets

DEFAULT_FILE = Path("config/crm-bridge.toml")
CONFIG_VARIABLE = "CRM_BRIDGE_CONFIG"


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of a real start. Raises `InvalidConfig`.

    The file is `path`, else `$CRM_BRIDGE_CONFIG`, else `config/crm-bridge.toml`; without any of them the demo's
    built-in defaults are used. `CRM_BRIDGE__…` variables win over all of them.
    """
    file = _config_file(path, environ)
    if file is None:
        return demo_settings(environ=environ)
    layered = Layered()
    add_file(layered, file)
    add_environment(layered, environ)
    return _settings(layered, environ, demo=False)


def demo_settings(
    port: int = DEMO_PORT,
    desk_port: int | None = None,
    data_dir: Path = Path("var"),
    webhook_secret: str | None = None,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> Settings:
    """The demo: connection `demo` on the embedded CRM, everything on loopback. Raises `InvalidConfig`.

    `desk_port` defaults to `port + 1`. Makes `data_dir` with its key files (0600) when they are not there yet;
    without `webhook_secret` one is kept there, too. Overrides from `environ` apply as for a file.
    """
    layered = Layered()
    kept_in = Path(environ.get(f"{ENV_PREFIX}DATA_DIR") or data_dir)
    tree = demo_tree(port, desk_port or port + 1, kept_in, webhook_secret)
    layered.put((), tree, "default")
    add_environment(layered, environ)
    return _settings(layered, environ, demo=True)


def _config_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _settings(layered: Layered, environ: Mapping[str, str], *, demo: bool) -> Settings:
    tree = resolve_secrets(
        layered.tree, environ=environ, locate=layered.locate, on_literal=_literal_policy(layered, demo=demo)
    )
    checked = _load(SettingsSchema(), tree, "", layered)
    connections = _connections(checked.pop("connections"), layered)
    return Settings(**checked, connections=connections, demo=demo, origins=MappingProxyType(dict(layered.origins)))


def _literal_policy(layered: Layered, *, demo: bool) -> Callable[[str], None]:
    """Demos may hold secrets as they are. So may the environment: there a secret is where `{ env = … }` points."""

    def policy(path: str) -> None:
        if not layered.locate(path).startswith(ENV_PREFIX):
            refuse_literals(path, layered.locate)

    return allow_literals if demo else policy


def _connections(tree: Any, layered: Layered) -> Mapping[str, ConnectionSettings]:
    if not isinstance(tree, Mapping):
        raise InvalidConfig("connections", "expected a table per connection", layered.locate("connections"))
    return MappingProxyType({name: _connection(name, table, layered) for name, table in tree.items()})


def _connection(name: str, table: Any, layered: Layered) -> ConnectionSettings:
    path = f"connections.{name}"
    if not re.fullmatch(CONNECTION_NAME, name):
        expected = "expected a connection's name of 1 to 40 characters: a-z first, then a-z, 0-9 and -"
        raise InvalidConfig(_printable(path), expected, layered.locate(path))
    checked = _load(ConnectionSchema(), table, path, layered)
    own = {key: value for key, value in table.items() if key not in CONNECTION_KEYS}
    salt = checked.pop("experiment_salt", "") or name
    return ConnectionSettings(name=name, **checked, experiment_salt=salt, adapter_config=MappingProxyType(own))


def _load(schema: Any, tree: Any, path: str, layered: Layered) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(tree)
    except ValidationError as error:
        raise _invalid(error.messages, path, layered, schema) from None
    return loaded


def _invalid(messages: Any, path: str, layered: Layered, schema: Schema) -> InvalidConfig:
    """The first of marshmallow's messages, in the order of the paths."""
    known = schema.fields
    while isinstance(messages, Mapping):
        key = min(messages, key=str)
        messages = messages[key]
        if key != "_schema":
            path = f"{path}.{key}" if path else str(key)
            inner = next((one for one in known.values() if (one.data_key or one.name) == key), None)
            if isinstance(inner, fields.Nested):
                known = inner.schema.fields
    text = messages[0] if isinstance(messages, list) else str(messages)
    if text == "is no known key":
        names = sorted(field.data_key or name for name, field in known.items())
        near = get_close_matches(path.rpartition(".")[2], names, n=1)
        text += f" (did you mean {near[0]}?)" if near else ""
        text += f"; expected one of {', '.join(names)}"
    return InvalidConfig(_printable(path), text, layered.locate(path))


def _printable(path: str) -> str:
    """A path for an error message; quoted keys of TOML may hold anything."""
    return path if path.isprintable() and len(path) < 300 else ascii(path)[:300]
