"""The demo's log is bounded, and its writers need not know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from installation import until

from crm_bridge.cli import demo_log
from crm_bridge.cli.demo_log import DemoLog
from crm_bridge.cli.supervised import Child

TALKER = """
import sys
for line in sys.stdin:
    print("out", line, end="", flush=True)
    print("err", line, end="", file=sys.stderr, flush=True)
    sys.stderr.flush()
"""


@pytest.fixture
def log(tmp_path: Path) -> DemoLog:
    return DemoLog(file=tmp_path / "with space" / "demo.log", max_bytes=1_000)


@pytest.fixture(autouse=True)
def folder(log: DemoLog) -> None:
    log.file.parent.mkdir()


def older(log: DemoLog) -> Path:
    return log.file.with_name("demo.log.1")


def test_a_short_log_is_left_alone(log: DemoLog) -> None:
    with log.stream() as stream:
        stream.write("a line\n")
        assert not log.cut()
    assert log.file.read_text() == "a line\n"
    assert not older(log).exists()


def test_a_long_log_is_kept_once_and_its_writer_goes_on_at_the_new_beginning(log: DemoLog) -> None:
    with log.stream() as stream:
        for number in range(5):
            stream.write(f"{number} " + "x" * 1_200 + "\n")
            assert log.cut()
            assert older(log).read_text().startswith(f"{number} ")
        stream.write("after\n")
    assert log.file.read_text() == "after\n"
    assert sorted(path.name for path in log.file.parent.iterdir()) == ["demo.log", "demo.log.1"]


def test_a_process_that_writes_there_needs_not_know(log: DemoLog) -> None:
    child = log.written_by(Child(name="talker", argv=[sys.executable, "-c", TALKER]))
    assert child.name == "talker"
    with subprocess.Popen(list(child.argv), stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write("y" * 1_100 + "\n")
        process.stdin.flush()
        until(lambda: log.file.exists() and log.file.read_text().count("\n") == 2, "both lines stand there")
        assert log.cut()
        process.stdin.write("after\n")
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    assert log.file.read_text() == "out after\nerr after\n"
    assert older(log).read_text().startswith("out yyy")


def test_the_background_look_bounds_it(log: DemoLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_log, "LOOK_EVERY_S", 0.01)
    log.file.write_text("z" * 2_000)
    log.keep_bounded()
    until(lambda: log.file.stat().st_size == 0, "it was cut off")
    assert older(log).stat().st_size == 2_000
