"""File locks of the embedded server, and waiting for a condition.

Two locks lie beside a cluster. The start lock makes starting and stopping one at a time. The life lock is inherited
by the server and all its processes, so it is free exactly when none of them is left, in any pid namespace.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from crm_bridge.store.embedded.errors import EmbeddedDatabaseError

T = TypeVar("T")

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.2


def until(probe: Callable[[], T | None], *, timeout_s: float) -> T | None:
    """Ask `probe` again, less and less often, until it answers something; None when the time is over."""
    deadline = time.monotonic() + timeout_s
    pause_s = _FIRST_PAUSE_S
    while (answer := probe()) is None:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0:
            return None
        time.sleep(min(pause_s, remaining_s))
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
    return answer


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed everywhere; None when someone else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def start_lock(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Hold the start lock. Raises `EmbeddedDatabaseError` when another process keeps it for too long."""
    descriptor = until(lambda: try_lock(path), timeout_s=timeout_s)
    if descriptor is None:
        raise EmbeddedDatabaseError(
            f"Another process has been starting or stopping the embedded database for {timeout_s:.0f} s and holds"
            f" {path}. Wait for it or end it, then try again."
        )
    try:
        yield
    finally:
        os.close(descriptor)
