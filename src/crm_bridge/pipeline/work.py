"""The worker's loop: claim what is due until nothing is, and say what each kind of failure means.

`Retry` and `Reauthenticate` are facts about the connection and pause it; only a case's own failures count against
the case, which then backs off as a case and after eight of them needs a person. An assistant in trouble never comes
here: a case that waits for it is at rest (see `trouble`).
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import PurePath

import sqlalchemy as sa
import structlog

from crm_bridge.contract import OutboundError, Reauthenticate, Retry
from crm_bridge.core.lifecycle import DraftState, DraftStep
from crm_bridge.pipeline.advance import advance
from crm_bridge.pipeline.observe import open_question
from crm_bridge.pipeline.resolve import resolve
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.pipeline.turn import MovedOn, Stopped
from crm_bridge.store import cases, connections, drafts, inbox, queue
from crm_bridge.store.database import StoreUnavailable, now
from crm_bridge.store.queue import Lease, LeaseLost

DRAIN_S = 20.0
MAX_FAILURES = 8
REAUTHENTICATE_WAIT = timedelta(seconds=60)
LEASE_OVER = "lease_over"
"""The code of the `Retry` an adapter raises when `may_start` says no."""

log = structlog.get_logger("crm_bridge.work")


def drain(runtime: Runtime, *, stopping: Callable[[], bool] = lambda: False, budget_s: float = DRAIN_S) -> int:
    """Work until nothing is due, the time is over or somebody asks to stop. Returns how many items were advanced.

    When time is over with work left, another nudge goes on.
    """
    ends = time.monotonic() + budget_s
    done = 0
    while not stopping():
        if time.monotonic() >= ends:
            runtime.store.run(queue.nudge)
            break
        lease = queue.claim(runtime.store)
        if lease is None:
            break
        work_on(runtime, lease)
        done += 1
    return done


def work_on(runtime: Runtime, lease: Lease) -> None:
    """Advance one claimed item. Never raises for what a CRM, an assistant or a case does."""
    known = runtime.connections.get(lease.connection)
    if known is None:
        # Claimed between the removal of a connection from the config and the next start.
        _retry_later(runtime, lease, timedelta(minutes=5))
        return
    step = advance if lease.ref_kind == "case" else resolve
    with queue.working(lease):
        try:
            if lease.failures >= MAX_FAILURES:
                # Turn after turn ended later than its lease.
                _needs_a_person(runtime, lease, LEASE_OVER)
            else:
                step(runtime, known, lease)
        except LeaseLost:
            _lost(runtime, lease)
        except (MovedOn, Stopped):
            _retry_later(runtime, lease, timedelta(0))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the process edge of a case: every failure becomes a fact about it
            _failed(runtime, known, lease, error)


def _failed(runtime: Runtime, known: ConnectionRuntime, lease: Lease, error: Exception) -> None:
    try:
        if isinstance(error, Retry) and error.code == LEASE_OVER:
            # The adapter held an effect back at the end of our lease: this case takes too long, not the connection.
            _count_failure(runtime, lease, LEASE_OVER)
        elif isinstance(error, Retry):
            _pause(runtime, known, lease, error.after, error.code)
        elif isinstance(error, Reauthenticate):
            _pause(runtime, known, lease, REAUTHENTICATE_WAIT, f"reauthenticate:{error.code}")
        elif isinstance(error, OutboundError):
            _count_failure(runtime, lease, error.code)
        else:
            log.error("advance_failed", connection=lease.connection, error=type(error).__name__, at=_where(error))
            _count_failure(runtime, lease, type(error).__name__)
    except LeaseLost:
        _lost(runtime, lease)


def _lost(runtime: Runtime, lease: Lease) -> None:
    """Too late: another worker is at it. Without a count, a case that always takes too long would go round for ever."""
    runtime.store.run(lambda transaction: queue.count_overrun(transaction, lease))
    log.info("lease_lost", connection=lease.connection, item=lease.item_id)


def _pause(runtime: Runtime, known: ConnectionRuntime, lease: Lease, wait: timedelta, reason: str) -> None:
    """The CRM is in trouble: nothing of this connection is claimed for a while, and no case pays for it."""

    def work(transaction: sa.Connection) -> timedelta:
        _lock(transaction, lease)
        bounded = connections.pause(transaction, known.name, wait=wait, reason=reason)
        queue.put_back(transaction, lease, wait=timedelta(0), failures=lease.failures)
        queue.nudge(transaction, after=bounded)
        return bounded

    bounded = runtime.store.run(work)
    log.warning("connection_paused", connection=known.name, reason=reason, wait_s=bounded.total_seconds())


def _count_failure(runtime: Runtime, lease: Lease, code: str) -> None:
    failures = lease.failures + 1
    if failures >= MAX_FAILURES:
        _needs_a_person(runtime, lease, code)
        return
    wait = queue.backoff_wait(failures)

    def work(transaction: sa.Connection) -> None:
        _lock(transaction, lease)
        queue.back_off(transaction, lease, wait=wait, failures=failures)
        queue.nudge(transaction, after=wait)

    runtime.store.run(work)
    log.warning(
        "case_backs_off", connection=lease.connection, item=lease.item_id, error=code, failures=failures,
        wait_s=wait.total_seconds(),
    )  # fmt: skip


def _needs_a_person(runtime: Runtime, lease: Lease, code: str) -> None:
    """Eight failures of its own: the events are dead for a named reason, and the agent sees that there is no draft."""
    cipher = runtime.store.cipher

    def work(transaction: sa.Connection) -> None:
        _lock(transaction, lease)
        pending = inbox.pending(transaction, lease.item_id).ids
        inbox.mark(transaction, pending, "dead", code)
        draft = drafts.live(transaction, cipher, lease.case_id) if lease.case_id is not None else None
        if draft is not None and draft.state in {DraftState.DRAFTING, DraftState.READY}:
            detail = f"({code}, {draft.id})"
            drafts.take_step(transaction, cipher, draft, DraftStep.REFUSE, reason="technical", detail=detail)
        elif draft is not None and draft.state is DraftState.APPROVED:
            drafts.take_step(transaction, cipher, draft, DraftStep.FAIL, reason=code)
        elif draft is not None and draft.state is DraftState.ATTEMPTED:
            drafts.end_attempt(transaction, draft, "unknown")
            drafts.take_step(transaction, cipher, draft, DraftStep.LOSE_SIGHT, reason=code)
        elif draft is None and pending and lease.case_id is not None:
            _say_there_is_none(runtime, transaction, lease.case_id, lease.connection, code)
        else:
            draft = None
        # One more turn shows what ended here; when that fails as well, nothing is left to end.
        ended = draft is not None or bool(pending)
        queue.release(transaction, lease, wake_at=now(transaction) if ended else None)
        if ended:
            queue.nudge(transaction)

    runtime.store.run(work)
    log.error("case_needs_a_person", connection=lease.connection, item=lease.item_id, error=code)


def _say_there_is_none(runtime: Runtime, transaction: sa.Connection, case_id: int, connection: str, code: str) -> None:
    """A case that could not be read has no draft that could carry the reason: one that is refused at once does."""
    cipher = runtime.store.cipher
    last = drafts.latest(transaction, cipher, case_id)
    said = cases.messages(transaction, cipher, case_id)
    question = open_question(said)
    episode = cases.current_episode(transaction, case_id)
    nobody_waits = question is None and bool(said)
    spoken_of = last is not None and question is not None and last.answers == question.id
    if nobody_waits or spoken_of:
        # The panel goes on saying what became of the last draft.
        return
    draft = drafts.begin(
        transaction,
        cipher,
        name=connection,
        case_id=case_id,
        episode_id=episode.id if episode else None,
        answers=question.id if question else "",
        seen=[message.id for message in said],
        previous_id=last.id if last else None,
        instruction=last.instruction if last and last.state is DraftState.SUPERSEDED else None,
        working_text=last.working_text if last else None,
    )
    detail = f"({code}, {draft.id})"
    drafts.take_step(transaction, cipher, draft, DraftStep.REFUSE, reason="technical", detail=detail)


def _retry_later(runtime: Runtime, lease: Lease, wait: timedelta) -> None:
    def work(transaction: sa.Connection) -> None:
        _lock(transaction, lease)
        queue.put_back(transaction, lease, wait=wait, failures=lease.failures)
        queue.nudge(transaction, after=wait)

    try:
        runtime.store.run(work)
    except LeaseLost:
        log.info("lease_lost", connection=lease.connection, item=lease.item_id)


def _where(error: BaseException) -> str:
    """Module and line it came from: a traceback or an error's text may hold what customers wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _lock(transaction: sa.Connection, lease: Lease) -> None:
    """Case, then item: the lock order, and the fence."""
    if lease.case_id is not None:
        cases.lock(transaction, lease.case_id)
    queue.hold(transaction, lease)
