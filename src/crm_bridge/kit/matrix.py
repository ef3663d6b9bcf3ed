"""What each capability of an adapter stands at: proven on the emulator, proven live, declared but unproven, or absent.

It owns what is declared, in words, and what follows from the records of `kit/proof.py`. It runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from crm_bridge.contract import AuthKind, Capabilities, SendMarker, Sends, Target
from crm_bridge.kit.proof import Proof

ALWAYS = "always"
"""What every adapter promises, whatever it declares."""

OTHER_VERSION = "proof is of another version"


def _deliveries(has: Capabilities) -> str:
    covers = ", ".join(sorted(has.delivery_auth.covers))
    kind = "" if has.delivery_auth.kind is AuthKind.NONE else _words(has.delivery_auth.kind)
    return f"{kind}: {covers}" if covers else kind


def _target(target: Target) -> str:
    deciders = " and ".join(sorted(_words(one) for one in target.decides)) or "nobody"
    return f"{_words(target.kind)}, {deciders} decides"


def _yes(name: str) -> Callable[[Capabilities], str]:
    return lambda has: "yes" if getattr(has, name) else ""


def _words(value: str) -> str:
    return str(value).replace("_", " ")


DECLARED: Mapping[str, Callable[[Capabilities], str]] = MappingProxyType(
    {
        ALWAYS: lambda _: "yes",
        "delivery_auth": _deliveries,
        "targets": lambda has: "; ".join(_target(one) for one in has.targets),
        "sends": lambda has: "" if has.sends is Sends.NOBODY else _words(has.sends),
        "send_marker": lambda has: "" if has.send_marker is SendMarker.NONE else _words(has.send_marker),
        **{name: _yes(name) for name in ("knowledge", "reconcile", "deletions", "panel")},
    }
)
"""Every capability rules can prove -> what an adapter declares of it, in words; "" where it is absent."""


class State(StrEnum):
    """What a capability stands at. Live is the stronger word."""

    PROVEN_LIVE = "proven_live"
    PROVEN_ON_EMULATOR = "proven_on_emulator"
    UNPROVEN = "unproven"
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixRow:
    """One capability of one variant: what is declared, and how far that is proven.

    `live` is the run against a real CRM that proved it, `why` says in words why it is not proven.
    """

    capability: str
    declared: str
    state: State
    on_emulator: bool = False
    live: Proof | None = None
    why: str = ""

    @property
    def sentence(self) -> str:
        """For people."""
        if self.state is State.ABSENT:
            return "absent"
        if self.state is State.UNPROVEN:
            return f"declared but unproven ({self.why})"
        places = ["on the emulator"] if self.on_emulator else []
        if self.live is not None and self.live.at is not None:
            version = f", API {self.live.api_version}" if self.live.api_version else ""
            places.append(f"live ({self.live.at.date().isoformat()}{version})")
        return f"proven {' and '.join(places)}"


def matrix_rows(
    has: Capabilities, *, code: str, emulator: Proof | None = None, live: Proof | None = None
) -> tuple[MatrixRow, ...]:
    """Every capability of one variant, by what it declares, the digest of its code, and the records there are."""
    return tuple(_row(name, words(has), code, emulator, live) for name, words in DECLARED.items())


def _row(name: str, declared: str, code: str, emulator: Proof | None, live: Proof | None) -> MatrixRow:
    if not declared:
        return MatrixRow(capability=name, declared="", state=State.ABSENT)
    lacking = _lacking(emulator, name, code)
    known: dict[str, Any] = {"capability": name, "declared": declared, "on_emulator": not lacking}
    if not _lacking(live, name, code):
        return MatrixRow(**known, state=State.PROVEN_LIVE, live=live)
    if not lacking:
        return MatrixRow(**known, state=State.PROVEN_ON_EMULATOR)
    why = lacking if emulator is not None or live is None else _lacking(live, name, code)
    return MatrixRow(**known, state=State.UNPROVEN, why=why)


def _lacking(proof: Proof | None, name: str, code: str) -> str:
    """Why a record does not prove a capability; "" when it does."""
    if proof is None:
        return "no proof"
    if proof.code != code:
        return OTHER_VERSION
    found = proof.capabilities.get(name)
    if found is None or not (found.rules or found.standing_in_the_way):
        return "no rule was put to it"
    in_the_way = sorted(found.standing_in_the_way)
    if not in_the_way:
        return ""
    more = f" and {len(in_the_way) - 1} more" if len(in_the_way) > 1 else ""
    return f"{in_the_way[0]}{more}: {found.standing_in_the_way[in_the_way[0]]}"
