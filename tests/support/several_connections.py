"""`crm-bridge up` on several connections, each with an embedded CRM of its own that a file of faults can disturb."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from desk_client import DeskClient
from installation import Place, free_port, until
from processes import Supervised, answers

from crm_bridge.kit.signing import new_secret

CONFIG = """
public_url = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
database_url = "embedded"
data_dir = {data_dir}

[security]
encryption_keys = [{{ file = {key} }}]

[assistant]
kind = "offline"
"""
CONNECTION = """
[connections.{name}]
adapter = "mock"
environment = "sandbox"
start_from = "2000-01-01T00:00:00Z"
debounce_s = 0.3
undo_s = 3
max_drafts_per_hour = "unlimited"
daily_cost_limit = "unlimited"
base_url = "http://127.0.0.1:{port}"
webhook_secrets = [{{ file = {secret} }}]
"""


class Crm:
    """One embedded CRM as a process: its desk, and what it is made to suffer."""

    def __init__(self, place: Place, name: str, bridge_port: int) -> None:
        self.name, self.port = name, free_port()
        self.secret_file = place.root / f"{name}.secret"
        self.faults_file = place.root / f"{name}.faults.json"
        self.desk = DeskClient(f"http://127.0.0.1:{self.port}")
        self.secret_file.write_text(new_secret())
        self._place, self._bridge = place, f"http://127.0.0.1:{bridge_port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [sys.executable, "-m", "crm_bridge_mock.emulator", "--port", str(self.port), "--seed"]
        argv += ["--data", str(self._place.root / f"{self.name}.crm"), "--public-url", self._bridge]
        argv += ["--connection", self.name, "--secret-file", str(self.secret_file), "--faults", str(self.faults_file)]
        self._process = self._place.start(argv, self._place.root / f"{self.name}.log", {})
        until(lambda: answers(f"{self.desk.url}/desk/api/agents"), f"the CRM {self.name} answers")

    def suffer(self, *faults: Mapping[str, Any]) -> None:
        """These faults from now on; none ends them."""
        beside = self.faults_file.with_suffix(".new")
        beside.write_text(json.dumps(faults))
        beside.rename(self.faults_file)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Up(Supervised):
    """A bridge with a connection for each of `names`."""

    def __init__(self, place: Place, names: Sequence[str]) -> None:
        self.port = free_port()
        place.data_dir.mkdir()
        self.config, key = place.root / "bridge.toml", place.root / "bridge.key"
        key.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
        self.crms = {name: Crm(place, name, self.port) for name in names}
        self.config.write_text(_config(self.port, place.data_dir, key, list(self.crms.values())), "utf-8")
        super().__init__(place, ["up", "--config", self.config])

    def start(self) -> None:
        """Start, and come back when every connection has worked off its example cases."""
        for crm in self.crms.values():
            crm.start()
        super().start()
        until(lambda: answers(f"http://127.0.0.1:{self.port}/readyz"), "the bridge answers")
        query = "select count(distinct connection), count(*) filter (where outcome = 'pending') from events"
        until(lambda: self.place.sql(query)[0] == (len(self.crms), 0), "the examples are worked off", every_s=0.5)

    def another_worker(self) -> subprocess.Popen[bytes]:
        """A second worker on the same database, as one starts on another machine. The caller ends it."""
        argv = [sys.executable, "-m", "crm_bridge.cli", "worker", "--config", str(self.config)]
        return self.place.start(argv, self.place.root / "second-worker.log", {})

    def check(self) -> dict[str, dict[str, Any]]:
        """The balance of each connection."""
        done = self.place.run("check", "--json", "--config", self.config)
        assert done.returncode in (0, 1), done.stderr
        return {found["connection"]: found for found in json.loads(done.stdout)["connections"]}

    def close(self) -> None:
        super().close()
        for crm in self.crms.values():
            crm.close()


def _config(port: int, data_dir: Path, key: Path, crms: Sequence[Crm]) -> str:
    text = CONFIG.format(port=port, data_dir=json.dumps(str(data_dir)), key=json.dumps(str(key)))
    for crm in crms:
        text += CONNECTION.format(name=crm.name, port=crm.port, secret=json.dumps(str(crm.secret_file)))
    return text
