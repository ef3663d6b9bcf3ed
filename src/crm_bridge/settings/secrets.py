"""Secrets in a configuration: `{ env = "NAME" }`, `{ file = "PATH" }` or a literal. Owns their resolution.

Which keys hold secrets is told by their names, because an adapter's own keys are not known here. Nothing of a
secret ever stands in an error or a repr.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crm_bridge.contract import InvalidConfig

MAX_SECRET_BYTES = 65_536
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:secret|token|password|passphrase|credential|api_key|private_key|encryption_key)s?$", re.IGNORECASE
)
_EXPECTED = 'expected a secret: { env = "NAME" } or { file = "PATH" }'


class Secret(str):
    """A text whose repr shows nothing, so that dataclass reprs and debuggers do not either."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


Locate = Callable[[str], str]
"""Full dotted path -> where the value there came from."""


def is_secret_name(key: str) -> bool:
    """Whether a key of this name holds a secret (or a list of them)."""
    return _SECRET_NAME.search(key) is not None


def allow_literals(path: str) -> None:
    """Literal policy for demos and `load_adapter`: any literal will do."""


def refuse_literals(path: str, locate: Locate) -> None:
    """Literal policy for configurations: a secret is never written into a file."""
    raise InvalidConfig(path, f"{_EXPECTED}; a secret itself is never written into the configuration", locate(path))


def resolve_secrets(
    tree: Any, *, environ: Mapping[str, str], locate: Locate, on_literal: Callable[[str], None], path: str = ""
) -> Any:
    """The tree with every secret resolved to a `Secret`.

    Raises `InvalidConfig` for a missing or empty one; `on_literal(path)` is asked about every literal.
    """

    def walk(node: Any, path: str, *, secret: bool) -> Any:
        if isinstance(node, Mapping):
            source = _reference(node)
            if source is not None:
                return _fetch(*source, path, environ, locate)
            return {
                key: walk(value, f"{path}.{key}" if path else str(key), secret=is_secret_name(str(key)))
                for key, value in node.items()
            }
        if isinstance(node, (list, tuple)):
            return [walk(value, f"{path}.{index}", secret=secret) for index, value in enumerate(node)]
        # A number is no secret, whatever its key is called (max_output_tokens).
        if secret and isinstance(node, str) and not isinstance(node, Secret):
            on_literal(path)
            return Secret(node)
        return node

    return walk(tree, path, secret=False)


def _reference(node: Mapping[Any, Any]) -> tuple[str, Any] | None:
    """(`env` | `file`, name) when the table is a reference to a secret and nothing else."""
    if len(node) != 1:
        return None
    (kind, name), *_ = node.items()
    return (kind, name) if kind in _FETCHERS else None


def _fetch(kind: str, name: Any, path: str, environ: Mapping[str, str], locate: Locate) -> Secret:
    if not isinstance(name, str) or not name:
        raise InvalidConfig(path, _EXPECTED, locate(path))
    value, missing = _FETCHERS[kind](name, environ)
    if missing:
        raise InvalidConfig(path, missing, locate(path))
    return Secret(value)


def _from_env(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    value = environ.get(name, "")
    return value, "" if value else f"expected a secret in the environment variable {name}, which is not set or empty"


def _from_file(name: str, _environ: Mapping[str, str]) -> tuple[str, str]:
    """The file's text without the line end an editor leaves behind."""
    try:
        with Path(name).open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
        value = content.decode("utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        return "", f"expected a secret in the file {name}, which cannot be read ({type(error).__name__})"
    if not value or len(content) > MAX_SECRET_BYTES:
        return "", f"expected a secret of 1 to {MAX_SECRET_BYTES} bytes in the file {name}"
    return value, ""


_FETCHERS: dict[str, Callable[[str, Mapping[str, str]], tuple[str, str]]] = {"env": _from_env, "file": _from_file}
