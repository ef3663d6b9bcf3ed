"""`prove` end to end: the command against an embedded CRM over real HTTP, as against any sandbox."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crm_bridge.cli import main
from crm_bridge.contract import CaseContext, CaseRef, Draft
from crm_bridge.kit.emulation import FaultRule, over_http
from crm_bridge.kit.proof import read_proofs
from crm_bridge.kit.signing import new_secret
from crm_bridge.registry import load_adapter
from crm_bridge.store.encryption import new_key
from crm_bridge.testing.samples import read_samples
from crm_bridge_mock.emulator.handle import MockHandle

CONFIG = """
public_url = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
database_url = "{url}"
data_dir = "{data}"
[security]
encryption_keys = [{{ env = "BRIDGE_KEY" }}]
[connections.support]
adapter = "mock"
environment = "{environment}"
base_url = "{crm}"
profile = "{profile}"
webhook_secrets = [{{ env = "SUPPORT_SECRET" }}]
"""
CUSTOMER = "ann.customer@example.org"
QUESTION = "I cannot sign in, what shall I do? Call +1 202 555 0143."

Prove = Callable[..., Result]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def crm(request: pytest.FixtureRequest) -> Iterator[MockHandle]:
    """A sandbox whose webhooks go over HTTP to where the bridge would listen."""
    handle = MockHandle(
        profile=getattr(request, "param", "native"),
        secrets=(new_secret(),),
        bridge_url=f"http://127.0.0.1:{free_port()}",
        connection="support",
    )
    handle.start()
    yield handle
    handle.stop()


@pytest.fixture
def prove(crm: MockHandle, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Prove:
    monkeypatch.setenv("SUPPORT_SECRET", crm.secrets[0])
    monkeypatch.setenv("BRIDGE_KEY", new_key())

    def run(*arguments: str, environment: str = "sandbox") -> Result:
        config = tmp_path / "bridge.toml"
        config.write_text(
            CONFIG.format(
                port=crm.bridge_url.rpartition(":")[2],
                url=database_url,
                data=tmp_path / "var",
                environment=environment,
                crm=crm.base_url,
                profile=crm.profile.name,
            )
        )
        done = CliRunner().invoke(main, ["prove", "support", "--config", str(config), *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


def lines(done: Result, outcome: str) -> list[str]:
    return [line for line in done.output.splitlines() if line.startswith(f"{outcome} ")]


def states(tmp_path: Path, variant: str) -> dict[str, str]:
    """What `adapters` says afterwards, by capability."""
    arguments = ["adapters", "mock", "--json", "--config", str(tmp_path / "bridge.toml")]
    document = json.loads(CliRunner().invoke(main, arguments).stdout)
    found = next(one for one in document["adapters"][0]["variants"] if one["variant"] == variant)
    return {one["capability"]: one["state"] for one in found["capabilities"]}


def test_it_proves_a_sandbox_and_leaves_no_draft_and_no_reply(prove: Prove, crm: MockHandle, tmp_path: Path) -> None:
    case = crm.open_case("Sign-in", "I cannot sign in.", customer=CUSTOMER)
    crm.publish("reset", "Resetting", "Press the button.")
    crm.agent_writes(case, "Looking into it.", agent="Ana Agent")
    before = crm.thread(case)
    done = prove("--case", case.id, "--yes")
    assert done.exit_code == 0, done.output
    assert not lines(done, "failed")
    assert len(lines(done, "passed")) >= 14, done.output
    assert "sends nothing" in done.output
    assert crm.standing(case) == ()
    assert crm.thread(case) == before
    found = states(tmp_path, "native")
    assert found["targets"] == found["knowledge"] == found["always"] == "proven_live"
    assert "proven_live" not in (found["sends"], found["send_marker"], found["panel"], found["reconcile"])


def test_it_waits_for_a_case_takes_webhooks_sends_when_asked_and_records(
    prove: Prove, crm: MockHandle, tmp_path: Path
) -> None:
    prove("--help")  # writes the configuration
    crm.connect(over_http)
    crm.release()
    crm.start_sending()
    arguments = ("--listen", "--send-to-case", "--yes", "--record", "--into", str(tmp_path / "samples"))
    command = [sys.executable, "-m", "crm_bridge.cli", "prove", "support", "--config", str(tmp_path / "bridge.toml")]
    running = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert running.stdout is not None
        said = []
        for line in running.stdout:
            said.append(line)
            if "the subject: " in line:
                break
        case = crm.open_case(f"Test: {line.partition('the subject: ')[2].strip()}", QUESTION, customer=CUSTOMER)
        crm.agent_writes(case, "Looking into it.", agent="Ana Agent")
        said += running.stdout
        assert running.wait(60) == 0, said
    finally:
        running.kill()
        running.wait(10)
    assert not [line for line in said if line.startswith("failed")]
    assert any("SENDS a reply" in line for line in said)
    assert [one.author.kind for one in crm.thread(case)] == ["customer", "agent", "bridge"]
    assert crm.standing(case) == ()
    assert crm.outbox.pending, "what was not stored was not acknowledged, so the CRM tells it again"
    proven = {name for name, state in states(tmp_path, "native").items() if state == "proven_live"}
    assert proven == {"always", "delivery_auth", "targets", "sends", "send_marker", "reconcile"}
    nobody_is_in(tmp_path / "samples", crm.secrets[0])
    told = list(read_samples(tmp_path / "samples" / "deliveries"))
    adapter = load_adapter("mock", crm.config, crm.bridge_url)
    for sample in told:
        assert adapter.parse(adapter.verify(sample.signed(crm.signer))), "a recorded sample is a sample"
    adapter.close()


def nobody_is_in(folder: Path, secret: str) -> None:
    """No person, no word anybody wrote, no secret; but the form is there."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    text = "\n".join(path.read_text("utf-8") for path in files)
    for private in (CUSTOMER, "Ann", "Ana Agent", "sign in", "202 555", "A-7", secret, "webhook-signature"):
        assert private not in text, private
    answers = [json.loads(path.read_text() or "null") for path in folder.glob("answers/*/body")]
    assert any(isinstance(one, dict) and "messages" in one for one in answers)
    assert {path.parent.parent.name for path in files} == {"answers", "deliveries"}


