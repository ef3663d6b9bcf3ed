"""What this adapter declares: one row for the app deployed into the org, one for plain case comments. A table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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

APP, COMMENTS = "app", "comments"
"""The variants: the CRM decides on a record and the agent sends, or an internal comment that nobody decides on."""

_RECORD = Target(
    kind=TargetKind.RECORD,
    decides=frozenset({Decider.CRM}),
    withdrawable=True,
    readable=True,
    idempotent=True,
    shows_states=True,
    mutability=Mutability.REPLACE,
)
# A comment has no unique field: two processes that write at once would write twice.
_NOTE = Target(
    kind=TargetKind.NOTE,
    decides=frozenset(),
    withdrawable=False,
    readable=False,
    idempotent=False,
    shows_states=False,
    mutability=Mutability.APPEND,
)
_APP = Capabilities(
    # Outbound Messages are not signed, so every delivery is a hint, also the signed ones of our own Apex code.
    delivery_auth=DeliveryAuth(kind=AuthKind.SHARED_SECRET),
    targets=(_RECORD,),
    sends=Sends.AGENT,
    send_marker=SendMarker.TEXT_MATCH,
    knowledge=True,
    reconcile=True,
    deletions=True,
    panel=False,
)

DECLARED: Mapping[str, Capabilities] = MappingProxyType(
    {APP: _APP, COMMENTS: replace(_APP, targets=(_NOTE,), sends=Sends.NOBODY, send_marker=SendMarker.NONE)}
)
