"""Which blocking flags of a draft still stand in the way of a text that a person approves. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from crm_bridge.contract import Flag, Severity
from crm_bridge.core.textmatch import normalise


def open_flags(
    flags: Sequence[Flag], *, acknowledged: Collection[str], drafted: str, approved: str
) -> tuple[Flag, ...]:
    """The blocking flags of `drafted` that nobody acknowledged and that `approved` has not edited away."""
    edited = normalise(approved) != normalise(drafted)
    return tuple(
        flag
        for flag in flags
        if flag.severity is Severity.BLOCKING
        and flag.code not in acknowledged
        and not (edited and _edited_away(flag, approved))
    )


def _edited_away(flag: Flag, text: str) -> bool:
    """What the flag is about no longer stands in the text. Of a shortened excerpt nobody can say that."""
    return bool(flag.excerpt) and "…" not in flag.excerpt and normalise(flag.excerpt) not in normalise(text)
