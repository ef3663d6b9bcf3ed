"""`doctor` against an embedded CRM over real HTTP: what is fine, what is wrong and what to do, who may not write."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from crm_bridge.cli import main
from crm_bridge.kit.emulation import FaultRule
from crm_bridge.kit.signing import new_secret, sign_webhook
from crm_bridge.store.database import connect
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
def doctor(crm: MockHandle, tmp_path: Path, database_url: str) -> Doctor:

    def run(
        *arguments: str,
        public_url: str = "https://bridge.example.com",
        profile: str = "native",
        crm_url: str = "",
        more: str = "",
    ) -> Result:
        file = tmp_path / "bridge.toml"
        told = {"public_url": public_url, "url": database_url, "data": tmp_path / "var", "profile": profile}
        file.write_text(CONFIG.format(crm=crm_url or crm.config["base_url"], **told) + more)
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
        "bridge.assistant": "ok",
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


# --- the assistant ----------------------------------------------------------------------------------------------

ASSISTANT = '[assistant]\nkind = "http"\nbase_url = "{url}"\nsecret = {{ env = "ASSISTANT_SECRET" }}\n'


@pytest.fixture
def asked(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[bytes]]:
    """A server of one's own that abstains, signed with a secret; what it was asked."""

    def start(secret: str) -> list[bytes]:
        seen: list[bytes] = []

        def answer(request: Request) -> Response:
            seen.append(request.get_data())
            body = b'{"version": 1, "context_id": "doctor", "abstain": {"reason": "unsure"}}'
            signed = sign_webhook(secret, message_id=request.headers["webhook-id"], at=datetime.now(UTC), body=body)
            return Response(body, 200, signed, content_type="application/json")

        httpserver.expect_request("/drafts", method="POST").respond_with_handler(answer)
        return seen

    monkeypatch.setenv("ASSISTANT_SECRET", KNOWN)
    return start


KNOWN = new_secret()


def test_an_assistant_that_answers_our_signed_test_question_is_fine(
    doctor: Doctor, asked: Callable[[str], list[bytes]], httpserver: HTTPServer
) -> None:
    seen = asked(KNOWN)
    done = doctor("--json", more=ASSISTANT.format(url=httpserver.url_for("").rstrip("/")))
    assert (done.exit_code, checks(done)["bridge.assistant"]) == (0, "ok"), done.output
    assert json.loads(seen[0])["subject"] == "Test of the connection"
    assert len(seen) == 1


def test_an_assistant_with_another_secret_is_wrong_and_said_in_lines_for_people(
    doctor: Doctor, asked: Callable[[str], list[bytes]], httpserver: HTTPServer
) -> None:
    asked(new_secret())
    done = doctor(more=ASSISTANT.format(url=httpserver.url_for("").rstrip("/")))
    assert done.exit_code == 1
    assert "does not take our credentials" in done.output
    assert "Compare the secret" in done.output


def test_an_assistant_that_is_not_there_is_wrong_and_no_log_line_stands_between(
    doctor: Doctor, asked: Callable[[str], list[bytes]]
) -> None:
    asked(KNOWN)
    done = doctor(more=ASSISTANT.format(url="http://127.0.0.1:9"))
    assert done.exit_code == 1
    assert "The assistant does not answer" in done.output
    assert "{" not in done.output


@pytest.mark.parametrize(
    ("status", "found"), [(200, "ok"), (401, "failed"), (404, "warning"), (503, "failed")], ids=str
)
def test_a_server_of_the_openai_kind_is_asked_for_its_models(
    doctor: Doctor, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, status: int, found: str
) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("ASSISTANT_SECRET", "sk-test")
    httpserver.expect_request("/v1/models", method="GET").respond_with_json({"data": []}, status=status)
    table = (
        '[assistant]\nkind = "openai"\nmodel = "small"\napi_key = {{ env = "ASSISTANT_SECRET" }}\nbase_url = "{url}"\n'
    )
    done = doctor("--json", more=table.format(url=httpserver.url_for("/v1")))
    assert checks(done)["bridge.assistant"] == found, done.output
    assert {request.path for request, _answer in httpserver.log} == {"/v1/models"}


def test_dead_events_are_something_to_know_about_with_the_next_command(doctor: Doctor, database_url: str) -> None:
    doctor("--json")
    engine = connect(database_url, pool_size=1)
    with engine.begin() as transaction:
        item = transaction.execute(
            sa.text(
                "insert into work_items (connection, ref_kind, ref_id) values ('support', 'case', 'c1') returning id"
            )
        ).scalar_one()
        transaction.execute(
            sa.text(
                "insert into events (connection, kind, item_id, handled_at, outcome, reason)"
                " values ('support', 'case_changed', :item, now(), 'dead', 'http_403')"
            ),
            {"item": item},
        )
    engine.dispose()
    done = doctor()
    assert done.exit_code == 0
    assert "1 events ended without their work done: 1 http_403" in done.output
    assert "crm-bridge check" in done.output
