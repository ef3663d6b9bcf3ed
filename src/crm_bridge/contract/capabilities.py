"""What an adapter declares of its CRM: the only axes the pipeline branches on, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class AuthKind(StrEnum):
    SIGNED = "signed"
    SHARED_SECRET = "shared_secret"  # noqa: S105 - a kind, not a secret
    NONE = "none"


Covered = Literal["body", "time", "target", "method"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryAuth:
    """How a delivery proves itself and what the proof covers. Without "body" it is a hint: only a ref is taken."""

    kind: AuthKind
    covers: frozenset[Covered] = frozenset()

    def __post_init__(self) -> None:
        if self.kind is not AuthKind.SIGNED and self.covers:
            raise ValueError("only a signed delivery covers anything")

    @property
    def is_hint(self) -> bool:
        return "body" not in self.covers


class TargetKind(StrEnum):
    NATIVE_DRAFT = "native_draft"
    RECORD = "record"
    PROPERTY = "property"
    NOTE = "note"


class Decider(StrEnum):
    """Who takes decisions on a target. An empty set means nobody: outcomes are only observed."""

    BRIDGE = "bridge"
    CRM = "crm"


class Mutability(StrEnum):
    REPLACE = "replace"
    APPEND = "append"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where a draft stands in the CRM. A target that cannot be withdrawn gets one write per customer message."""

    kind: TargetKind
    decides: frozenset[Decider]
    withdrawable: bool
    readable: bool
    idempotent: bool
    shows_states: bool
    mutability: Mutability

    def __post_init__(self) -> None:
        if Decider.CRM in self.decides and not self.readable:
            raise ValueError("a target where the CRM decides must be readable")
        if self.mutability is Mutability.APPEND and self.withdrawable:
            raise ValueError("an append-only target cannot be withdrawn")


class Sends(StrEnum):
    """Who sends the approved reply. `nobody`: the agent copies it; the outcome is observed."""

    BRIDGE = "bridge"
    AGENT = "agent"
    NOBODY = "nobody"


class SendMarker(StrEnum):
    """How a reply we sent is recognised afterwards."""

    KEY = "key"
    METADATA = "metadata"
    TEXT_MATCH = "text_match"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """Declared once per adapter and configuration; the contract suite reports each as proven or unproven."""

    delivery_auth: DeliveryAuth
    targets: tuple[Target, ...]
    sends: Sends
    send_marker: SendMarker
    knowledge: bool
    reconcile: bool
    deletions: bool
    panel: bool

    def __post_init__(self) -> None:
        if not self.targets:
            raise ValueError("an adapter needs at least one target")
        if self.sends is Sends.BRIDGE and not self.target.decides:
            raise ValueError("the bridge can only send where somebody decides")

    @property
    def target(self) -> Target:
        """The target in use: the first one declared."""
        return self.targets[0]
