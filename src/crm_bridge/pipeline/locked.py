"""The frame every decision is taken in: the case under its lock, who may take part, what a conflict tells.

Never waits for a lease: the case row is locked, what was read before is read again, and the worker is woken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_bridge.contract import Agent, BridgeError, Flag, Message, PanelState
from crm_bridge.pipeline.panel import PanelView, build_view, require_visible
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.store import cases, decisions, drafts, queue
from crm_bridge.store.cases import CaseRow
from crm_bridge.store.decisions import DecisionRow
from crm_bridge.store.drafts import DraftRow
from crm_bridge.store.tables import cases as cases_table


class UnknownDraft(BridgeError):
    """This connection has no such draft."""


class InvalidDecision(BridgeError):
    """The decision makes no sense as asked; the text says what to do."""


class FlagsNotAcknowledged(BridgeError):
    """Blocking flags must be acknowledged by name."""

    def __init__(self, flags: tuple[Flag, ...]) -> None:
        super().__init__("acknowledge these flags by name, or edit the text")
        self.flags = flags


class DecisionConflict(BridgeError):
    """The draft has moved on: who decided or what superseded it, the current revision, and what is new."""

    def __init__(self, detail: str, view: PanelView, newest: DecisionRow | None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.by = newest.agent_name if newest else ""
        self.at: datetime | None = newest.decided_at if newest else view.state.since
        self.revision = view.draft.revision if view.draft else 0
        self.new_messages: tuple[Message, ...] = view.new_messages
        self.state: PanelState = view.state
        self.view = view


@dataclass(frozen=True, kw_only=True)
class Locked:
    """A case under its lock, the draft asked about, and the newest one."""

    transaction: sa.Connection
    case: CaseRow
    draft: DraftRow
    newest: DraftRow


def under_lock(
    runtime: Runtime,
    known: ConnectionRuntime,
    draft_id: str,
    agent: Agent,
    work: Callable[[Locked], None],
) -> PanelView:
    """Find the draft, respect who may see its case, lock the case row, work, and show what is true then."""

    def find(transaction: sa.Connection) -> str:
        draft = drafts.get(transaction, runtime.store.cipher, draft_id)
        if draft is None or draft.connection != known.name:
            raise UnknownDraft("there is no such draft")
        ref = transaction.execute(sa.select(cases_table.c.ref).where(cases_table.c.id == draft.case_id))
        return str(ref.scalar_one())

    require_visible(known, agent, runtime.store.run(find))

    def locked_work(transaction: sa.Connection) -> PanelView:
        draft = drafts.get(transaction, runtime.store.cipher, draft_id)
        assert draft is not None
        case = cases.lock(transaction, draft.case_id)
        # Read again under the lock: what was read before it may be old.
        draft = drafts.get(transaction, runtime.store.cipher, draft_id)
        newest = drafts.latest(transaction, runtime.store.cipher, case.id)
        assert draft is not None
        assert newest is not None
        work(Locked(transaction=transaction, case=case, draft=draft, newest=newest))
        return build_view(runtime, transaction, cases.lock(transaction, case.id))

    return runtime.store.run(locked_work)


def wake(locked: Locked, moment: datetime, *, then: timedelta = timedelta(0)) -> None:
    """Make the case due now, so that the new state is shown, and again when the undo window ends."""
    queue.make_due(locked.transaction, locked.case.id, moment)
    queue.nudge(locked.transaction)
    if then > timedelta(0):
        queue.nudge(locked.transaction, after=then)


def conflict(runtime: Runtime, locked: Locked, detail: str) -> DecisionConflict:
    view = build_view(runtime, locked.transaction, locked.case)
    return DecisionConflict(detail, view, decisions.newest_of_case(locked.transaction, locked.case.id))
