"""`emulate` as a process: it says where it listens, takes faults from a file, and refuses wrong usage in words."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crm_bridge.contract import CaseRef, NotACase, Reauthenticate
from crm_bridge.registry import load_adapter

COMMAND = [sys.executable, "-m", "crm_bridge.cli", "emulate"]


def test_an_adapter_reaches_the_emulator_with_the_configuration_it_prints(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"operation": "read_case", "skip": 1, "status": 401}]')
    arguments = ["mock", "--port", "0", "--faults", str(faults), "--", "--profile", "notes"]
    running = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        said = json.loads(running.stdout.readline())
        assert said["config"]["profile"] == "notes"
        adapter = load_adapter("mock", said["config"])
        assert isinstance(adapter.read_case(CaseRef(id="1")), NotACase)
        with pytest.raises(Reauthenticate):
            adapter.read_case(CaseRef(id="1"))
        adapter.close()
        running.send_signal(signal.SIGTERM)
        assert running.wait(15) == 0
    finally:
        running.kill()
        running.wait(10)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nothing", "--port", "0"], "mock"),
        (["mock"], "--port"),
        (["mock", "--port", "0", "--faults", "BROKEN"], "--faults"),
        (["mock", "--port", "0", "--webhook", "http://127.0.0.1:1/elsewhere"], "--webhook"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(arguments: list[str], word: str, tmp_path: Path) -> None:
    (tmp_path / "BROKEN").write_text('[{"operation": "x", "colour": 1}]')
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr
