"""Finds adapters and emulators by name through entry points, the built-in ones exactly as third-party ones.

Owns names and versions of the contract, not what an adapter does. A name that two packages claim stops the start,
because nobody could say which of them would get the credentials.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from crm_bridge.contract import CONTRACT_VERSION, Adapter, Capabilities, InvalidConfig, Services
from crm_bridge.kit.services import in_memory_services
from crm_bridge.settings import CONNECTION_KEYS, resolve_secrets

ADAPTER_GROUP = "crm_bridge.adapters"
EMULATOR_GROUP = "crm_bridge.emulators"


def adapter_names() -> tuple[str, ...]:
    """The installed adapters, sorted. Raises `InvalidConfig` when two packages claim the same name."""
    return tuple(sorted(_installed(ADAPTER_GROUP)))


def emulator_names() -> tuple[str, ...]:
    """The installed emulators, sorted. Raises `InvalidConfig` when two packages claim the same name."""
    return tuple(sorted(_installed(EMULATOR_GROUP)))


def load_adapter(
    name: str,
    connection_config: Mapping[str, Any],
    public_url: str = "http://127.0.0.1",
    services: Services | None = None,
) -> Adapter:
    """Build the adapter `name` for one connection's table.

    The bridge's own keys in the table are left out; secrets may be `{env}`, `{file}` or literals. Without `services`
    it gets in-memory ones with `public_url`. Raises `InvalidConfig` with the path inside the table.
    """
    build = _load(ADAPTER_GROUP, "adapter", name)
    own = {key: value for key, value in connection_config.items() if key not in CONNECTION_KEYS}
    config = resolve_secrets(own, environ=os.environ, locate=lambda _path: "", on_literal=lambda _path: None)
    adapter = build(config, services or in_memory_services(public_url=public_url))
    version = getattr(adapter, "contract", None)
    if version != CONTRACT_VERSION:
        expected = f"expected an adapter of contract {CONTRACT_VERSION}; the installed {name} has {version!r}"
        raise InvalidConfig("adapter", f"{expected}: install versions that fit each other")
    if not isinstance(adapter, Adapter):
        raise InvalidConfig("adapter", f"expected an adapter; what {name} builds lacks methods of the contract")
    return adapter


def declared_capabilities(name: str) -> Mapping[str, Capabilities]:
    """What an adapter declares, by variant: the `DECLARED` of the module its entry point names.

    Empty when it declares nothing without a configuration. Raises `InvalidConfig`.
    """
    build = _load(ADAPTER_GROUP, "adapter", name)
    declared: Mapping[str, Capabilities] = getattr(sys.modules[build.__module__], "DECLARED", {})
    return declared


def app_values(name: str, connection_config: Mapping[str, Any], public_url: str, connection: str) -> Mapping[str, str]:
    """What of an installation stands in the files an adapter deploys into its CRM, by name.

    `public_url` and `connection` for all of them; the rest is what the function `app_values(config)` of the module its
    entry point names makes of the connection's table. Raises `InvalidConfig`.
    """
    build = _load(ADAPTER_GROUP, "adapter", name)
    own: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = getattr(
        sys.modules[build.__module__], "app_values", None
    )
    common = {"public_url": public_url.rstrip("/"), "connection": connection}
    return {**common, **(own(connection_config) if own is not None else {})}


def adapter_folder(name: str) -> Path | None:
    """Where an adapter's package lies, with what it ships besides code; None when it is no package on disk.

    Raises `InvalidConfig`.
    """
    build = _load(ADAPTER_GROUP, "adapter", name)
    package = sys.modules.get(sys.modules[build.__module__].__package__ or "")
    folder = Path(getattr(package, "__file__", None) or "").parent
    return folder if package is not None and folder.is_dir() and hasattr(package, "__path__") else None


def load_emulator(name: str) -> Callable[..., Any]:
    """The factory of an emulator. Raises `InvalidConfig` when there is none of this name."""
    return _load(EMULATOR_GROUP, "emulator", name)


def emulator_command(name: str) -> tuple[str, ...]:
    """How an emulator is run as a process of its own: the package of its entry point with `python -m`."""
    load_emulator(name)
    return (sys.executable, "-m", _installed(EMULATOR_GROUP)[name].module)


def emulator_page(name: str) -> str:
    """The path of an emulator's page for agents; "" where it has none. Raises `InvalidConfig`."""
    return str(getattr(load_emulator(name), "agents_page", ""))


def _installed(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        other = found.setdefault(point.name, point)
        if other.value != point.value or _package(other) != _package(point):
            claim = f"{_package(other)} and {_package(point)} both install {point.name!r}"
            raise InvalidConfig(group, f"expected one package per name; {claim}: remove one of them")
    return found


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"


def _load(group: str, kind: str, name: str) -> Callable[..., Any]:
    installed = _installed(group)
    if name not in installed:
        known = ", ".join(sorted(installed)) or "none"
        raise InvalidConfig(kind, f"expected the name of an installed {kind} ({known})")
    try:
        build: Callable[..., Any] = installed[name].load()
    except (ImportError, AttributeError) as error:
        missing = getattr(error, "name", None) or type(error).__name__
        package = _package(installed[name])
        expected = f"expected an {kind} that can be imported; {package} lacks {missing}: install its extra or repair it"
        raise InvalidConfig(kind, expected) from error
    return build
