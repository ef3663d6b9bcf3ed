"""The worker process's own part: the queue's app, its threads, its end. What it does is tested case by case."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from world import World

from crm_bridge import jobs
from crm_bridge.jobs import CONCURRENCY, Worker
from crm_bridge.store import queue
from crm_bridge.store.database import StoreUnavailable


@pytest.fixture
def no_other_loop() -> Iterator[None]:
    """A worker owns its process, and its loop is the only one; a browser test before it left one in this thread."""
    before = asyncio.events._get_running_loop()
    asyncio.events._set_running_loop(None)
    yield
    asyncio.events._set_running_loop(before)


@pytest.fixture
def worker(worlds: Callable[..., World], database_url: str, no_other_loop: None) -> Worker:
    return Worker(runtime=worlds().runtime, database_url=database_url)


def test_no_task_is_retried_or_locked_by_the_queue(worker: Worker) -> None:
    tasks = worker.app().tasks
    assert queue.NUDGE_TASK in tasks
    for name, task in tasks.items():
        if not name.startswith("procrastinate.") and not name.startswith("builtin:"):
            assert (task.retry_strategy, task.lock, task.queueing_lock) == (None, None, None), name


def test_the_backstop_comes_every_three_seconds_of_every_minute(worker: Worker) -> None:
    (cron,) = [
        periodic.croniter
        for periodic in worker.app().periodic_registry.periodic_tasks.values()
        if periodic.task.name == "crm_bridge.backstop"
    ]
    start = 1_800_000_000
    cron.set_current(start_time=start)
    assert [round(cron.get_next(float)) - start for _ in range(40)] == [3 * turn for turn in range(1, 41)]


def test_a_worker_whose_queue_loses_the_database_fails_instead_of_ending_well(
    worker: Worker, database_url: str
) -> None:
    """Ending well would tell a service manager that nothing has to be started again."""
    others = "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database()"

    ended = threading.Event()

    def break_it() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            while not connection.execute("select 1 from procrastinate_workers").fetchone():
                ended.wait(0.05)
            # Again until it has ended: not every connection is there yet when the first ones are cut.
            while not ended.is_set():
                connection.execute(f"{others} and pid <> pg_backend_pid()")
                ended.wait(0.5)

    breaking = threading.Thread(target=break_it, daemon=True)
    breaking.start()
    with pytest.raises(StoreUnavailable):
        worker.run()
    ended.set()
    breaking.join()


def test_nudges_run_side_by_side_leave_no_rows_behind_and_sigterm_ends_the_worker(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight at once: the default executor of two cores has room for six."""
    met, arrived = threading.Event(), itertools.count(1)

    def drain(_runtime: object, *, stopping: Callable[[], bool]) -> None:
        """All wait until the last of them is there, or for so long that they are not side by side."""
        if next(arrived) == CONCURRENCY:
            met.set()
            os.kill(os.getpid(), signal.SIGTERM)
        elif not met.wait(30):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(jobs, "drain", drain)
    for _ in range(CONCURRENCY):
        worker.runtime.store.run(queue.nudge)
    before = signal.getsignal(signal.SIGTERM)
    worker.run()
    signal.signal(signal.SIGTERM, before)
    assert met.is_set()
    assert worker.stopping.is_set()
    kept = "select count(*) from procrastinate_jobs where status in ('doing', 'failed', 'succeeded')"
    assert worker.runtime.store.run(lambda c: c.exec_driver_sql(kept).scalar_one()) == 0


def test_a_real_worker_brings_a_case_to_its_draft_and_stops(worker: Worker, worlds: Callable[..., World]) -> None:
    world = worlds(profiles={"desk": "native"})
    worker = Worker(runtime=world.runtime, database_url=worker.database_url)
    case = world.open_case()
    world.crm.deliver()

    def watch() -> None:
        for _ in range(600):
            if world.shown(case)["draft"] is not None:
                break
            threading.Event().wait(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    watching = threading.Thread(target=watch)
    watching.start()
    worker.run()
    watching.join()
    world.settle()
    assert world.states(case) == ["written"]
