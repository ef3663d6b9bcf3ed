"""Every example that can be run is run, in the order of its page, and prints what the page says."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Block, Program, Shell, Stage

RUNNABLE = ("console", "python")
REPEAT_FOR_S = 30.0
STARTS_THE_DEMO = "this starts the demo"
UNTIL_IT_FITS = "until it fits"
UNTIL_STOPPED = "until stopped"
ELSEWHERE = {
    "docs/howto/your-own-assistant.md": "tests/assistants/test_your_own_assistant_page.py",
    "docs/write-an-adapter.md": "tests/scaffold/test_new_adapter.py",
}
"""Pages whose programs another test runs."""


class Runner:
    """Runs the blocks of one page beside a demo."""

    def __init__(self, stage: Stage, tools: Any) -> None:
        self._stage = stage
        self._tools = tools
        self._programs: list[Program] = []

    def run_page(self, blocks: Iterable[Block]) -> None:
        shell = self._stage.shell()
        try:
            for block in blocks:
                self._run(block, shell)
        finally:
            shell.close()
            while self._programs:
                self._programs.pop().stop()

    def _run(self, block: Block, shell: Shell) -> None:
        if block.file:
            file = self._stage.folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self._stage.here(block.text), "utf-8")
        elif block.language == "python" and not block.how:
            self._python(block)
        elif block.language == "console" and block.how == UNTIL_STOPPED:
            self._background(block)
        elif block.language == "console" and block.how in ("", UNTIL_IT_FITS):
            self._console(block, shell)

    def _python(self, block: Block) -> None:
        done = subprocess.run(
            [sys.executable, "-c", self._stage.here(block.text)], cwd=self._stage.folder, env=self._stage.environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            self._failed(block, "", done.stderr)

    def _background(self, block: Block) -> None:
        (command,) = self._tools.commands_of(block.text)
        program = self._stage.program(command.text)
        self._programs.append(program)
        if not program.wait_until_it_says(self._stage.here(command.prints) or "…"):
            self._failed(block, command.text, program.said())

    def _console(self, block: Block, shell: Shell) -> None:
        commands = self._tools.commands_of(block.text)
        for command, following in zip(commands, [*commands[1:], None], strict=True):
            asks_status = following is not None and following.text == "echo $?"
            expected = self._stage.here(command.prints)
            ends = time.monotonic() + (REPEAT_FOR_S if block.how == UNTIL_IT_FITS else 0)
            while True:
                status, said = shell.run(self._stage.here(command.text))
                fine = (status == 0 or asks_status) and (not expected or self._tools.fits(expected, said))
                if fine or time.monotonic() >= ends:
                    break
                time.sleep(0.3)
            if not fine:
                self._failed(block, command.text, f"(status {status})\n{said}")

    def _failed(self, block: Block, command: str, said: str) -> None:
        self._stage.failures.append(f"{block.place}: {command}\n{said}")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are written with curl")
def test_every_example_prints_what_its_page_says(blocks: list[Block], stage: Stage, tools: Any) -> None:
    demo = started_demo(blocks, stage, tools)
    try:
        by_page = {page: list(found) for page, found in groupby(blocks, key=lambda block: block.page)}
        with ThreadPoolExecutor(max_workers=2) as threads:
            list(
                threads.map(
                    lambda page: Runner(stage, tools).run_page(page),
                    [found for page, found in by_page.items() if page not in ELSEWHERE],
                )
            )
    finally:
        demo.stop()
    assert not stage.failures, "\n\n".join(stage.failures)
    assert demo.said().endswith("Stopping …\nStopped; nothing is left running.\n")
    assert demo.process.returncode == 0


def started_demo(blocks: list[Block], stage: Stage, tools: Any) -> Program:
    """The demo of the README's own lines, with the ports of this run."""
    (block,) = [block for block in blocks if block.how == STARTS_THE_DEMO]
    (command,) = tools.commands_of(block.text)
    assert command.text == "make demo"
    makefile = (tools.ROOT / "Makefile").read_text("utf-8")
    assert "\t$(BIN)/crm-bridge demo $(ARGS)\n" in makefile
    demo = stage.program("crm-bridge demo --port 8000 --desk-port 8001")
    assert demo.wait_until_it_says(stage.here(command.prints)), demo.said()
    return demo


def test_every_block_says_what_it_is(blocks: list[Block]) -> None:
    known: dict[str, Callable[[str], bool]] = {
        "console": lambda how: how in ("", UNTIL_IT_FITS, UNTIL_STOPPED, STARTS_THE_DEMO) or how.startswith("no, "),
        "python": lambda how: how == "" or how.startswith("no, "),
        **dict.fromkeys(("toml", "json", "text", "mermaid", "make"), lambda how: how == ""),
    }
    wrong = [block.place for block in blocks if block.language not in known or not known[block.language](block.how)]
    assert not wrong


def test_a_console_block_starts_with_a_command(blocks: list[Block]) -> None:
    assert not [block.place for block in blocks if block.language == "console" and not block.text.startswith("$ ")]


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ("a\nb", "a\nb\n"),
        ("a …\nc", "a whatever\nc\n"),
        ("a\n…\nc", "a\nc\n"),
        ("a\n  …\nc", "a\n1\n2\nc\n"),
        ("", ""),
    ],
)
def test_an_ellipsis_stands_for_anything(expected: str, said: str, tools: Any) -> None:
    assert tools.fits(expected, said)


@pytest.mark.parametrize(("expected", "said"), [("a", "a\nb"), ("a…c", "a\nc"), ("a\n…\nc", "a\n1\nd"), ("", "a")])
def test_what_is_not_shown_may_not_be_printed(expected: str, said: str, tools: Any) -> None:
    assert not tools.fits(expected, said)
