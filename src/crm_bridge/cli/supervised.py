"""The words of the supervisor: what it keeps running, what it tells of it, and when it starts something again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

DATABASE = "database"
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0
STEADY_AFTER_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Child:
    """A program to keep running. `env` is its whole environment; None means the supervisor's own, as `cwd` does."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None


class EventKind(StrEnum):
    STARTED = "started"
    FAILED = "failed"  # it could not be started, or the database not be stopped; `detail` says why
    EXITED = "exited"
    RESTART_DUE = "restart_due"
    KILLED = "killed"  # it did not end in time when asked to
    STOPPING = "stopping"


@dataclass(frozen=True, kw_only=True)
class SupervisorEvent:
    """Something that happened to a child or to `DATABASE`, or (no name) to the whole.

    `status` is as in `Popen.returncode`, None for a process that is not our child; `delay_s` is the time to a restart.
    """

    kind: EventKind
    name: str = ""
    pid: int | None = None
    status: int | None = None
    delay_s: float | None = None
    detail: str = ""


def next_delay(previous_s: float, alive_s: float) -> float:
    """How long to wait before a restart: doubled each time, from the start again after a steady minute."""
    if previous_s == 0 or alive_s >= STEADY_AFTER_S:
        return FIRST_DELAY_S
    return min(2 * previous_s, LONGEST_DELAY_S)
