"""The assistants: one protocol, and the kinds that are built in. `build_assistant` is the only way to get one.

What an assistant is stands in `protocol`. Nothing here sees the store, a CRM or an unmasked case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_bridge.assistants.checking import diagnosed
from crm_bridge.assistants.http import build_http
from crm_bridge.assistants.language import detect_language, primary_code
from crm_bridge.assistants.offline import OfflineAssistant
from crm_bridge.assistants.protocol import Abstention, AbstentionReason, Assistant, Proposal, Usage
from crm_bridge.assistants.schemas import OfflineConfigSchema
from crm_bridge.contract import InvalidConfig, Network
from crm_bridge.kit.schemas import load_config

__all__ = [
    "ASSISTANT_KINDS",
    "Abstention",
    "AbstentionReason",
    "Assistant",
    "Proposal",
    "Usage",
    "build_assistant",
    "detect_language",
    "diagnosed",
    "primary_code",
]

Build = Callable[[Mapping[str, Any], Network], Assistant]


def _build_offline(config: Mapping[str, Any], _network: Network) -> Assistant:
    load_config(OfflineConfigSchema(), config)
    return OfflineAssistant()


def _build_openai(config: Mapping[str, Any], network: Network) -> Assistant:
    try:
        # Only who uses it pays for importing the SDK (0.6 s), or needs it at all.
        from crm_bridge.assistants.openai import build_openai
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("crm_bridge"):
            raise
        raise InvalidConfig(
            "kind", "the assistant kind openai needs the extra `ai`: pip install 'crm-bridge[ai]'"
        ) from None
    return build_openai(config, network)


_KINDS: dict[str, Build] = {"offline": _build_offline, "http": build_http, "openai": _build_openai}

ASSISTANT_KINDS = tuple(_KINDS)


def build_assistant(config: Mapping[str, Any], network: Network) -> Assistant:
    """The assistant of an `[assistant]` table whose secrets are resolved already; `offline` for an empty one.

    Raises `InvalidConfig` with the path inside the table. Makes no call.
    """
    kind = config.get("kind", "offline")
    build = _KINDS.get(kind) if isinstance(kind, str) else None
    if build is None:
        raise InvalidConfig("kind", f"one of {', '.join(ASSISTANT_KINDS)}")
    return build(config, network)
