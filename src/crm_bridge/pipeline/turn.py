"""One worker's turn at one case: what it holds, what it has read, and the fenced transaction every commit goes
through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import sqlalchemy as sa

from crm_bridge.contract import Adapter, CaseContext, CaseRef
from crm_bridge.pipeline.observe import open_question
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.store import cases, connections, drafts, inbox, queue
from crm_bridge.store.cases import CaseRow, EpisodeRow
from crm_bridge.store.connections import ConnectionStatus
from crm_bridge.store.database import now
from crm_bridge.store.drafts import DraftRow
from crm_bridge.store.encryption import Cipher
from crm_bridge.store.queue import Lease

T = TypeVar("T")


class MovedOn(Exception):
    """What an effect was about has changed since we looked: nothing was done, look again."""


class Stopped(Exception):
    """A person stopped the connection: no effect of it leaves any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What is true of a case at one moment, all read in one transaction."""

    case: CaseRow
    draft: DraftRow | None
    latest: DraftRow | None
    episode: EpisodeRow | None
    connection: ConnectionStatus
    pending: inbox.Pending
    outdated: DraftRow | None
    """A draft nobody should use any more, standing in a CRM that cannot show that."""
    unanswered: bool
    """The messages as last read hold a word of the customer that the newest draft never saw."""
    at: datetime


@dataclass(kw_only=True)
class Turn:
    """`covered`: ids of the events that the last reading of the CRM answers. `context`: what it brought."""

    runtime: Runtime
    known: ConnectionRuntime
    lease: Lease
    case_id: int
    ref: CaseRef
    context: CaseContext | None = None
    covered: tuple[int, ...] = ()
    ignored: str = ""
    """Why the covered events mean nothing to us, when they do not."""
    wait_until: datetime | None = None
    """Set when this case has to wait although something is pending."""
    asks_in: timedelta | None = None
    """Set while the assistant is not asked: the draft that waits for it is looked at again after that."""
    stale: bool = False
    """What was read is known to be out of date: read again before anything else."""
    refused_write: str = ""
    """The key of a write the CRM refused in this turn."""

    @property
    def adapter(self) -> Adapter:
        return self.known.adapter

    @property
    def cipher(self) -> Cipher:
        return self.runtime.store.cipher

    def look(self) -> Look:
        return self.runtime.store.run(self.look_inside)

    def look_inside(self, transaction: sa.Connection) -> Look:
        case = cases.find(transaction, self.known.name, self.ref.id)
        status = connections.status(transaction, self.known.name)
        assert case is not None
        assert status is not None
        latest = drafts.latest(transaction, self.cipher, case.id)
        live = drafts.live(transaction, self.cipher, case.id)
        return Look(
            case=case,
            draft=live,
            latest=latest,
            episode=cases.current_episode(transaction, case.id),
            connection=status,
            pending=inbox.pending(transaction, self.lease.item_id),
            outdated=drafts.outdated(transaction, self.cipher, case.id) if self._withdraws() else None,
            unanswered=live is None and self._unanswered(transaction, latest),
            at=now(transaction),
        )

    def _withdraws(self) -> bool:
        """Where the CRM can show states, an ended draft stays in sight with what became of it."""
        target = self.adapter.capabilities.target
        return self.known.policy.mode == "suggest" and target.withdrawable and not target.shows_states

    def _unanswered(self, transaction: sa.Connection, latest: DraftRow | None) -> bool:
        if latest is None or self.context is not None:
            return False
        question = open_question(cases.messages(transaction, self.cipher, self.case_id))
        return question is not None and question.id not in latest.seen and question.id != latest.answers

    def commit(self, work: Callable[[sa.Connection, Look], T]) -> T:
        """Lock the case, check the fence, look again, then work: the only way a worker changes a case.

        Raises `LeaseLost` when another worker may hold the item.
        """

        def fenced(transaction: sa.Connection) -> T:
            cases.lock(transaction, self.case_id)
            queue.hold(transaction, self.lease)
            return work(transaction, self.look_inside(transaction))

        return self.runtime.store.run(fenced)

    def check(self, draft: DraftRow | None) -> None:
        """Right before an effect leaves: still our lease, nobody stopped us, and still this draft in this state.

        Renews the lease, so that the effect has all of it. Raises `LeaseLost`, `Stopped`, `MovedOn`.
        """
        queue.renew(self.runtime.store, self.lease)

        def same(transaction: sa.Connection) -> bool:
            status = connections.status(transaction, self.known.name)
            if status is None or status.stopped_at is not None:
                raise Stopped
            found = None if draft is None else drafts.get(transaction, self.cipher, draft.id)
            return draft is None or (
                found is not None and (found.state, found.revision) == (draft.state, draft.revision)
            )

        if not self.runtime.store.run(same):
            raise MovedOn
