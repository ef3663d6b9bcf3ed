"""Which CRM a demo plays: any adapter with an emulator, configured as it says, and a sentence for the rest."""

from __future__ import annotations

import stat
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from installation import free_port

from crm_bridge.cli import demo_crm, main
from crm_bridge.cli.demo_crm import DemoCrm, as_lines, check_same
from crm_bridge.contract import InvalidConfig
from crm_bridge.registry import load_adapter
from crm_bridge_mock.emulator import MockCrm

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.recursive(
    TEXTS | st.booleans() | st.integers(-(2**60), 2**60),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def played(folder: Path, name: str = "mock", faults: Path | None = None) -> DemoCrm:
    return DemoCrm(name=name, port=free_port(), data_dir=folder, public_url="http://127.0.0.1:9", faults=faults)


@pytest.mark.parametrize(
    ("adapters", "emulators", "words"),
    [
        (("mock", "acme"), ("mock",), "acme does not have; those that do: mock"),
        (("mock",), ("acme", "mock"), "none of that name is installed; try: acme, mock"),
        (("mock",), ("mock",), "expected one of: mock"),
        ((), (), "expected one of: none"),
    ],
)
def test_what_cannot_be_played_is_a_sentence_and_exit_code_2(
    adapters: tuple[str, ...], emulators: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo_crm, "adapter_names", lambda: adapters)
    monkeypatch.setattr(demo_crm, "emulator_names", lambda: emulators)
    done = CliRunner().invoke(main, ["demo", "--crm", "acme", "--data-dir", str(tmp_path / "var"), "--no-open"])
    assert (done.exit_code, words in done.output) == (2, True), done.output
    assert not (tmp_path / "var").exists()


def test_a_connection_is_configured_as_its_emulator_says_and_its_secrets_are_kept_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo_crm, "EMBEDDED", "another")
    crm = played(tmp_path)
    text = as_lines(crm.table())
    (secret,) = [one["file"] for one in tomllib.loads(text)["webhook_secrets"]]
    assert Path(secret).read_text().strip() == crm.secret_file.read_text().strip()
    assert Path(secret).read_text() not in text
    assert stat.S_IMODE(Path(secret).stat().st_mode) == 0o600
    running = MockCrm(secrets=[crm.secret_file.read_text().strip()], data_dir=tmp_path / "crm", port=crm.port)
    running.start(webhooks=False)
    try:
        adapter = load_adapter("mock", tomllib.loads(text))
        assert {line.status for line in adapter.diagnose()} == {"ok"}
        adapter.close()
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit('no room left')", "no room left"),
        ("print('[]')", "[]"),
        ("print('{\"port\": 1}')", "port"),
    ],
)
def test_an_emulator_that_does_not_say_its_configuration_is_named(
    program: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo_crm, "EMBEDDED", "another")
    monkeypatch.setattr(demo_crm, "emulator_command", lambda _name: (sys.executable, "-c", program))
    with pytest.raises(InvalidConfig, match="crm-bridge emulate mock") as raised:
        played(tmp_path).table()
    assert words in str(raised.value)


@pytest.mark.parametrize(("name", "path"), [("mock", "/desk/"), ("salesforce", "/desk/")])
def test_the_page_that_is_opened_is_the_emulators_own(name: str, path: str, tmp_path: Path) -> None:
    crm = played(tmp_path, name)
    assert (crm.has_desk, crm.page) == (True, f"{crm.base_url}{path}")


def test_an_emulator_without_a_page_is_shown_by_its_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo_crm, "emulator_page", lambda _name: "")
    crm = played(tmp_path)
    assert (crm.has_desk, crm.page) == (False, crm.base_url)


def test_two_crms_are_not_mixed_in_one_directory(tmp_path: Path) -> None:
    kept = tmp_path / "demo.toml"
    check_same("acme", kept)
    kept.write_text('[connections.demo]\nadapter = "mock"\n')
    check_same("mock", kept)
    with pytest.raises(InvalidConfig, match="holds a demo of mock"):
        check_same("acme", kept)
    kept.write_text("half a fi")
    check_same("acme", kept)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(TEXTS, PLAIN, max_size=4))
def test_any_table_is_written_as_toml_that_says_the_same(table: dict[str, object]) -> None:
    assert tomllib.loads(as_lines(table)) == table
