"""The Procrastinate app: nudges, periodic rounds, and running a worker until it is asked to stop.

A job carries no work. Nothing here uses `lock`, `queueing_lock` or `retry`: what is due is what the store says.
"""

from __future__ import annotations

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import procrastinate
import structlog
from procrastinate.jobs import DeleteJobCondition

from crm_bridge.pipeline.reconcile import reconcile, sync_articles
from crm_bridge.pipeline.runtime import Runtime
from crm_bridge.pipeline.work import drain
from crm_bridge.store import queue
from crm_bridge.store.database import StoreUnavailable

CONCURRENCY = 8
POLL_S = 0.5
EVERY_3_S = "* * * * * */3"
"""The sixth field is the seconds, and stands last."""

CONNECT_WITHIN_S = 5.0
"""A worker that lost its database ends soon, and is started again, instead of waiting half a minute at each step."""

STOP_WITHIN_S = 25.0
"""A sync job cannot be aborted: bounded calls end, and the parent has a deadline of its own."""

log = structlog.get_logger("crm_bridge.jobs")


@dataclass(kw_only=True)
class Worker:
    """One worker process: its app and when it has to stop."""

    runtime: Runtime
    database_url: str
    concurrency: int = CONCURRENCY
    stopping: Event = field(default_factory=Event)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT. Raises `StoreUnavailable` when the database cannot be reached, or is lost."""
        try:
            asyncio.run(self._run())
        except procrastinate.exceptions.ConnectorException as error:
            raise StoreUnavailable(type(error).__name__) from error

    def app(self) -> procrastinate.App:
        # Sorting the waiting jobs is what makes fetching slow with a long queue; the index does it without.
        connector = procrastinate.PsycopgConnector(
            conninfo=self.database_url,
            kwargs={"options": "-c timezone=UTC -c enable_sort=off"},
            max_size=8,
            timeout=CONNECT_WITHIN_S,
        )
        app = procrastinate.App(connector=connector)
        runtime, stopping = self.runtime, self.stopping.is_set

        @app.task(name=queue.NUDGE_TASK)
        def advance() -> None:
            drain(runtime, stopping=stopping)

        @app.periodic(cron=EVERY_3_S)
        @app.task(name="crm_bridge.backstop")
        def backstop(timestamp: int) -> None:  # noqa: ARG001 - given by the queue
            drain(runtime, stopping=stopping)

        @app.periodic(cron="* * * * *")
        @app.task(name="crm_bridge.reconcile")
        def poll(timestamp: int) -> None:  # noqa: ARG001
            reconcile(runtime)

        @app.periodic(cron="*/5 * * * *")
        @app.task(name="crm_bridge.articles")
        def knowledge(timestamp: int) -> None:  # noqa: ARG001
            sync_articles(runtime)

        return app

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        # The default executor has CPU + 4 threads: fewer than our jobs.
        loop.set_default_executor(ThreadPoolExecutor(max_workers=self.concurrency + 4, thread_name_prefix="job"))
        app = self.app()
        async with app.open_async():
            await asyncio.to_thread(self._first_round)
            work = asyncio.create_task(
                app.run_worker_async(
                    concurrency=self.concurrency,
                    fetch_job_polling_interval=POLL_S,
                    listen_notify=True,
                    delete_jobs=DeleteJobCondition.ALWAYS,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=STOP_WITHIN_S,
                )
            )
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop, work)
            log.info("worker_started", concurrency=self.concurrency)
            try:
                await work
            except asyncio.CancelledError:
                log.info("worker_stopped")
        if not self.stopping.is_set():
            # The queue ends by itself, and as if all were well, when its own connection breaks.
            raise StoreUnavailable("the queue lost the database")

    def _first_round(self) -> None:
        """Articles before the first draft, and a nudge for what was due while no worker ran."""
        # The language model is read at its first use; not while an agent waits for the first draft.
        self.runtime.detect_language("This is a short text to begin with.")
        sync_articles(self.runtime)
        self.runtime.store.run(queue.nudge)

    def _stop(self, work: asyncio.Task[None]) -> None:
        self.stopping.set()
        work.cancel()
