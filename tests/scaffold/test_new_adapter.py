"""A generated package installs, is found, and says what is left; the tutorial makes a whole adapter of one."""

from __future__ import annotations

import json
import os
import re
import signal
import site
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from installation import Place, free_port, until
from tutorial import NOT_YET, Step, off, spliced, steps_of

from crm_bridge.cli import main

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/write-an-adapter.md"
A_FEW = 8
PATIENCE_S = 120.0


def new_adapter(*arguments: str) -> Result:
    done = CliRunner().invoke(main, ["new-adapter", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """An environment of its own that sees ours, with the packages made in `folder` installed."""

    folder: Path

    def python(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "PIP_"))}
        # Plugins of ours that a new author does not have, and that take longer to import than the tests to run.
        environment = {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200", "PIP_NO_INDEX": "1"}
        return subprocess.run(
            [str(self.folder / "venv/bin/python"), *arguments], cwd=cwd or self.folder, env=environment,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    @property
    def command(self) -> list[str]:
        """The bridge's own."""
        return [str(self.folder / "venv/bin/python"), "-m", "crm_bridge.cli"]

    def pytest(self, package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        common = ("-q", "--tb=short", "-p", "no:cacheprovider")
        return self.python("-m", "pytest", *common, *arguments, cwd=self.folder / package)

    def variant(self, name: str) -> dict[str, Any]:
        """The one variant of an adapter, as the bridge lists it."""
        done = self.python("-m", "crm_bridge.cli", "adapters", name, "--json")
        assert done.returncode == 0, done.stderr
        (adapter,) = json.loads(done.stdout)["adapters"]
        (variant,) = adapter["variants"]
        return dict(variant)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """`acme` and `tickets`, generated and installed as their author installs them, without a network."""
    folder = tmp_path_factory.mktemp("workshop")
    place = folder / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    (packages,) = place.glob("lib/python*/site-packages")
    ours = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / "ours.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours))
    for name in ("acme", "tickets"):
        assert new_adapter(name, "--into", str(folder / name)).exit_code == 0
    made = Workshop(folder=folder)
    done = made.python("-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", "acme", "-e", "tickets")
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.install
def test_a_generated_adapter_is_found_verifies_and_parses_and_says_what_is_left(workshop: Workshop) -> None:
    done = workshop.pytest("acme", "-rx")
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"the contract: of \d+ rules \d+ hold, \d+ left, \d+ not promised", done.stdout)
    assert re.search(r"left to write: resolve \d+, read_case \d+, .*send_reply \d+", done.stdout)
    waiting = set(re.findall(r"XFAIL \S+::(test_\w+)", done.stdout))
    assert "XFAIL tests/test_contract.py::TestAcme::test_a_case_is_read_whole - read_case: subject" in done.stdout
    assert not [rule for rule in waiting if re.search("verif|pars|signed|refused_and|hint|sample|panel|secrets", rule)]
    assert workshop.variant("acme")["delivery_auth"]["kind"] == "signed"


@pytest.mark.install
def test_a_rule_that_begins_to_hold_has_to_be_taken_off_the_list(workshop: Workshop, tmp_path: Path) -> None:
    listed = (workshop.folder / "acme" / NOT_YET).read_text()
    (tmp_path / "not_yet.py").write_text(listed.replace("{\n", '{\n    "test_secrets_rotate": "verify: a list",\n', 1))
    test = (workshop.folder / "acme/tests/test_contract.py").read_text()
    (tmp_path / "test_contract.py").write_text(test)
    done = workshop.pytest("acme", "-c", "pyproject.toml", str(tmp_path), "-k", "test_secrets_rotate")
    assert done.returncode == 1
    assert "it holds, take it off not_yet: test_secrets_rotate" in done.stdout


@pytest.mark.install
def test_the_tutorial_makes_an_adapter_that_holds_all_it_promises(workshop: Workshop) -> None:
    package = workshop.folder / "tickets"
    done_until_now: list[str] = []
    steps = list(steps_of(PAGE.read_text("utf-8")))
    for step in steps:
        if step.kind == "off":
            done_until_now += off(package, step.about.split())
        else:
            step.do(package)
        if step.about == "changed_since":
            halfway = workshop.pytest("tickets", "-k", " or ".join((*done_until_now[:A_FEW], *done_until_now[-A_FEW:])))
            assert halfway.returncode == 0, halfway.stdout[-3000:]
            assert "xfailed" not in halfway.stdout
    assert (package / NOT_YET).read_text().count('"test_') == 0
    done = workshop.pytest("tickets", "-p", "crm_bridge.testing.recording", "--record-proof")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "xfailed" not in done.stdout
    assert re.search(r"the contract: of \d+ rules \d+ hold, \d+ not promised", done.stdout)
    standings = {one["capability"]: one["state"] for one in workshop.variant("tickets")["capabilities"]}
    absent = {"send_marker", "knowledge", "deletions"}
    assert {name for name, state in standings.items() if state == "absent"} == absent
    assert {state for name, state in standings.items() if name not in absent} == {"proven_on_emulator"}, standings


@pytest.mark.kit
def test_the_demo_plays_an_adapter_that_was_just_made(workshop: Workshop) -> None:
    """With its emulated CRM and its example case, of which the bridge hears."""
    place, port = Place(), free_port()
    said, log = place.root / "said", place.data_dir / "demo.log"
    command = [*workshop.command, "demo", "--crm", "acme", "--no-open", "--data-dir", str(place.data_dir)]
    running = place.start([*command, "--port", str(port), "--desk-port", str(free_port())], said, {})
    try:
        until(lambda: "Ctrl-C stops" in said.read_text(), "everything answers", within_s=PATIENCE_S)
        assert "The emulated CRM acme answers at http://127.0.0.1:" in said.read_text()
        until(lambda: '"/webhooks/<connection>"' in log.read_text(), "the example case is told", within_s=PATIENCE_S)
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE_S) == 0
        assert said.read_text().endswith("Stopping …\nStopped; nothing is left running.\n")
    finally:
        running.kill()
        running.wait(PATIENCE_S)
        place.remove()


def test_the_emulator_of_the_tutorial_is_small() -> None:
    (emulator,) = [step for step in steps_of(PAGE.read_text("utf-8")) if step.about.endswith("emulator/__init__.py")]
    assert len(emulator.text.splitlines()) <= 150


@pytest.mark.parametrize("name", ["acme", "a", "a-ticket-desk-of-forty-two-ab"])
def test_what_is_generated_is_lint_free_and_formatted(name: str, tmp_path: Path) -> None:
    assert new_adapter(name, "--into", str(tmp_path)).exit_code == 0
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."], cwd=tmp_path, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


def test_what_is_generated_is_typed(tmp_path: Path) -> None:
    """Against the contract and the kit as they are installed; those are checked elsewhere."""
    assert new_adapter("acme", "--into", str(tmp_path)).exit_code == 0
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--follow-imports=silent",
        "--cache-dir",
        str(ROOT / ".mypy_cache/scaffold"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


def test_it_says_what_it_made_and_what_to_type_next(tmp_path: Path) -> None:
    into = tmp_path / "new"
    done = new_adapter("acme-desk", "--into", str(into))
    assert done.exit_code == 0
    said = ("Made crm-bridge-acme-desk", "src/crm_bridge_acme_desk/adapter.py", "pip install -e '.[test]'", "pytest")
    assert all(words in done.output for words in said)
    assert "{{" not in "".join(file.read_text() for file in into.rglob("*") if file.is_file())
    assert (into / ".gitignore").is_file()


@pytest.mark.parametrize("name", ["Acme", "a_b", "9lives", "-a", "a--b", "a-", "", "a" * 31, "../up", "ä"])
def test_a_name_that_cannot_be_one_is_refused_in_words(name: str, tmp_path: Path) -> None:
    done = new_adapter("--into", str(tmp_path / "new"), "--", name)
    assert done.exit_code == 2
    assert "small letters, digits and single hyphens" in done.output
    assert not (tmp_path / "new").exists()


def test_a_name_that_is_installed_is_refused(tmp_path: Path) -> None:
    done = new_adapter("mock", "--into", str(tmp_path / "new"))
    assert done.exit_code == 2
    assert "installed already" in done.output


def test_nothing_is_written_where_something_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = new_adapter("acme", "--into", str(tmp_path))
    assert done.exit_code == 2
    assert "not empty" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "file").write_text("")
    assert new_adapter("acme", "--into", str(tmp_path / "file")).exit_code == 2


def test_a_folder_that_cannot_be_made_is_one_sentence() -> None:
    done = new_adapter("acme", "--into", "/proc/nowhere/acme")
    assert done.exit_code == 1
    assert "Traceback" not in done.output


def test_the_page_s_code_goes_over_what_is_there_and_leaves_the_rest() -> None:
    source = (
        "import a\n\nX = 1\n\n\nclass C:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"
    )
    block = "import b\n\nX = 2\ndef new(): ...\nclass C:\n    def f(self):\n        return 3\n\n    def h(self): ...\n"
    scope: dict[str, object] = {}
    text = spliced(source, block)
    exec(text.replace("import a\n", "").replace("import b\n", ""), scope)
    made = scope["C"]()  # type: ignore[operator]
    assert (scope["X"], made.f(), made.g(), hasattr(made, "h"), "new" in scope) == (2, 3, 2, True, True)
    assert text.startswith("import a\nimport b\n")


def test_every_step_of_the_page_is_taken() -> None:
    kinds = [step.kind for step in steps_of(PAGE.read_text("utf-8"))]
    page = PAGE.read_text("utf-8")
    assert kinds.count("file") + kinds.count("into") == len(
        re.findall(r"^```(?:python|json|text)$", page, re.MULTILINE)
    )
    assert Step(kind="remove", about="tests/samples/batch-two-cases") in list(steps_of(page))
