"""A running `crm-bridge demo` for full stories: its processes, its desk, and kills of one program at a time.

Programs are found as children of the supervisor that was started here, never by a name others may have. Needs /proc.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import requests

from crm_bridge.kit.signing import new_secret, sign_webhook
from crm_bridge.store.embedded import EmbeddedServer

PROGRAMS = ("worker", "web", "crm")
START_S = 90.0
STOP_S = 40.0
POLL_S = 0.2
QUIET_POLL_S = 1.5
TIMEOUT_S = 15.0


@dataclass(kw_only=True)
class Installation:
    """Bridge, worker, database and the embedded CRM in one folder."""

    root: Path
    port: int
    desk_port: int
    process: subprocess.Popen[bytes]

    @classmethod
    @contextmanager
    def running(cls, root: Path, *, crm: str) -> Iterator[Installation]:
        """Started and answering; stopped in the end whatever happened."""
        port, desk_port = _free_port(), _free_port()
        argv = [sys.executable, "-m", "crm_bridge.cli", "demo", "--no-open", "--crm", crm, "--data-dir"]
        argv.append(str(root / "demo"))
        ports = ["--port", str(port), "--desk-port", str(desk_port)]
        with (root / "terminal.txt").open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [*argv, *ports], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        place = cls(root=root, port=port, desk_port=desk_port, process=process)
        try:
            place._until_serving()
            yield place
        finally:
            place._stop()

    # --- the desk and the webhooks --------------------------------------------------------------------------------

    def desk(self, method: str, path: str, payload: Any = None) -> requests.Response:
        """One request of the agent Ana."""
        url = f"http://127.0.0.1:{self.desk_port}/desk/api{path}"
        return requests.request(method, url, json=payload, headers={"X-Desk-Agent": "Ana"}, timeout=TIMEOUT_S)

    def tell(self, case: str, *, forged: bool) -> int | None:
        """A webhook of the CRM about nothing new, by the CRM or by a stranger; the status, None without an answer."""
        kept = (self.root / "demo" / "webhook.secret").read_text("ascii").strip()
        secret = new_secret() if forged else kept
        now = datetime.now(UTC)
        event = {"id": f"evt_{os.urandom(8).hex()}", "type": "case.updated", "occurred_at": now.isoformat()}
        body = json.dumps([{**event, "case": case}]).encode()
        headers = sign_webhook(secret, message_id=f"msg_{os.urandom(8).hex()}", at=now, body=body)
        url = f"http://127.0.0.1:{self.port}/webhooks/demo"
        try:
            answer = requests.post(
                url, data=body, headers={**headers, "Content-Type": "application/json"}, timeout=TIMEOUT_S
            )
        except requests.RequestException:
            return None
        return answer.status_code

    # --- processes ------------------------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """SIGKILL to one program as soon as it runs; its supervisor starts it again."""
        ends = time.monotonic() + START_S
        while time.monotonic() < ends:
            pid = self._programs().get(name)
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                return
            time.sleep(POLL_S)
        raise TimeoutError(f"{name} does not run any more")

    def until_quiet(self, within_s: float) -> Mapping[str, Any]:
        """What `crm-bridge check` says, once nothing is pending twice in a row or the time is over.

        The database is asked first: the command is a process of its own each time.
        """
        ends, quiet = time.monotonic() + within_s, 0
        while quiet < 2 and time.monotonic() < ends:
            quiet = 0 if self._pending() else quiet + 1
            time.sleep(QUIET_POLL_S)
        return self._check()

    def _pending(self) -> bool:
        """Whether something waits for a worker."""
        with psycopg.connect(EmbeddedServer(self.root / "demo").ensure_running(), autocommit=True) as connection:
            found = connection.execute("select exists (select 1 from events where outcome = 'pending')").fetchone()
        return found is None or bool(found[0])

    def _check(self) -> Mapping[str, Any]:
        config = self.root / "demo" / "demo.toml"
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "crm_bridge.cli", "check", "--json", "--config", config],
            capture_output=True, timeout=START_S, check=False,
        )  # fmt: skip
        try:
            found: Mapping[str, Any] = json.loads(done.stdout)
        except ValueError:
            return {}
        return found

    def _programs(self) -> dict[str, int]:
        found = {}
        for pid in _children_of(self.process.pid):
            argv = _argv_of(pid)
            name = "crm" if "--desk-port" not in argv and any(part.endswith(".emulator") for part in argv) else ""
            name = name or next((known for known in ("web", "worker") if known in argv), "")
            if name:
                found[name] = pid
        return found

    def _until_serving(self) -> None:
        ends = time.monotonic() + START_S
        while time.monotonic() < ends:
            if self.process.poll() is not None:
                break
            if _answers(f"http://127.0.0.1:{self.port}/readyz") and _answers(
                f"http://127.0.0.1:{self.desk_port}/desk/api/agents"
            ):
                return
            time.sleep(POLL_S)
        said = (self.root / "terminal.txt").read_text("utf-8", errors="replace")
        raise RuntimeError(f"the demo did not come up: {said}")

    def _stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _free_port() -> int:
    """Below the range the system gives to clients, which could take it meanwhile."""
    chosen = random.SystemRandom()
    while True:
        port = chosen.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5, allow_redirects=False).status_code == 200
    except requests.RequestException:
        return False


def _children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


def _argv_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return []
