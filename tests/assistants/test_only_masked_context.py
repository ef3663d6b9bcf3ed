"""The type checker proves that an assistant gets nothing but masked context; so does the shape at run time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SNIPPET = """
from crm_bridge.assistants import Abstention, Assistant, Proposal
from crm_bridge.contract import CaseContext
from crm_bridge.core.masking import MaskedContext

def leak(assistant: Assistant, case: CaseContext) -> Proposal | Abstention:
    return assistant.draft(case)

def draft(assistant: Assistant, masked: MaskedContext) -> Proposal | Abstention:
    return assistant.draft(masked)

class Careless:
    timeout_s = 1.0

    def draft(self, context: CaseContext) -> Proposal | Abstention:
        raise NotImplementedError

careless: Assistant = Careless()
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says of the snippet, one line an error."""
    folder = tmp_path_factory.mktemp("snippet")
    snippet = folder / "snippet.py"
    snippet.write_text(SNIPPET)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-site-packages"),
            *("--config-file", "", "--cache-dir", str(folder / "cache"), "--no-error-summary", str(snippet)),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={"MYPYPATH": str(ROOT / "src"), "PATH": "", "MYPY_CONFIG_FILE_DIR": str(folder)},
        cwd=folder,
    )
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if ": error:" in line]


def line_of(text: str) -> int:
    return SNIPPET.splitlines().index(text) + 1


def test_draft_refuses_a_bare_case_context(complaints: list[str]) -> None:
    line = line_of("    return assistant.draft(case)")
    assert any(
        f"snippet.py:{line}:" in said and '"CaseContext"; expected "MaskedContext"' in said for said in complaints
    )


def test_draft_takes_a_masked_context(complaints: list[str]) -> None:
    line = line_of("    return assistant.draft(masked)")
    assert not any(f"snippet.py:{line}:" in said for said in complaints)


def test_an_assistant_that_asks_for_a_bare_case_is_none(complaints: list[str]) -> None:
    line = line_of("careless: Assistant = Careless()")
    assert any(f"snippet.py:{line}:" in said for said in complaints)
    assert len(complaints) == 2
