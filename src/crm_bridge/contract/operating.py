"""What an admin is told: who may see what, what was diagnosed, what a CRM needs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from crm_bridge.contract.value import Value

MAY_WRITE = "may_write"
"""The check that says whether these credentials may write at all: `doctor --read-only` wants its `failed`."""


class Visibility(StrEnum):
    """May this agent see this case, as far as the CRM can tell."""

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis(Value):
    """One line of `doctor`: what was looked at, how it is, what to do."""

    check: str
    status: Literal["ok", "warning", "failed"]
    detail: str
    action: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step(Value):
    """One line of `setup`: what the CRM needs. `status`: already there, done now, planned, or a person's job."""

    name: str
    status: Literal["present", "done", "planned", "manual"]
    detail: str = ""
