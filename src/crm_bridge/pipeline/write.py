"""Put drafts and states into the CRM: never over a person's text, each once."""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any

import sqlalchemy as sa

from crm_bridge.contract import Conflict, NoDraftReason, Permanent, Unsupported
from crm_bridge.core.lifecycle import DraftState, DraftStep
from crm_bridge.pipeline.panel import build_state
from crm_bridge.pipeline.turn import Look, Turn
from crm_bridge.store import cases, drafts

HUMAN_TEXT = "A person has been writing here; their text was kept."


def write_key(connection: str, case: str, revision: int) -> str:
    """The idempotency key of a written draft: case and revision, never reused."""
    return hashlib.sha256(f"{connection}\0{case}\0{revision}".encode()).hexdigest()[:32]


def write(turn: Turn, look: Look) -> None:
    """Write the ready draft where the agent sees it, compared with what we last wrote there."""
    draft = look.draft
    assert draft is not None
    before = turn.runtime.store.run(lambda transaction: drafts.standing(transaction, turn.case_id))
    turn.check(draft)
    key = write_key(turn.known.name, turn.ref.id, draft.revision)
    try:
        ref = turn.adapter.write_draft(turn.ref, draft.as_draft(), key, before.fingerprint if before else None)
    except Conflict:
        _keep_out(turn, NoDraftReason.POLICY, HUMAN_TEXT)
        return
    except (Permanent, Unsupported) as error:
        _keep_out(turn, NoDraftReason.TECHNICAL, f"({error.code}, {draft.id})")
        return

    def work(transaction: sa.Connection, now: Look) -> None:
        current = now.draft
        if current is None or current.id != draft.id:
            # It moved on while we wrote; what we wrote is known all the same.
            drafts.change(transaction, turn.cipher, draft.id, remote_id=ref.id, fingerprint=ref.fingerprint.value)
            return
        changes: dict[str, Any] = {"remote_id": ref.id, "fingerprint": ref.fingerprint.value}
        if current.state is DraftState.READY and current.revision == draft.revision:
            drafts.take_step(transaction, turn.cipher, current, DraftStep.WRITE, **changes)
            # A written draft says by itself that it is ready: no second call for the state.
            cases.mark_shown(transaction, turn.case_id, now.case.sequence + 1)
        else:
            drafts.change(transaction, turn.cipher, draft.id, **changes)

    turn.commit(work)


def _keep_out(turn: Turn, reason: NoDraftReason, detail: str) -> None:
    def work(transaction: sa.Connection, now: Look) -> None:
        if now.draft is not None and now.draft.state is DraftState.READY:
            drafts.take_step(transaction, turn.cipher, now.draft, DraftStep.REFUSE, reason=reason.value, detail=detail)

    turn.commit(work)


def shows(turn: Turn) -> bool:
    return turn.known.policy.mode == "suggest" and turn.adapter.capabilities.target.shows_states


def show(turn: Turn, look: Look) -> None:
    """Show what is true, where the target can carry a state and it is not shown yet."""
    if not shows(turn) or look.case.sequence <= look.case.shown_sequence:
        return
    state = turn.runtime.store.run(lambda transaction: build_state(transaction, look.case, look.latest))
    key = hashlib.sha256(f"{turn.known.name}\0{turn.ref.id}\0state\0{state.sequence}".encode()).hexdigest()[:32]
    turn.check(None)
    # A state is a courtesy: where it cannot be shown, the work goes on and the panel still answers.
    with contextlib.suppress(Conflict, Unsupported, Permanent):
        turn.adapter.show(turn.ref, state, key)
    turn.commit(lambda transaction, _now: cases.mark_shown(transaction, turn.case_id, state.sequence))
