"""One supervisor per data directory: a second one would share its database and stop it under the first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crm_bridge.contract import InvalidConfig

LOCK_FILE = "supervisor.lock"


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Hold the directory while the block runs. The lock goes with the process, however it ends.

    Raises `InvalidConfig` when somebody else holds it.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InvalidConfig(
            "data_dir", f"a bridge runs on {data_dir} already; stop it first, or use another directory"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)
