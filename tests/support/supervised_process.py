"""A supervisor in another process as a test sees it: what it told, what it started, how it ended."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from embedded_place import Place, said

from crm_bridge.store.embedded.locks import until

PATIENCE_S = 60.0
_SCRIPT = Path(__file__).with_name("supervisor_process.py")

Event = dict[str, Any]


class Supervised:
    """A supervisor in another process, and what it told."""

    def __init__(
        self, place: Place, children: dict[str, list[str]], *, data: bool = False, stop_timeout_s: float = 20.0
    ) -> None:
        specification = {
            "data_dir": str(place.root / "data") if data else None,
            "children": children,
            "stop_timeout_s": stop_timeout_s,
        }
        self.process = place.start(_SCRIPT, json.dumps(specification))
        self.told: list[Event] = []
        self._pids: set[int] = set()
        self._patience = threading.Timer(PATIENCE_S, self._kill)
        self._patience.daemon = True
        self._patience.start()

    def _kill(self) -> None:
        """Also what its children left: they hold the pipe a test reads from."""
        self.process.kill()
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def until(self, kind: str, name: str = "") -> Event:
        """The next event of this kind about this name."""
        while True:
            event = said(self.process)
            self.told.append(event)
            if event["kind"] == "started" and event["name"] != "database":
                self._pids.add(event["pid"])
            if (event["kind"], event["name"]) == (kind, name):
                return event

    def pids(self, *names: str) -> list[int]:
        """Read on until all of these have started."""
        return [self.until("started", name)["pid"] for name in names]

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> int:
        """The exit code. No child may be left."""
        assert self.process.stdout is not None
        self.told += [json.loads(line) for line in self.process.stdout]
        code = self.process.wait(PATIENCE_S)
        self._patience.cancel()
        assert [pid for pid in self._pids if is_alive(pid)] == []
        return code

    def close(self) -> None:
        self._patience.cancel()
        self.process.kill()
        self.process.wait()

    def order(self, kind: str) -> list[str]:
        return [event["name"] for event in self.told if event["kind"] == kind]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_gone(pid: int) -> bool:
    """Whether a process that has to end does, within the patience of a test."""
    return until(lambda: None if is_alive(pid) else True, timeout_s=PATIENCE_S) is True
