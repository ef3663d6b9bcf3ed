"""The CRMs the mock can play: one row each, saying what the adapter declares and how the emulated server behaves.

A table and nothing else: neither the adapter nor the emulator branches on a profile's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from crm_bridge.contract import (
    AuthKind,
    Capabilities,
    Decider,
    DeliveryAuth,
    Mutability,
    SendMarker,
    Sends,
    Target,
    TargetKind,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One way to be a CRM.

    `looks_before_known`: how often a thread must be asked for before the CRM links it to its case (None: webhooks name
    the case). `whole_seconds`: every timestamp is cut to the second. `keys_sends`: a second send with the same key is
    the first one again. `longest_text`: the API cuts longer texts off. `tokens`: every call needs an
    access token besides its signature, and tokens end.
    """

    name: str
    capabilities: Capabilities
    looks_before_known: int | None = None
    whole_seconds: bool = False
    keys_sends: bool = True
    longest_text: int | None = None
    tokens: bool = False

    @property
    def signs_requests(self) -> bool:
        """Whether the signature of a webhook covers its method and its target, too."""
        return self.capabilities.delivery_auth.covers >= {"method", "target"}

    @property
    def keeps_keys(self) -> bool:
        """Whether a sent message is listed with the key it was sent with."""
        return self.keys_sends or self.capabilities.send_marker is SendMarker.METADATA

    @property
    def decider(self) -> Decider | None:
        """Who takes decisions, None where nobody does."""
        return next(iter(self.capabilities.target.decides), None)


_SIGNED = DeliveryAuth(kind=AuthKind.SIGNED, covers=frozenset({"body", "time"}))
_SIGNED_WHOLE = DeliveryAuth(kind=AuthKind.SIGNED, covers=frozenset({"body", "time", "target", "method"}))
_NATIVE_DRAFT = Target(
    kind=TargetKind.NATIVE_DRAFT,
    decides=frozenset({Decider.BRIDGE}),
    withdrawable=True,
    readable=True,
    idempotent=True,
    shows_states=True,
    mutability=Mutability.REPLACE,
)
_NOTE = Target(
    kind=TargetKind.NOTE,
    decides=frozenset(),
    withdrawable=False,
    readable=False,
    idempotent=True,
    shows_states=False,
    mutability=Mutability.APPEND,
)
_NATIVE = Capabilities(
    delivery_auth=_SIGNED,
    targets=(_NATIVE_DRAFT,),
    sends=Sends.BRIDGE,
    send_marker=SendMarker.KEY,
    knowledge=True,
    reconcile=True,
    deletions=True,
    panel=True,
)
_PROPERTY = replace(_NATIVE_DRAFT, kind=TargetKind.PROPERTY, decides=frozenset({Decider.CRM}))
_FIELD = replace(_NATIVE_DRAFT, kind=TargetKind.PROPERTY, decides=frozenset(), shows_states=False)
_RECORD = replace(_NATIVE_DRAFT, kind=TargetKind.RECORD, decides=frozenset({Decider.CRM}))

_ROWS = (
    Profile(name="native", capabilities=_NATIVE),
    Profile(
        name="property",
        capabilities=replace(_NATIVE, targets=(_PROPERTY,), send_marker=SendMarker.TEXT_MATCH),
        keys_sends=False,
        longest_text=65_536,
    ),
    Profile(
        name="notes",
        capabilities=replace(_NATIVE, targets=(_NOTE,), sends=Sends.NOBODY, send_marker=SendMarker.NONE, panel=False),
    ),
    Profile(
        name="field",
        capabilities=replace(_NATIVE, targets=(_FIELD,), sends=Sends.NOBODY, send_marker=SendMarker.NONE, panel=False),
    ),
    Profile(
        name="agent-sends",
        capabilities=replace(_NATIVE, targets=(_RECORD,), sends=Sends.AGENT, send_marker=SendMarker.TEXT_MATCH),
    ),
    Profile(
        name="hints",
        capabilities=replace(_NATIVE, delivery_auth=DeliveryAuth(kind=AuthKind.SHARED_SECRET)),
    ),
    Profile(name="no-find", capabilities=replace(_NATIVE, send_marker=SendMarker.NONE), keys_sends=False),
    Profile(name="one-second", capabilities=_NATIVE, whole_seconds=True),
    Profile(name="foreign", capabilities=_NATIVE, looks_before_known=1),
    Profile(name="tokens", capabilities=_NATIVE, tokens=True),
    Profile(
        name="marked",
        capabilities=replace(_NATIVE, delivery_auth=_SIGNED_WHOLE, send_marker=SendMarker.METADATA),
        keys_sends=False,
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({row.name: row for row in _ROWS})
DEFAULT_PROFILE = "native"
