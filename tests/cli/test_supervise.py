"""The supervisor with real processes: what it starts, restarts and stops, and that nothing outlives it but postgres."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from embedded_place import STOP_S, Place, ask, new_place
from supervised_process import Supervised, is_alive, is_gone

from crm_bridge.cli import supervise
from crm_bridge.cli.supervise import Supervisor
from crm_bridge.cli.supervised import Child, EventKind, SupervisorEvent, next_delay

SLEEP = ["sleep", "1000"]
# Says that it is ready (its parent's stdout is its own), and does not end when asked to.
STUBBORN = ["sh", "-c", """trap '' TERM; echo '{"kind": "ready", "name": "stubborn"}'; while :; do sleep 1000; done"""]

Start = Callable[..., Supervised]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start supervisors without a database."""
    with new_place() as place:
        yield partial(Supervised, place)


@pytest.fixture(scope="module")
def used_place() -> Iterator[Place]:
    with new_place() as made:
        made.server().ensure_running()
        yield made


@pytest.fixture
def start_with_database(used_place: Place) -> Iterator[Start]:
    """Start supervisors of one embedded database, which is stopped before each test."""
    used_place.server().stop(STOP_S)
    made: list[Supervised] = []

    def start(children: dict[str, list[str]]) -> Supervised:
        made.append(Supervised(used_place, children, data=True))
        return made[-1]

    yield start
    for supervised in made:
        supervised.close()


def test_stops_the_children_first_and_the_database_last(start_with_database: Start, used_place: Place) -> None:
    running = start_with_database({"web": SLEEP, "worker": SLEEP})
    running.pids("database", "web", "worker")
    assert used_place.server().is_running()
    running.send(signal.SIGTERM)
    assert running.end() == 0
    assert running.order("exited")[-1] == "database"
    assert sorted(running.order("exited")) == ["database", "web", "worker"]
    assert running.told[-1]["status"] == 0
    assert not used_place.server().is_running()


def test_ctrl_c_reaches_the_supervisor_only(start_with_database: Start, used_place: Place) -> None:
    running = start_with_database({"web": SLEEP})
    database, web = running.pids("database", "web")
    group = os.getpgid(running.process.pid)
    assert group not in (os.getpgid(database), os.getpgid(web))
    os.killpg(group, signal.SIGINT)
    assert running.end() == 0
    assert running.order("exited") == ["web", "database"]


def test_children_die_with_a_killed_supervisor_and_the_next_one_adopts_the_database(
    start_with_database: Start, used_place: Place
) -> None:
    first = start_with_database({"web": SLEEP, "worker": STUBBORN})
    database, web, worker = first.pids("database", "web", "worker")
    first.send(signal.SIGKILL)
    assert first.process.wait() == -signal.SIGKILL
    assert is_gone(web)
    assert is_gone(worker)
    assert is_alive(database)
    second = start_with_database({"web": SLEEP})
    assert second.pids("database", "web")[0] == database
    second.send(signal.SIGTERM)
    assert second.end() == 0
    assert not is_alive(database)


@pytest.mark.parametrize("adopted", [False, True], ids=["own", "adopted"])
def test_a_killed_database_comes_back_and_the_children_stay(
    start_with_database: Start, used_place: Place, adopted: bool
) -> None:
    if adopted:
        used_place.server().ensure_running()
    running = start_with_database({"web": SLEEP})
    database, web = running.pids("database", "web")
    os.kill(database, signal.SIGKILL)
    assert running.pids("database") != [database]
    url = used_place.server().ensure_running()
    assert ask(url, "select 1") == 1
    assert is_alive(web)
    running.send(signal.SIGTERM)
    assert running.end() == 0


def test_a_killed_child_is_restarted(start: Start) -> None:
    running = start({"web": SLEEP, "worker": SLEEP})
    web, _ = running.pids("web", "worker")
    os.kill(web, signal.SIGKILL)
    assert running.until("exited", "web")["status"] == -signal.SIGKILL
    assert running.pids("web") != [web]
    running.send(signal.SIGTERM)
    assert running.end() == 0
    assert running.order("started") == ["web", "worker", "web"]


def test_a_child_that_keeps_failing_is_restarted_less_and_less_often(start: Start) -> None:
    running = start({"web": ["false"], "worker": SLEEP})
    delays = [running.until("restart_due", "web")["delay_s"] for _ in range(3)]
    assert delays == [0.1, 0.2, 0.4]
    running.send(signal.SIGTERM)
    assert running.end() == 0
    assert running.order("started").count("worker") == 1


