"""The demo's log file: everything its processes log, bounded. It owns when the file is cut, not what is logged.

The processes write to the file themselves, so nobody but them stands between a line and the disk. What has grown too
long is copied to one older file and cut off; because everybody appends, they go on writing at the new beginning.
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from crm_bridge.cli.supervised import Child

LOG_FILE = "demo.log"
OLDER = ".1"
MAX_BYTES = 10_000_000
LOOK_EVERY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class DemoLog:
    """`file` and one older one beside it; each holds about `max_bytes` at most, plus what comes between two looks."""

    file: Path
    max_bytes: int = MAX_BYTES

    def stream(self) -> TextIO:
        """For what the demo logs itself."""
        return self.file.open("a", encoding="utf-8", buffering=1)

    def written_by(self, child: Child) -> Child:
        """The same program, writing here whatever it prints: the demo's terminal is for people."""
        return replace(child, argv=["/bin/sh", "-c", 'exec "$@" >>"$0" 2>&1', str(self.file), *child.argv])

    def cut(self) -> bool:
        """Make room when the file has grown too long; whether it had. Lines written in that moment can be lost."""
        if self.file.stat().st_size <= self.max_bytes:
            return False
        shutil.copyfile(self.file, self.file.with_name(self.file.name + OLDER))
        os.truncate(self.file, 0)
        return True

    def keep_bounded(self) -> None:
        """Look after it in the background for as long as this process lives. A full disk is tried again."""
        threading.Thread(target=self._look, name="demo-log", daemon=True).start()

    def _look(self) -> None:
        pause = threading.Event()
        while not pause.wait(LOOK_EVERY_S):
            with suppress(OSError):
                self.cut()
