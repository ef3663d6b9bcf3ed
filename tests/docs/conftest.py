"""Runs the examples of the pages: reads their blocks, keeps a shell, a demo, and what was started in the background.

What a block means is said by its language and by an HTML comment on the line before it; CONTRIBUTING.md has the table.
The demo is started once for the whole run, because all examples that need it are run by one test.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})
DEADLINE_S = 60.0
PORTS = ("8000", "8001", "8010", "8011", "8100")
"""The ports that pages may name; each stands for a free one."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (run|file): (.*?) -->\n\Z")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block. `how` is what the comment before it says after `run:`, `file` what it says after `file:`."""

    page: str
    line: int
    language: str
    text: str
    how: str = ""
    file: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A line after `$ `, and the lines it is said to print."""

    text: str
    prints: str


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [_block(page, text, match) for match in _FENCE.finditer(text)]


def _block(page: Path, text: str, match: re.Match[str]) -> Block:
    said = _COMMENT.search(text, 0, match.start())
    return Block(
        page=str(page.relative_to(ROOT)),
        line=text.count("\n", 0, match.start()) + 1,
        language=match[1],
        text=match[2],
        how=said[2] if said and said[1] == "run" else "",
        file=said[2] if said and said[1] == "file" else "",
    )


def commands_of(text: str) -> list[Command]:
    """The commands of a console block; a line that ends in a backslash goes on."""
    found: list[tuple[list[str], list[str]]] = []
    for line in text.splitlines():
        if found and found[-1][0][-1].endswith("\\") and not found[-1][1]:
            found[-1][0].append(line)
        elif line.startswith("$ "):
            found.append(([line.removeprefix("$ ")], []))
        else:
            found[-1][1].append(line)
    return [Command(text="\n".join(lines), prints="\n".join(prints)) for lines, prints in found]


def fits(expected: str, said: str) -> bool:
    """Whether an output is the one a page shows: `…` is any text, on a line of its own any number of lines."""
    parts = [
        r"(?:[^\n]*\n)*?" if line.strip() == "…" else r"[^\n]*".join(map(re.escape, line.rstrip().split("…"))) + "\n"
        for line in expected.strip("\n").splitlines()
    ]
    lines = [f"{line.rstrip()}\n" for line in said.strip("\n").splitlines()]
    return re.fullmatch("".join(parts), "".join(lines)) is not None


class Shell:
    """One bash for all commands of a page, so that a variable set by one is there for the next."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=folder, env=environment, text=True, bufsize=1,
        )  # fmt: skip

    def run(self, command: str) -> tuple[int, str]:
        """Status and output. `$?` is kept for the next command."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null; _s=$?; printf '\\n\\036%s\\n' $_s; (exit $_s)\n")
        lines: list[str] = []
        for line in self._bash.stdout:
            if line.startswith("\036"):
                return int(line[1:]), "".join(lines)
            lines.append(line)
        raise AssertionError(f"the shell ended at: {command}")

    def close(self) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.close()
        self._bash.wait(DEADLINE_S)


@dataclass(kw_only=True)
class Program:
    """Something a page starts and leaves running; stopped with Ctrl-C, as a person would."""

    process: subprocess.Popen[bytes]
    output: Path

    @classmethod
    def start(cls, command: str, output: Path, folder: Path, environment: dict[str, str]) -> Program:
        with output.open("wb") as stream:
            process = subprocess.Popen(
                ["bash", "--norc", "-c", f"exec {command}"], stdin=subprocess.DEVNULL, stdout=stream,
                stderr=subprocess.STDOUT, cwd=folder, env=environment, start_new_session=True,
            )  # fmt: skip
        return cls(process=process, output=output)

    def said(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def wait_until_it_says(self, expected: str) -> bool:
        ends = time.monotonic() + DEADLINE_S
        while not fits(expected, self.said()):
            if self.process.poll() is not None or time.monotonic() > ends:
                return False
            time.sleep(0.05)
        return True

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(DEADLINE_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()


@dataclass(kw_only=True)
class Stage:
    """A folder as empty as a new user's, the ports that are free, and the failures found."""

    folder: Path
    environment: dict[str, str]
    ports: dict[str, int]
    failures: list[str] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    def here(self, text: str) -> str:
        """A text of a page with the ports of this run."""
        return re.sub(r"(?<!\d)(?:80[01][01])(?!\d)", lambda match: str(self.ports.get(match[0], match[0])), text)

    def shell(self) -> Shell:
        return Shell(self.folder, self.environment)

    def program(self, command: str) -> Program:
        output = self.folder.parent / f"output-{next(self._numbers)}"
        return Program.start(self.here(command), output, self.folder, self.environment)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Open to the unprivileged account that PostgreSQL runs as when these tests run as root."""
    root = Path(tempfile.mkdtemp(prefix="crmb-docs-"))
    root.chmod(0o755)
    (root / "work").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CRM_BRIDGE", "VIRTUAL_ENV"))}
    environment = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "CRM_BRIDGE_STATE_ROOT": str(root / "state"),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "100",
    }
    yield Stage(folder=root / "work", environment=environment, ports=_free_ports())
    shutil.rmtree(root, ignore_errors=True)


def _free_ports() -> dict[str, int]:
    probes = [socket.socket() for _ in PORTS]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return {name: probe.getsockname()[1] for name, probe in zip(PORTS, probes, strict=True)}
    finally:
        for probe in probes:
            probe.close()


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """Path from the root -> text, of every page."""
    return {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in PAGES}


@pytest.fixture(scope="session")
def blocks() -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page)]


@pytest.fixture(scope="session")
def tools() -> ModuleType:
    """This module, for tests: with pytest's importlib mode they cannot import it by name."""
    return sys.modules[__name__]
