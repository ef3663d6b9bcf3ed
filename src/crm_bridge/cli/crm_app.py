"""What an adapter deploys into its CRM, copied with an installation's own addresses and secrets filled in.

`crm_app/TEMPLATED.toml` says which values there are (`[values]`, name to meaning) and which files hold them (`[files]`,
path to names), each written `{{ name }}`. Everything else is copied as it is; it owns no value.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crm_bridge.contract import InvalidConfig

APP_FOLDER = "crm_app"
TEMPLATED = "TEMPLATED.toml"
LEFT_OUT = ("node_modules", "__pycache__", ".git", TEMPLATED)
PRIVATE = 0o600

_PLACE = re.compile(r"\{\{ ([a-z_]+) \}\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written, and which of the files now hold something of this installation, perhaps a secret."""

    into: Path
    files: int
    filled: tuple[str, ...]


def export_app(app: Path, into: Path, values: Mapping[str, str]) -> Exported:
    """Copy the app and fill it in.

    Raises `InvalidConfig` when something is in the folder already or when a value is missing; then nothing is written.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise InvalidConfig("--export", f"expected a new or empty folder, not {into}")
    meanings, templated = _templated(app)
    for name in sorted({name for names in templated.values() for name in names}):
        if not values.get(name):
            raise InvalidConfig("--set", f"expected {name}=VALUE: {meanings.get(name, 'a value of your installation')}")
        _require_plain(name, values[name])
    shutil.copytree(app, into, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
    for path in templated:
        file = into / path
        file.chmod(PRIVATE)
        file.write_text(_PLACE.sub(lambda found: values[found[1]], file.read_text("utf-8")), "utf-8")
    count = sum(1 for one in into.rglob("*") if one.is_file())
    return Exported(into=into, files=count, filled=tuple(sorted(templated)))


def _templated(app: Path) -> tuple[Mapping[str, str], Mapping[str, tuple[str, ...]]]:
    file = app / TEMPLATED
    if not file.is_file():
        return {}, {}
    told = tomllib.loads(file.read_text("utf-8"))
    return told.get("values", {}), {path: tuple(names) for path, names in told.get("files", {}).items()}


def _require_plain(name: str, value: str) -> None:
    """The files are XML or JSON; no address, name or token needs an escape, and one that does is refused."""
    if set(value) & set("<>&\"'\\") or not value.isprintable():
        raise InvalidConfig(name, "expected a value without markup, quotes and control characters")
