"""How each state of the closed list looks on the desk: label, symbol, tone, what the composer offers.

The sentences come with the state itself; here is only what a page needs beside them. One table, no rules elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from crm_bridge.contract import NoDraftReason, StateKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How one state is shown.

    `rank` orders the inbox (0 = first), `composer` names the template of the composer, `waits` = a person has to act.
    `asks_again`: "try again with an instruction" makes sense here.
    """

    label: str
    symbol: str
    tone: str
    rank: int
    composer: str
    waits: bool = False
    asks_again: bool = False


_K = StateKind
LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        _K.COULD_NOT_SEND: Look(
            label="Could not send", symbol="!", tone="bad", rank=0, composer="draft", waits=True, asks_again=True
        ),
        _K.UNCONFIRMED: Look(label="Unconfirmed", symbol="?", tone="bad", rank=1, composer="unconfirmed", waits=True),
        _K.READY: Look(
            label="Draft ready", symbol="✓", tone="go", rank=2, composer="draft", waits=True, asks_again=True
        ),
        _K.DECIDED_TOO_LATE: Look(
            label="Decided too late", symbol="!", tone="warn", rank=3, composer="own", waits=True, asks_again=True
        ),
        _K.HANDED_OVER: Look(label="Handed over", symbol="→", tone="go", rank=3, composer="handed_over", waits=True),
        _K.NO_DRAFT: Look(
            label="No draft", symbol="–", tone="warn", rank=4, composer="own", waits=True, asks_again=True
        ),
        _K.REJECTED: Look(
            label="Rejected", symbol="×", tone="calm", rank=4, composer="own", waits=True, asks_again=True
        ),
        _K.SUPERSEDED: Look(label="Out of date", symbol="↻", tone="warn", rank=5, composer="waiting"),
        _K.DRAFTING: Look(label="Drafting", symbol="…", tone="busy", rank=5, composer="waiting"),
        _K.SENDING: Look(label="Sending", symbol="↑", tone="busy", rank=6, composer="sending"),
        _K.ANSWERED_OTHERWISE: Look(label="Answered", symbol="✓", tone="calm", rank=7, composer="own"),
        _K.SENT: Look(label="Sent", symbol="✓", tone="calm", rank=7, composer="own"),
    }
)
NOTHING_YET = Look(label="New", symbol="·", tone="calm", rank=6, composer="own")
AUTOMATIC = Look(label="Automatic reply", symbol="↩", tone="calm", rank=7, composer="own")
CLOSED = Look(label="Closed", symbol="▪", tone="calm", rank=9, composer="closed")

REASON_LABELS: Mapping[str, str] = MappingProxyType(
    {
        NoDraftReason.DATA: "data",
        NoDraftReason.NO_SOURCE: "no source",
        NoDraftReason.POLICY: "policy",
        NoDraftReason.NOT_IN_ROLLOUT: "not in rollout",
        NoDraftReason.MEASURED_WITHOUT_AI: "without AI",
        NoDraftReason.BUDGET: "budget",
        NoDraftReason.PAUSED: "paused",
        NoDraftReason.TECHNICAL: "technical",
    }
)

REJECT_REASONS: tuple[tuple[str, str], ...] = (
    ("wrong_facts", "Wrong facts"),
    ("stale_data", "Stale data"),
    ("tone", "Tone"),
    ("language", "Language"),
    ("policy", "Policy"),
    ("not_needed", "Not needed"),
    ("other", "Other"),
)
"""What an agent can say against a draft; the value is what the bridge counts."""


def look(state: Mapping[str, Any], *, status: str = "open") -> Look:
    """The look of a state; an unknown or missing kind reads as new, a closed case is closed unless it needs someone."""
    known = LOOKS.get(str(state.get("kind") or ""), NOTHING_YET)
    if known is LOOKS[_K.ANSWERED_OTHERWISE] and state.get("reason") == "automatic":
        known = AUTOMATIC
    return CLOSED if status == "closed" and known.rank > 1 and known.composer != "sending" else known


def badge(shown: Look, state: Mapping[str, Any]) -> str:
    """The text of the badge: the label, and for "no draft" also why."""
    reason = REASON_LABELS.get(str(state.get("reason") or ""), "")
    return f"{shown.label}: {reason}" if shown.label == "No draft" and reason else shown.label
