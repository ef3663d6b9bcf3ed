"""The wheel as a stranger gets it: installed into an empty environment, far from the sources."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.install

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, so that both hold everything."""
    out = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)], cwd=out)
    found = list(out.glob("*.whl"))
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an empty environment with nothing but the wheel and what it depends on."""
    place = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(place, with_pip=True)
    run([str(place / "bin/python"), "-m", "pip", "install", "--quiet", f"{wheel}[embedded]"], cwd=place)
    return place / "bin"


def run(argv: list[str], *, cwd: Path, **more: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CRM_BRIDGE"))}
    done = subprocess.run(
        argv, cwd=cwd, env={**environment, **more}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_every_data_file_of_the_sources(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    for source in (ROOT / "src/crm_bridge", ROOT / "adapters/crm_bridge_mock"):
        files = [path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        missing = [path for path in files if path.relative_to(source.parent).as_posix() not in packed]
        assert not missing
    assert not [name for name in packed if name.startswith(("tests/", "docs/"))]


def test_the_installed_program_finds_its_adapters_with_the_sources_absent(installed: Path, tmp_path: Path) -> None:
    found = json.loads(run([str(installed / "crm-bridge"), "adapters", "--json"], cwd=tmp_path))
    mock = next(adapter for adapter in found["adapters"] if adapter["name"] == "mock")
    assert {variant["variant"] for variant in mock["variants"]} >= {"native", "notes", "agent-sends"}
    where = run([str(installed / "python"), "-c", "import crm_bridge_mock as m; print(m.__file__)"], cwd=tmp_path)
    assert str(ROOT) not in where


def test_the_installed_program_makes_a_new_adapter(installed: Path, tmp_path: Path) -> None:
    said = run([str(installed / "crm-bridge"), "new-adapter", "acme", "--into", "new"], cwd=tmp_path)
    assert "Made crm-bridge-acme in new" in said
    assert (tmp_path / "new/src/crm_bridge_acme/adapter.py").is_file()


def test_the_installed_program_migrates_a_database(installed: Path, tmp_path: Path, database_url: str) -> None:
    said = run([str(installed / "crm-bridge"), "db", "status"], cwd=tmp_path, CRM_BRIDGE__DATABASE_URL=database_url)
    assert "up to date" in said


def test_the_installed_embedded_crm_shows_its_desk_with_example_cases(installed: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0")
    process = subprocess.Popen(
        [
            *(str(installed / "python"), "-m", "crm_bridge_mock.emulator", "--data", str(tmp_path / "crm"), "--seed"),
            *("--public-url", "http://127.0.0.1:9", "--secret-file", str(secret), "--no-webhooks"),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/desk/", timeout=10).read().decode()
        assert "password" in page
        for asset in set(re.findall(r'(?:src|href)="(/desk/static/[^"?]+)', page)):
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}{asset}", timeout=10).status == 200
    finally:
        process.terminate()
        process.wait(timeout=20)
