"""Turns a refusal of the desk's API into words an agent can act on: who, when, what is new, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_NEW_MESSAGES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Something that did not work. `new_messages` are plain dictionaries of the API, newest last."""

    status: int
    title: str
    detail: str
    by: str = ""
    at: str = ""
    new_messages: Sequence[Mapping[str, Any]] = ()
    flags: Sequence[str] = ()


_TITLES: Mapping[int, str] = {
    400: "This could not be understood",
    403: "You may not do this",
    404: "This case is not here any more",
    409: "Nothing was done: something changed meanwhile",
    422: "Please look at this first",
    502: "The reply assistant cannot be reached",
    503: "The reply assistant cannot be reached",
    504: "The reply assistant did not answer in time",
}


def trouble(status: int, answer: Mapping[str, Any]) -> Trouble | None:
    """None when the status says it worked."""
    if status < 400:
        return None
    new = answer.get("new_messages")
    flags = answer.get("flags")
    return Trouble(
        status=status,
        title=_TITLES.get(status, "That did not work"),
        detail=str(answer.get("detail") or answer.get("title") or "Your text is still here. Try again in a moment."),
        by=_name(answer.get("by")),
        at=str(answer.get("at") or ""),
        new_messages=[item for item in new if isinstance(item, Mapping)][-MAX_NEW_MESSAGES:]
        if isinstance(new, list | tuple)
        else (),
        flags=[_code(flag) for flag in flags] if isinstance(flags, list | tuple) else (),
    )


def _name(by: object) -> str:
    return str(by.get("name") or by.get("id") or "") if isinstance(by, Mapping) else str(by or "")


def _code(flag: object) -> str:
    return str(flag.get("code", "")) if isinstance(flag, Mapping) else str(flag)