@pytest.mark.parametrize("crm", ["notes"], indirect=True)
def test_what_cannot_be_withdrawn_is_said_before_and_after(prove: Prove, crm: MockHandle, tmp_path: Path) -> None:
    case = crm.open_case("Sign-in", QUESTION, customer=CUSTOMER)
    done = prove("--case", case.id, "--yes")
    assert done.exit_code == 0, done.output
    assert "STAYS there" in done.output
    assert "stays on the case" in done.output
    assert len(crm.standing(case)) == 1
    assert states(tmp_path, "notes")["targets"] == "proven_live"


def test_a_rule_that_does_not_hold_is_exit_code_1_and_leaves_nothing(
    prove: Prove, crm: MockHandle, tmp_path: Path
) -> None:
    case = crm.open_case("Sign-in", QUESTION, customer=CUSTOMER)
    crm.faults.add(
        FaultRule(operation="read_draft", status=200, body='{"unexpected": true}', content_type="application/json")
    )
    done = prove("--case", case.id, "--yes")
    assert done.exit_code == 1
    (failed,) = lines(done, "failed")
    assert "read back" in failed
    assert "Traceback" not in done.output
    assert crm.standing(case) == ()
    assert states(tmp_path, "native")["targets"] != "proven_live", "the live proof of it is not whole"


def test_a_draft_that_stands_there_is_left_alone(prove: Prove, crm: MockHandle) -> None:
    case = crm.open_case("Sign-in", QUESTION, customer=CUSTOMER)
    prove("--case", case.id, "--yes")
    with_draft(crm, case)
    before = crm.standing(case)
    done = prove("--case", case.id, "--yes")
    assert "stands on the case already" in done.output
    assert crm.standing(case) == before


def with_draft(crm: MockHandle, case: CaseRef) -> None:
    """Another program's draft on the case."""
    adapter = load_adapter("mock", crm.config)
    context = adapter.read_case(case)
    assert isinstance(context, CaseContext)
    assert context.addressing is not None
    public = tuple(message.id for message in context.public_messages)
    draft = Draft(
        id="d-1", revision=1, answers=public[-1], made_from=public, text="Hello", language="en",
        addressing=context.addressing,
    )  # fmt: skip
    adapter.write_draft(case, draft, "theirs", None)
    adapter.close()


def test_a_production_connection_is_refused_before_anything_is_called(prove: Prove, crm: MockHandle) -> None:
    case = crm.open_case("Sign-in", QUESTION)
    done = prove("--case", case.id, "--yes", environment="production")
    assert done.exit_code == 2
    assert "connections.support.environment" in done.output
    assert "production" in done.output
    assert not sum(crm.calls.values())


def test_without_agreement_nothing_is_touched(prove: Prove, crm: MockHandle) -> None:
    done = prove("--case", crm.open_case("Sign-in", QUESTION).id)
    assert done.exit_code == 2
    assert "--yes" in done.output
    assert "writes a test draft" in done.output
    assert not sum(crm.calls.values())


def test_without_its_extra_one_sentence_names_it(prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("crm_bridge.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    done = prove("--yes")
    assert done.exit_code == 2
    assert "crm-bridge[testing]" in done.output


def test_where_the_bridge_listens_already_nothing_is_begun(prove: Prove, crm: MockHandle) -> None:
    with socket.create_server(("127.0.0.1", int(crm.bridge_url.rpartition(":")[2]))):
        done = prove("--case", crm.open_case("Sign-in", QUESTION).id, "--listen", "--yes")
    assert done.exit_code == 2
    assert "stop the bridge" in done.output
    assert not sum(crm.calls.values())


def test_a_connection_nobody_configured_is_wrong_usage(prove: Prove, tmp_path: Path) -> None:
    prove("--help")
    done = CliRunner().invoke(main, ["prove", "elsewhere", "--config", str(tmp_path / "bridge.toml"), "--yes"])
    assert done.exit_code == 2
    assert "support" in done.output


def test_what_was_proven_of_other_code_is_no_proof(prove: Prove, crm: MockHandle, tmp_path: Path) -> None:
    prove("--case", crm.open_case("Sign-in", QUESTION, customer=CUSTOMER).id, "--yes")
    file = tmp_path / "var" / "proofs" / "support.json"
    assert read_proofs(file)["native"].at is not None
    assert states(tmp_path, "native")["targets"] == "proven_live"
    document = json.loads(file.read_text())
    document["variants"]["native"]["code"] = "0" * 16
    file.write_text(json.dumps(document))
    assert states(tmp_path, "native")["targets"] != "proven_live"
