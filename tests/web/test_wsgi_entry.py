"""`wsgi.py` under a server that is not ours: the standard library's, which hides the raw request target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import requests

from crm_bridge.kit.signing import new_secret, sign_webhook
from crm_bridge.store.encryption import new_key

ROOT = Path(__file__).parents[2]
SERVER = """
import sys
from wsgiref.simple_server import make_server
sys.path.insert(0, sys.argv[1])
from wsgi import app
server = make_server("127.0.0.1", 0, app)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def secret() -> str:
    return new_secret()


@pytest.fixture
def base_url(tmp_path: Path, database_url: str, secret: str) -> Iterator[str]:
    (tmp_path / "key").write_text(new_key())
    (tmp_path / "bridge.toml").write_text(
        f"""
public_url = "http://bridge.example.com"
database_url = "{database_url}"
data_dir = "{tmp_path / "var"}"
[security]
encryption_keys = [{{ file = "{tmp_path / "key"}" }}]
[connections.support]
adapter = "mock"
base_url = "http://127.0.0.1:9"
webhook_secrets = [{{ env = "SUPPORT_SECRET" }}]
"""
    )
    environment = {**os.environ, "CRM_BRIDGE_CONFIG": str(tmp_path / "bridge.toml"), "SUPPORT_SECRET": secret}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(ROOT)], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


def test_another_wsgi_server_takes_webhooks_too(base_url: str, secret: str, database_url: str) -> None:
    body = json.dumps(
        [{"id": "evt_1", "type": "case.created", "occurred_at": datetime.now(UTC).isoformat(), "case": "case_1"}]
    ).encode()
    headers = sign_webhook(secret, message_id="msg_1", at=datetime.now(UTC), body=body)
    answer = requests.post(
        f"{base_url}/webhooks/support", data=body, headers={**headers, "Content-Type": "application/json"}, timeout=10
    )
    assert answer.status_code == 200, answer.text
    assert requests.get(f"{base_url}/readyz", timeout=10).status_code == 200
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select count(*) from events").fetchone() == (1,)
