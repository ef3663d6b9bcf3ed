"""What every use case is given: the store, the connections, the assistant. Joined in `bootstrap`, nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crm_bridge.assistants import Assistant
from crm_bridge.contract import Adapter, BridgeError
from crm_bridge.core.policy import ConnectionPolicy
from crm_bridge.pipeline.trouble import AssistantWatch
from crm_bridge.store.database import Store


class UnknownConnection(BridgeError):
    """No connection of this name is configured."""


@dataclass(frozen=True, kw_only=True)
class ConnectionRuntime:
    """One connection: its adapter and what the operator decided about it."""

    name: str
    adapter: Adapter
    policy: ConnectionPolicy
    enabled: bool = True


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One per process; thread-safe."""

    store: Store
    connections: Mapping[str, ConnectionRuntime]
    assistant: Assistant
    detect_language: Callable[[str], str | None]
    assistant_watch: AssistantWatch = field(default_factory=AssistantWatch)

    def connection(self, name: str) -> ConnectionRuntime:
        """Raises `UnknownConnection`."""
        try:
            return self.connections[name]
        except KeyError:
            raise UnknownConnection("no such connection") from None

    def close(self) -> None:
        for connection in self.connections.values():
            connection.adapter.close()
        self.store.close()
