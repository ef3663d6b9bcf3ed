"""The emulated org as a process of its own, reached over a socket."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import requests

from crm_bridge_salesforce.emulator import SalesforceCrm


def test_it_says_where_it_listens_and_stops_when_told(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "crm_bridge_salesforce.emulator",
        "--seed",
        "--print-config",
        "--data",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            look_around(process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def look_around(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    config = json.loads(process.stdout.readline())["config"]
    form = {"grant_type": "client_credentials", **{name: config[name] for name in ("client_id", "client_secret")}}
    given = requests.post(f"{config['base_url']}/services/oauth2/token", data=form, timeout=30).json()
    assert given["instance_url"] == config["base_url"]
    found = requests.get(
        f"{given['instance_url']}/services/data/v66.0/query",
        params={"q": "SELECT Subject FROM Case"},
        headers={"Authorization": f"Bearer {given['access_token']}"},
        timeout=30,
    ).json()
    assert "I cannot sign in" in [one["Subject"] for one in found["records"]]


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    before = SalesforceCrm(data_dir=tmp_path)
    case = before.open_case("Hello", "It broke.")
    secrets, token = (before.client, before.apex_secret), before.org.sessions.open(before.org.people.integration)
    before.stop()
    after = SalesforceCrm(data_dir=tmp_path)
    assert [one.text for one in after.thread(case)] == ["It broke."]
    assert (after.client, after.apex_secret) == secrets
    assert after.org.sessions.user_of(token) == after.org.people.integration
    assert len(after.deliveries()) == 2
    assert after.open_case("Next", "x") != case
    after.stop()
