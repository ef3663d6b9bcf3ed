"""`setup`: the steps of a CRM, and its app copied with an installation's own addresses."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crm_bridge.cli import main
from crm_bridge.cli.crm_app import export_app
from crm_bridge.contract import InvalidConfig
from crm_bridge_mock.emulator.handle import MockHandle

CONFIG = """
public_url = "https://bridge.example.com"
database_url = "{url}"
data_dir = "{data}"
[security]
encryption_keys = [{{ env = "BRIDGE_KEY" }}]
[connections.support]
adapter = "mock"
base_url = "{crm}"
webhook_secrets = [{{ env = "SUPPORT_SECRET" }}]
"""

Setup = Callable[..., Result]
VALUES = {"public_url": "https://bridge.example.com", "path_token": "a-secret-token"}


@pytest.fixture
def setup(crm: MockHandle, tmp_path: Path, database_url: str) -> Setup:
    file = tmp_path / "bridge.toml"
    file.write_text(CONFIG.format(crm=crm.config["base_url"], url=database_url, data=tmp_path / "var"))

    def run(*arguments: str) -> Result:
        done = CliRunner().invoke(main, ["setup", *arguments, "--config", str(file)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


def test_every_step_says_how_it_stands(setup: Setup) -> None:
    done = setup("support", "--plan")
    assert done.exit_code == 0, done.output
    assert "there already: webhooks" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody",), "(support)"),
        (("support", "--export", "app"), "mock does not"),
        (("support", "--set", "a=b"), "together with --export"),
    ],
)
def test_wrong_usage_is_one_sentence(setup: Setup, arguments: tuple[str, ...], words: str) -> None:
    done = setup(*arguments)
    assert done.exit_code == 2
    assert words in done.output


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "crm_app"
    (folder / "flows").mkdir(parents=True)
    (folder / "node_modules/left").mkdir(parents=True)
    (folder / "node_modules/left/out.js").write_text("")
    (folder / "flows/told.xml").write_text("<url>{{ public_url }}/webhooks/{{ path_token }}</url>")
    (folder / "kept.html").write_text("<p>{{ not a place }} {label}</p>")
    (folder / "TEMPLATED.toml").write_text(
        '[values]\npath_token = "The secret of the path."\n[files]\n"flows/told.xml" = ["public_url", "path_token"]\n'
    )
    return folder


def test_an_export_fills_in_what_is_listed_for_its_owner_alone_and_copies_the_rest(app: Path, tmp_path: Path) -> None:
    done = export_app(app, tmp_path / "out", VALUES)
    told = tmp_path / "out/flows/told.xml"
    assert told.read_text() == "<url>https://bridge.example.com/webhooks/a-secret-token</url>"
    assert stat.S_IMODE(told.stat().st_mode) == 0o600
    assert (tmp_path / "out/kept.html").read_text() == "<p>{{ not a place }} {label}</p>"
    assert not (tmp_path / "out/node_modules").exists()
    assert (done.files, done.filled) == (2, ("flows/told.xml",))


def test_a_missing_value_is_asked_for_by_its_meaning_and_nothing_is_written(app: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="path_token=VALUE: The secret of the path"):
        export_app(app, tmp_path / "out", {"public_url": "https://bridge.example.com"})
    assert not (tmp_path / "out").exists()


def test_an_export_goes_over_nothing(app: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(InvalidConfig, match="new or empty"):
        export_app(app, tmp_path / "out", VALUES)


@pytest.mark.parametrize("value", ["a<b", 'a"b', "a&b", "a\nb"])
def test_a_value_that_would_be_markup_is_refused(app: Path, tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidConfig, match="without markup"):
        export_app(app, tmp_path / "out", {**VALUES, "path_token": value})
    assert not (tmp_path / "out").exists()