def test_the_delay_grows_to_a_limit_and_starts_again_after_a_steady_minute() -> None:
    delay, delays = 0.0, []
    for _ in range(8):
        delay = next_delay(delay, alive_s=1)
        delays.append(delay)
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert next_delay(5.0, alive_s=60) == 0.1


def test_a_child_that_does_not_end_is_killed_after_its_own_deadline(start: Start) -> None:
    running = start({"stubborn": STUBBORN, "web": SLEEP}, stop_timeout_s=0.3)
    running.until("ready", "stubborn")
    running.send(signal.SIGTERM)
    assert running.end() == 0
    assert running.order("killed") == ["stubborn"]


def test_a_second_signal_kills_at_once(start: Start) -> None:
    running = start({"stubborn": STUBBORN}, stop_timeout_s=1000)
    running.until("ready", "stubborn")
    running.send(signal.SIGINT)
    running.until("stopping")
    running.send(signal.SIGINT)
    assert running.end() == 0
    assert running.order("killed") == ["stubborn"]


def test_what_a_child_leaves_behind_goes_with_it(start: Start) -> None:
    leaving = (
        """sleep 1000 & echo "{\\"kind\\": \\"ready\\", \\"name\\": \\"web\\", \\"left\\": $!}"; exec sleep 1000"""
    )
    running = start({"web": ["sh", "-c", leaving]})
    left = running.until("ready", "web")["left"]
    assert is_alive(left)
    running.send(signal.SIGTERM)
    assert running.end() == 0
    assert is_gone(left)


def test_a_wrong_config_stops_everything_with_its_exit_code(start: Start) -> None:
    running = start({"worker": SLEEP, "web": ["sh", "-c", "exit 2"]})
    assert running.end() == 2
    assert "restart_due" not in [event["kind"] for event in running.told]


def test_a_database_that_cannot_start_ends_with_1_and_starts_nothing(
    start_with_database: Start, used_place: Place
) -> None:
    version = used_place.cluster().pgdata / "PG_VERSION"
    current = version.read_text()
    version.write_text("16\n")
    running = start_with_database({"web": SLEEP})
    assert running.end() == 1
    version.write_text(current)
    assert "pg_dump" in running.told[0]["detail"]
    assert running.order("started") == []


def test_a_listener_that_lost_its_terminal_does_not_stop_the_stopping() -> None:
    kinds: list[EventKind] = []

    def listen(event: SupervisorEvent) -> None:
        kinds.append(event.kind)
        if event.kind is EventKind.STARTED:
            os.kill(os.getpid(), signal.SIGTERM)
        raise OSError("no terminal")

    before = signal.getsignal(signal.SIGTERM)
    assert Supervisor([Child(name="web", argv=SLEEP)], None, listen).run() == 0
    assert kinds == [EventKind.STARTED, EventKind.STOPPING, EventKind.EXITED]
    assert signal.getsignal(signal.SIGTERM) is before


def test_environment_folder_and_a_clean_signal_state_reach_the_child(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal; blocked = signal.pthread_sigmask(signal.SIG_BLOCK, []);"
        "pathlib.Path('said').write_text(f'{sorted(os.environ)} {blocked}'); raise SystemExit(2)"
    )
    child = Child(name="web", argv=[sys.executable, "-I", "-c", program], env={"ONLY": "this"}, cwd=tmp_path)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        assert Supervisor([child], None, lambda _: None).run() == 2
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    words = (tmp_path / "said").read_text()
    assert "'ONLY'" in words
    assert "PATH" not in words
    assert words.endswith("set()")


def test_runs_in_the_main_thread_only() -> None:
    errors: list[str] = []

    def run() -> None:
        try:
            Supervisor([], None, lambda _: None).run()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in errors[0]


def test_a_child_whose_supervisor_is_gone_already_does_not_begin(tmp_path: Path) -> None:
    wrapper = Path(supervise.__file__).with_name("child.py")
    begun = tmp_path / "begun"
    orphan = subprocess.run([sys.executable, "-I", "-S", wrapper, "1", "touch", begun], check=False)
    assert (orphan.returncode, begun.exists()) == (1, False)
    own = [sys.executable, "-I", "-S", wrapper, str(os.getpid())]
    assert subprocess.run([*own, "touch", begun], check=False).returncode == 0
    assert begun.exists()
    assert subprocess.run([*own, "/no/such/program"], check=False, stderr=subprocess.PIPE).returncode == 127
