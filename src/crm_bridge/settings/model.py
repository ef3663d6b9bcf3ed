"""What a configuration says, as frozen values. Owns no rule: the schema checked everything before.

Secrets are `Secret`s, whose repr shows nothing; `database_url` may hold a password and stays out of the repr.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from crm_bridge.contract import InvalidConfig, Network
from crm_bridge.settings.layers import origin_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Listen:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Security:
    """Fernet keys: the first encrypts, every one decrypts."""

    encryption_keys: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceSettings:
    """How replies of a connection begin, end, and who signs them."""

    greeting: str = ""
    closing: str = ""
    signer: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskingSettings:
    """What of a case may reach an assistant. `field_allow_list` None: the built-in list."""

    internal_notes: bool = False
    field_allow_list: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class QualitySettings:
    """When data is too poor for a draft. `stale_after_h` in hours; None: the built-in age."""

    stale_after_h: float | None = None
    duplicates_block: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardSettings:
    """What a draft may hold. `blocking` are the flag codes that block; None: the built-in list."""

    allowed_link_hosts: frozenset[str] = frozenset()
    blocking: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionSettings:
    """One connection: what the bridge itself needs to know, and the adapter's own table.

    `start_from` "now" means the moment the connection is first stored. `max_drafts_per_hour` and
    `daily_cost_limit` None mean no cap; the latter is in the currency the assistant's prices are in.
    `holdout` is the share of requesters measured without AI, 0 to 0.9.
    """

    name: str
    adapter: str
    enabled: bool = True
    environment: Literal["sandbox", "production"] = "production"
    mode: Literal["shadow", "suggest"] = "suggest"
    start_from: datetime | Literal["now"] = "now"
    debounce_s: float = 5.0
    undo_s: float = 10.0
    max_drafts_per_hour: int | None = 200
    daily_cost_limit: float | None = None
    include: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    voice: VoiceSettings = VoiceSettings()
    masking: MaskingSettings = MaskingSettings()
    quality: QualitySettings = QualitySettings()
    guard: GuardSettings = GuardSettings()
    holdout: float = 0.0
    experiment_salt: str = ""
    adapter_config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything the bridge is told before it starts. `public_url` has no trailing slash."""

    public_url: str
    listen: Listen
    operator_listen: Listen = Listen(host="127.0.0.1", port=8002)
    database_url: str = field(repr=False)
    data_dir: Path
    log_format: Literal["json", "console"] = "json"
    security: Security = Security()
    network: Network = field(default=Network(), repr=False)
    assistant: Mapping[str, Any]
    connections: Mapping[str, ConnectionSettings]
    demo: bool = False
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False, compare=False)

    def locate(self, path: str) -> str:
        """Where the value at a dotted path came from, or the nearest table around it."""
        return origin_of(self.origins, path)

    def in_connection(self, name: str, error: InvalidConfig) -> InvalidConfig:
        """An adapter's `InvalidConfig`, whose path is inside its table, with the full path and its origin."""
        path = f"connections.{name}.{error.path}" if error.path else f"connections.{name}"
        return InvalidConfig(path, error.expected, error.origin or self.locate(path))

    def in_assistant(self, error: InvalidConfig) -> InvalidConfig:
        """An assistant's `InvalidConfig`, likewise."""
        path = f"assistant.{error.path}" if error.path else "assistant"
        return InvalidConfig(path, error.expected, error.origin or self.locate(path))
