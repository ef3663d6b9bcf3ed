"""The commands' exit codes and words: 0 fine, 1 something wrong, 2 wrong usage or config; never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from crm_bridge.cli import main
from crm_bridge.contract import Capabilities
from crm_bridge.kit.quality import QUALITY_RULES
from crm_bridge.store.database import connect
from crm_bridge.store.encryption import new_key

CONFIG = """
public_url = "https://bridge.example.com"
database_url = "{url}"
data_dir = "{data}"
[security]
encryption_keys = [{{ file = "{key}" }}]
[connections.support]
adapter = "mock"
base_url = "http://127.0.0.1:9"
webhook_secrets = [{{ env = "SUPPORT_SECRET" }}]
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a configuration file that uses the test's own database."""
    monkeypatch.setenv("SUPPORT_SECRET", "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0")
    (tmp_path / "bridge.key").write_text(new_key())
    config = tmp_path / "bridge.toml"
    config.write_text(CONFIG.format(url=database_url, data=tmp_path / "var", key=tmp_path / "bridge.key"))

    def invoke(*arguments: str, file: Path = config) -> Result:
        done = CliRunner().invoke(main, [*arguments, "--config", str(file)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return invoke


def test_check_says_that_everything_balances(run: Run) -> None:
    done = run("check", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "config": "valid",
        "balances": True,
        "connections": [
            {
                "connection": "support",
                "received": 0,
                "done": 0,
                "pending": 0,
                "ignored": {},
                "dead": {},
                "stranded": 0,
                "balances": True,
            }
        ],
    }


def test_check_finds_an_event_that_nothing_will_wake(run: Run, database_url: str) -> None:
    assert run("check").exit_code == 0
    engine = connect(database_url, pool_size=1)
    with engine.begin() as connection:
        item = connection.execute(
            sa.text(
                "insert into work_items (connection, ref_kind, ref_id) values ('support', 'case', '1') returning id"
            )
        ).scalar_one()
        connection.execute(
            sa.text("insert into events (connection, kind, item_id) values ('support', 'case_created', :item)"),
            {"item": item},
        )
    engine.dispose()
    done = run("check")
    assert done.exit_code == 1
    assert "1 pending that nothing will wake" in done.output


def test_a_wrong_key_stops_the_start_with_its_path_and_what_was_expected(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text((tmp_path / "bridge.toml").read_text() + "debounce_seconds = 3\n")
    done = run("check", file=wrong)
    assert done.exit_code == 2
    assert "connections.support.debounce_seconds" in done.output
    assert "wrong.toml" in done.output


def test_a_mistyped_key_of_the_assistant_has_its_path_its_place_and_what_was_meant(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text((tmp_path / "bridge.toml").read_text() + '[assistant]\nkind = "http"\nbase_ulr = "http://x"\n')
    done = run("check", file=wrong)
    assert done.exit_code == 2
    assert "assistant.base_ulr" in done.output
    assert "wrong.toml:13" in done.output
    assert "did you mean base_url?" in done.output
    assert "expected one of base_url, kind, secret, timeout_s" in done.output


@pytest.mark.parametrize(("key", "meant"), [("undo_seconds", "undo_s"), ("bas_url", "base_url")])
def test_a_mistyped_key_of_a_connection_may_mean_the_bridges_or_the_adapters(
    run: Run, tmp_path: Path, key: str, meant: str
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text((tmp_path / "bridge.toml").read_text() + f"{key} = 3\n")
    done = run("check", file=wrong)
    assert f"connections.support.{key}" in done.output
    assert f"did you mean {meant}?" in done.output


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_without_a_file_a_command_says_that_the_demos_defaults_apply(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRM_BRIDGE__DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    done = CliRunner().invoke(main, [command])
    assert "No configuration file was found (CRM_BRIDGE_CONFIG, config/crm-bridge.toml)" in done.stderr
    monkeypatch.setenv("CRM_BRIDGE_CONFIG", "elsewhere.toml")
    (tmp_path / "elsewhere.toml").write_text(
        'public_url = "https://bridge.example.com"\n[connections]\n'
        '[security]\nencryption_keys = [{ env = "BRIDGE_KEY" }]\n'
    )
    monkeypatch.setenv("BRIDGE_KEY", new_key())
    assert "The configuration is elsewhere.toml." in CliRunner().invoke(main, [command]).stderr


def test_a_missing_secret_names_its_variable_and_never_a_value(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPPORT_SECRET")
    done = run("check")
    assert done.exit_code == 2
    assert "SUPPORT_SECRET" in done.output


def test_a_key_that_stored_rows_need_and_is_missing_stops_the_start(run: Run, tmp_path: Path) -> None:
    assert run("check").exit_code == 0
    (tmp_path / "bridge.key").write_text(new_key())
    done = run("check")
    assert done.exit_code == 2
    assert "security.encryption_keys" in done.output
    assert "missing" in done.output


def test_the_address_of_the_embedded_crm_may_change_because_it_has_no_org_id(run: Run, tmp_path: Path) -> None:
    assert run("check").exit_code == 0
    other = tmp_path / "other.toml"
    other.write_text((tmp_path / "bridge.toml").read_text().replace("127.0.0.1:9", "127.0.0.1:10"))
    done = run("check", file=other)
    assert done.exit_code == 0, done.output


def test_a_database_that_cannot_be_reached_is_one_sentence(run: Run, tmp_path: Path, database_url: str) -> None:
    gone = tmp_path / "gone.toml"
    gone.write_text((tmp_path / "bridge.toml").read_text().replace(database_url, "postgresql://nobody@127.0.0.1:1/x"))
    done = run("check", file=gone)
    assert done.exit_code == 1
    assert done.output.count("database_url") == 1
    assert "Error" not in done.output.removeprefix("Error: ")
    assert run("db", "status", file=gone).output == done.output


def test_db_status_says_when_migrations_are_missing_and_upgrade_brings_them(
    run: Run, tmp_path: Path, database_url: str
) -> None:
    assert "up to date" in run("db", "status").output
    engine = connect(database_url, pool_size=1)
    with engine.begin() as connection:
        connection.execute(sa.text("drop schema public cascade"))
        connection.execute(sa.text("create schema public"))
    engine.dispose()
    behind = run("db", "status")
    assert behind.exit_code == 1
    assert "crm-bridge db upgrade" in behind.output
    stopped = run("check")
    assert stopped.exit_code == 1
    assert "crm-bridge db upgrade" in stopped.output
    assert run("db", "upgrade").exit_code == 0
    assert run("check").exit_code == 0


def test_adapters_lists_what_each_profile_declares() -> None:
    done = CliRunner().invoke(main, ["adapters", "--json"])
    assert done.exit_code == 0
    mock = next(item for item in json.loads(done.stdout)["adapters"] if item["name"] == "mock")
    native = next(item for item in mock["variants"] if item["variant"] == "native")
    assert native["delivery_auth"] == {"kind": "signed", "covers": ["body", "time"]}
    assert native["sends"] == "bridge"


def test_adapters_says_of_each_capability_how_far_it_is_proven(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    mock = json.loads(CliRunner().invoke(main, ["adapters", "mock", "--json"]).stdout)["adapters"][0]
    notes = next(item for item in mock["variants"] if item["variant"] == "notes")
    found = {one["capability"]: one for one in notes["capabilities"]}
    assert set(found) == {"always", *Capabilities.__dataclass_fields__}
    assert found["sends"]["state"] == found["panel"]["state"] == "absent"
    assert found["targets"]["declared"] == "note, nobody decides"
    assert notes["calls"]["operations"]["read_case"] == {"measured": 1, "budget": 1}
    assert {one["rule"] for one in mock["quality"]} == {rule.name for rule in QUALITY_RULES}
    said = CliRunner().invoke(main, ["adapters", "mock"]).output
    assert "CRM calls per case: 3 of at most 3" in said
    assert not list(tmp_path.iterdir()), "asking makes nothing"


def test_adapters_with_a_configuration_nobody_named_that_is_wrong_still_says_what_is_shipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wrong.toml").write_text("debounce = 3")
    monkeypatch.setenv("CRM_BRIDGE_CONFIG", str(tmp_path / "wrong.toml"))
    done = CliRunner().invoke(main, ["adapters", "mock", "--json"])
    assert done.exit_code == 0
    assert "live proofs are not shown" in done.stderr
    named = CliRunner().invoke(main, ["adapters", "--config", str(tmp_path / "wrong.toml")])
    assert named.exit_code == 2


def test_adapters_refuses_a_name_nobody_installed() -> None:
    done = CliRunner().invoke(main, ["adapters", "salesfroce"])
    assert done.exit_code == 2
    assert "mock" in done.output


def test_every_command_is_summed_up_in_a_sentence_that_is_not_cut_off() -> None:
    done = CliRunner().invoke(main, ["--help"])
    assert "..." not in done.output.partition("Commands:")[2]


def test_help_lists_only_what_is_built() -> None:
    done = CliRunner().invoke(main, ["--help"])
    for absent in ("explain", "replay", "pause"):
        assert absent not in done.output


def test_an_unknown_command_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["frobnicate"]).exit_code == 2
