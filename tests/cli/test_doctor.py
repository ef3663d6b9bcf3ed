"""`doctor` against an embedded CRM over real HTTP: what is fine, what is wrong and what to do, who may not write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crm_bridge.cli import main
from crm_bridge.kit.emulation import FaultRule
from crm_bridge.kit.signing import new_secret
from crm_bridge.store.encryption import new_key
from crm_bridge_mock.emulator.handle import MockHandle

CONFIG = """
public_url = "{public_url}"
database_url = "{url}"
data_dir = "{data}"
[security]
encryption_keys = [{{ env = "BRIDGE_KEY" }}]
[connections.support]
adapter = "mock"
base_url = "{crm}"
profile = "{profile}"
webhook_secrets = [{{ env = "SUPPORT_SECRET" }}]
"""

Doctor = Callable[..., Result]


@pytest.fixture
def crm() -> Iterator[MockHandle]:
    handle = MockHandle(secrets=(new_secret(),), connection="support")
    handle.start()
    yield handle
    handle.stop()


@pytest.fixture
def doctor(crm: MockHandle, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    monkeypatch.setenv("SUPPORT_SECRET", crm.secrets[0])
    monkeypatch.setenv("BRIDGE_KEY", new_key())

    def run(
        *arguments: str, public_url: str = "https://bridge.example.com", profile: str = "native", crm_url: str = ""
    ) -> Result:
        file = tmp_path / "bridge.toml"
        told = {"public_url": public_url, "url": database_url, "data": tmp_path / "var", "profile": profile}
        file.write_text(CONFIG.format(crm=crm_url or crm.config["base_url"], **told))
        done = CliRunner().invoke(main, ["doctor", *arguments, "--config", str(file)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


def checks(done: Result) -> dict[str, str]:
    return {f"{line['connection']}.{line['check']}": line["status"] for line in json.loads(done.stdout)["checks"]}


def test_everything_fine_is_exit_code_0_and_changes_nothing(doctor: Doctor, crm: MockHandle) -> None:
    done = doctor("support", "--json")
    assert done.exit_code == 0, done.output
    assert checks(done) == {
        "bridge.public_url": "ok",
        "bridge.clock": "ok",
        "support.reachable": "ok",
        "support.profile": "ok",
        "support.may_write": "ok",
    }
    assert set(crm.calls) == {"health"}


def test_what_is_wrong_is_said_in_words_with_what_to_do(doctor: Doctor) -> None:
    done = doctor(public_url="http://bridge.example.com", profile="notes")
    assert done.exit_code == 1
    for words in ("not encrypted", "Put a proxy with TLS", "configured is 'notes'", "Set the connection's profile"):
        assert words in done.output
    assert "2 wrong" in done.output


def test_a_crm_that_does_not_answer_is_a_finding_and_no_traceback(doctor: Doctor, crm: MockHandle) -> None:
    crm.faults.add(FaultRule(operation="health", status=503, times=None))
    done = doctor("--json")
    assert done.exit_code == 1
    (line,) = [line for line in json.loads(done.stdout)["checks"] if line["connection"] == "support"]
    assert (line["check"], line["status"]) == ("reachable", "failed")
    assert "Try again later" in line["action"]


def test_credentials_that_can_write_do_not_pass_for_read_only(doctor: Doctor) -> None:
    done = doctor("--read-only", "--json")
    assert done.exit_code == 1
    assert checks(done)["support.read_only"] == "failed"


def test_a_public_url_of_this_machine_is_something_to_know_about(doctor: Doctor) -> None:
    done = doctor("--json", public_url="http://127.0.0.1:8000")
    assert done.exit_code == 0
    assert checks(done)["bridge.public_url"] == "warning"


def test_a_connection_nobody_configured_is_wrong_usage(doctor: Doctor) -> None:
    done = doctor("nobody")
    assert done.exit_code == 2
    assert "(support)" in done.output
