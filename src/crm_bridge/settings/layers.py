"""The layers of a configuration (built-in defaults < TOML file < environment) and where each value came from.

Owns reading and merging, not meaning: what a key may hold is decided by the schema. Lists are replaced, never
joined, so that a secret taken out of a list is really out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crm_bridge.contract import InvalidConfig
from crm_bridge.settings.secrets import is_secret_name

ENV_PREFIX = "CRM_BRIDGE__"
MAX_CONFIG_BYTES = 1_000_000
_TABLE = re.compile(r"^\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layered:
    """The merged tree and the origin of every path in it (`default`, `file:line`, or a variable's name)."""

    tree: dict[str, Any] = field(default_factory=dict, repr=False)
    origins: dict[str, str] = field(default_factory=dict)

    def locate(self, path: str) -> str:
        """Where the value at `path` came from; for what is missing, where its table came from."""
        return origin_of(self.origins, path)

    def put(self, path: Sequence[str], value: Any, origin: str) -> None:
        """Set a value; tables are merged, everything else replaces what stood there."""
        if isinstance(value, Mapping):
            if not path or isinstance(self._at(path), dict):
                for key, inner in value.items():
                    self.put((*path, str(key)), inner, origin)
                self.origins.setdefault(".".join(path), origin)
                return
            value = _copy(value)
        self._set(path, value, origin)

    def _at(self, path: Sequence[str]) -> Any:
        node: Any = self.tree
        for key in path:
            if not isinstance(node, dict) or key not in node:
                return None
            node = node[key]
        return node

    def _set(self, path: Sequence[str], value: Any, origin: str) -> None:
        node = self.tree
        for depth, key in enumerate(path[:-1], start=1):
            inner = node.setdefault(key, {})
            if not isinstance(inner, dict):
                dotted = ".".join(path[:depth])
                raise InvalidConfig(dotted, f"is no table, so {path[depth]} cannot be set in it", origin)
            self.origins.setdefault(".".join(path[:depth]), origin)
            node = inner
        node[path[-1]] = value
        dotted = ".".join(path)
        for stale in [known for known in self.origins if known.startswith(f"{dotted}.")]:
            del self.origins[stale]
        self.origins[dotted] = origin
        self.origins.update({f"{dotted}.{inner}": origin for inner in _paths(value)})


def origin_of(origins: Mapping[str, str], path: str) -> str:
    """The origin of a dotted path, or of the nearest table around it."""
    parts = path.split(".")
    paths = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((origins[known] for known in paths if known in origins), origins.get("", "default"))


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _copy(inner) for key, inner in value.items()}
    return value


def _paths(value: Any) -> Iterator[str]:
    """The dotted paths inside a table."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from (f"{key}.{rest}" for rest in _paths(inner))


def add_file(layered: Layered, file: Path) -> None:
    """Put a TOML file on top. Raises `InvalidConfig` when it cannot be read or is no TOML."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_CONFIG_BYTES + 1)
        if len(content) > MAX_CONFIG_BYTES:
            raise InvalidConfig("config", f"expected a file of at most {MAX_CONFIG_BYTES} bytes", str(file))
        text = content.decode("utf-8-sig")
        tree = tomllib.loads(text)
    except UnicodeDecodeError:
        raise InvalidConfig("config", "expected a TOML file in UTF-8", str(file)) from None
    except ValueError as error:
        where = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(error))
        # The decoder quotes characters of the file, which may be a secret's: only the place is repeated.
        raise InvalidConfig(
            "config", f"expected valid TOML at {where[1] if where else 'some line'}", str(file)
        ) from None
    except FileNotFoundError:
        raise InvalidConfig("config", "there is no such file; expected a TOML file", str(file)) from None
    except (OSError, RecursionError) as error:
        raise InvalidConfig("config", f"expected a readable TOML file ({type(error).__name__})", str(file)) from None
    layered.put((), tree, str(file))
    for path, line in _lines(text):
        if layered.origins.get(path) == str(file):
            layered.origins[path] = f"{file}:{line}"


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """(path, line number) of what looks like a table header or a key; good enough for an error message."""
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _plain(header[1])
            yield table, number
        elif key := _KEY.match(line):
            yield f"{table}.{_plain(key[1])}" if table else _plain(key[1]), number


def _plain(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))


def add_environment(layered: Layered, environ: Mapping[str, str]) -> None:
    """Put `CRM_BRIDGE__A__B=value` on top. Values are TOML where they can be, plain text otherwise."""
    names = sorted((name for name in environ if name.startswith(ENV_PREFIX)), key=lambda name: (name.count("__"), name))
    for name in names:
        path = _path_of(name)
        layered.put(path, _value_of(path[-1], environ[name]), name)


def _path_of(name: str) -> tuple[str, ...]:
    parts = tuple(part.lower() for part in name.removeprefix(ENV_PREFIX).split("__"))
    if not all(parts):
        raise InvalidConfig(".".join(parts), "expected a variable like CRM_BRIDGE__ASSISTANT__KIND", name)
    if parts[0] == "connections" and len(parts) > 1:
        # A connection's name holds no underscore, a variable's name no hyphen.
        parts = (parts[0], parts[1].replace("_", "-"), *parts[2:])
    return parts


def _value_of(key: str, text: str) -> Any:
    """A number, a list, a table, … where the text is one in TOML. Secrets stay the text they are."""
    if is_secret_name(key) and not text.lstrip().startswith(("[", "{")):
        return text
    try:
        parsed = tomllib.loads(f"value = {text}\n")
    except (ValueError, RecursionError):  # ValueError: no TOML, or an integer of thousands of digits
        return text
    return parsed["value"] if set(parsed) == {"value"} else text
