"""The embedded CRM as a process of its own: it says when it listens, survives a kill, and delivers what it owes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from crm_bridge.kit.signing import new_secret, sign_request

NEW_CASE = {"subject": "S", "body": "B", "customer": {"name": "N", "email": "n@example.org"}}


@contextmanager
def process(
    folder: Path, *more: str, bridge: str = "http://127.0.0.1:9"
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    secret = folder / "secret"
    if not secret.exists():
        secret.write_text(new_secret())
    command = [sys.executable, "-m", "crm_bridge_mock.emulator", "--data", str(folder / "data")]
    command += ["--public-url", bridge, "--secret-file", str(secret), *more]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        ready = json.loads(running.stdout.readline())
        assert ready["event"] == "listening"
        yield running, f"http://127.0.0.1:{ready['port']}"
    finally:
        running.kill()
        running.wait(10)


def until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_what_was_acknowledged_survives_a_kill_and_is_delivered_afterwards(
    tmp_path: Path, httpserver: HTTPServer
) -> None:
    told: list[str] = []

    def bridge(request: Request) -> Response:
        told.extend(event["case"] for event in json.loads(request.get_data()))
        return Response(status=200)

    httpserver.expect_request("/webhooks/demo").respond_with_handler(bridge)
    with process(tmp_path) as (running, url):
        made = [requests.post(f"{url}/desk/api/cases", json=NEW_CASE, timeout=5).json()["id"] for _ in range(3)]
        os.kill(running.pid, signal.SIGKILL)
        running.wait(10)
    with process(tmp_path, bridge=httpserver.url_for("").rstrip("/")) as (_, url):
        cases = requests.get(f"{url}/desk/api/cases", timeout=5).json()
        assert [case["id"] for case in cases] == made[::-1]
        until(lambda: set(told) == set(made))


def test_a_termination_stops_it_cleanly(tmp_path: Path) -> None:
    with process(tmp_path, "--seed", "--no-webhooks") as (running, url):
        keeps_alive = requests.Session()
        assert keeps_alive.get(f"{url}/desk/api/cases", timeout=5).json()
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{url}/desk/api/cases", timeout=5)


def test_faults_come_from_a_file_that_may_change(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    with process(tmp_path, "--faults", str(faults), "--no-webhooks") as (_, url):
        secret = (tmp_path / "secret").read_text()

        def health() -> int:
            headers = sign_request(secret, method="GET", target="/api/health", at=datetime.now(UTC), body=b"")
            return requests.get(f"{url}/api/health", headers=headers, timeout=5).status_code

        assert health() == 200
        rule: list[dict[str, Any]] = [{"operation": "health", "times": None, "status": 429, "retry_after": 9}]
        faults.write_text(json.dumps(rule))
        assert [health(), health()] == [429, 429]
        faults.write_text("[]")
        assert health() == 200


def test_a_wrong_secret_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("plain")
    command = [sys.executable, "-m", "crm_bridge_mock.emulator", "--data", str(tmp_path / "data")]
    command += ["--public-url", "http://127.0.0.1:9", "--secret-file", str(tmp_path / "secret")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "plain" not in done.stderr
