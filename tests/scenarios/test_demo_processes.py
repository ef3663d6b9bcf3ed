"""Starting and stopping a demo: what it keeps, what it leaves behind (nothing), and what it says when it cannot."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest
from desk_client import replies
from installation import Place, free_port
from process_table import belonging_to, is_alive
from processes import Demo


def test_a_second_start_keeps_the_cases_and_neither_ctrl_c_leaves_a_process_behind(place: Place) -> None:
    running = Demo(place)
    try:
        running.start()
        case = running.desk.new_case()
        draft = running.desk.drafted(case)["draft"]
        known = {found["id"] for found in running.desk.cases()}

        family = running.family()
        assert len(family) > len(running.programs())
        assert running.interrupt() == 0
        assert left_of(place, family) == []

        running.start()
        assert {found["id"] for found in running.desk.cases()} == known
        kept = running.desk.drafted(case)["draft"]
        assert (kept["id"], kept["revision"], kept["text"]) == (draft["id"], draft["revision"], draft["text"])
        running.desk.decide_fine(case, "accept", revision=draft["revision"])
        assert replies(running.desk.reaches(case, "sent")) == [draft["text"]]

        family = running.family()
        os.kill(running.pid, signal.SIGINT)
        assert running.wait() == 0
        assert left_of(place, family) == []
        assert "Traceback" not in running.said() + running.log.read_text("utf-8")
        assert f"http://127.0.0.1:{running.desk_port}/desk/" in running.said()
    finally:
        running.close()


def left_of(place: Place, family: list[int]) -> list[int]:
    """What still runs: of the processes known before, and of all that were ever started for this place."""
    return [*(pid for pid in family if is_alive(pid)), *belonging_to(str(place.root / "state"))]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        yield port


@pytest.mark.parametrize("option", ["--port", "--desk-port"])
def test_a_port_in_use_is_one_sentence_and_exit_code_2(place: Place, taken_port: int, option: str) -> None:
    other = {"--port": "--desk-port", "--desk-port": "--port"}[option]
    ports = [option, str(taken_port), other, str(free_port())]
    done = place.run("demo", *ports, "--data-dir", place.data_dir, "--no-open")
    assert done.returncode == 2
    said = (done.stderr + done.stdout).strip()
    assert option in said
    assert str(taken_port) in said
    assert len(said.splitlines()) == 1
    assert belonging_to(str(place.root / "state")) == []
    assert not place.data_dir.exists()


def test_both_ports_the_same_is_one_sentence_and_exit_code_2(place: Place) -> None:
    port = str(free_port())
    done = place.run("demo", "--port", port, "--desk-port", port, "--data-dir", place.data_dir, "--no-open")
    assert done.returncode == 2
    assert len((done.stderr + done.stdout).strip().splitlines()) == 1
    assert belonging_to(str(place.root / "state")) == []
