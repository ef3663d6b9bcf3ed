"""Put drafts and states into the CRM: never over a person's text, each once."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace

import sqlalchemy as sa

from crm_bridge.contract import (
    Conflict,
    DraftRef,
    Fingerprint,
    Mutability,
    NoDraftReason,
    PanelState,
    Permanent,
    Unsupported,
)
from crm_bridge.core.lifecycle import DraftState, DraftStep
from crm_bridge.pipeline.panel import build_state
from crm_bridge.pipeline.turn import Look, MovedOn, Turn
from crm_bridge.store import cases, drafts
from crm_bridge.store.drafts import DraftRow

_NOWHERE = Fingerprint(value="nowhere")
"""Stands in no CRM: a write that is to replace it can only bring back what was written before."""

HUMAN_TEXT = "A person has been writing here; their text was kept."


def write_key(connection: str, case: str, revision: int) -> str:
    """The idempotency key of a written draft: case and revision, never reused."""
    return hashlib.sha256(f"{connection}\0{case}\0{revision}".encode()).hexdigest()[:32]


def write(turn: Turn, look: Look) -> None:
    """Write the ready draft where the agent sees it, compared with what we last wrote there.

    A refusal is looked into once: read again first, then learn what of ours stands there; what is left is a person's.
    """
    draft = look.draft
    assert draft is not None
    addressing = draft.content.addressing or (turn.context.addressing if turn.context else None)
    if addressing is None:
        _keep_out(turn, NoDraftReason.DATA, "There is no address to reply to.")
        return
    key = write_key(turn.known.name, turn.ref.id, draft.revision)
    try:
        refused_before = turn.refused_write == key
        replaces = _ours_there(turn, key) if refused_before else _fingerprint(_standing(turn))
        _announce(turn, draft, key)
        ref = turn.adapter.write_draft(turn.ref, draft.as_draft(addressing), key, replaces)
    except Conflict:
        if refused_before:
            _keep_out(turn, NoDraftReason.POLICY, HUMAN_TEXT)
        turn.refused_write, turn.stale = key, not refused_before
    except (Permanent, Unsupported) as error:
        _keep_out(turn, NoDraftReason.TECHNICAL, f"({error.code}, {draft.id})")
    else:
        _written(turn, draft, ref)
        # A write begun before may have stood there for a while: what was said of it meanwhile is read again.
        turn.stale = turn.stale or draft.write_key is not None


def _announce(turn: Turn, draft: DraftRow, key: str) -> None:
    """Commit that a write begins: whoever goes on after a crash knows that it may stand there."""
    turn.check(draft)

    def work(transaction: sa.Connection, now: Look) -> None:
        if now.draft is None or (now.draft.id, now.draft.revision) != (draft.id, draft.revision):
            raise MovedOn
        if now.draft.write_key is None:
            drafts.change(transaction, turn.cipher, draft.id, write_key=key)

    turn.commit(work)


def _standing(turn: Turn) -> DraftRef | None:
    return turn.runtime.store.run(lambda transaction: drafts.standing(transaction, turn.case_id))


def _fingerprint(ref: DraftRef | None) -> Fingerprint | None:
    return ref.fingerprint if ref is not None else None


def _ours_there(turn: Turn, key: str) -> Fingerprint | None:
    """What of ours stands there, when it is not what we know of: a write whose answer was lost, or nothing any more.

    Where none of ours does, the next write is refused again: a person's text stands there.
    """
    before = _standing(turn)
    lost = turn.runtime.store.run(
        lambda transaction: drafts.lost_write(transaction, turn.cipher, turn.case_id, key=key)
    )
    found = find_lost(turn, lost) if lost is not None else None
    if found is not None:
        return found.fingerprint
    if turn.adapter.capabilities.target.readable and before is not None and turn.adapter.read_draft(before) is None:
        return None
    return _fingerprint(before)


def find_lost(turn: Turn, draft: DraftRow) -> DraftRef | None:
    """Where a draft stands whose write was announced and its answer never seen. None: nowhere, or nobody can tell.

    The same key again brings what it wrote. Where it wrote nothing, nothing is written now either: what is named as
    standing there never does.
    """
    target, addressing = turn.adapter.capabilities.target, draft.content.addressing
    asks = target.idempotent and target.mutability is Mutability.REPLACE
    if not asks or draft.write_key is None or addressing is None:
        return None
    turn.check(draft)
    try:
        found = turn.adapter.write_draft(turn.ref, draft.as_draft(addressing), draft.write_key, _NOWHERE)
    except Conflict:
        return None
    turn.commit(lambda transaction, _now: _note_written(turn, transaction, draft, found))
    return found


def _note_written(turn: Turn, transaction: sa.Connection, draft: DraftRow, ref: DraftRef) -> None:
    drafts.change(transaction, turn.cipher, draft.id, remote_id=ref.id, fingerprint=ref.fingerprint.value)


def _written(turn: Turn, draft: DraftRow, ref: DraftRef) -> None:
    def work(transaction: sa.Connection, now: Look) -> None:
        # Also when it moved on while we wrote: what we wrote is known all the same.
        _note_written(turn, transaction, draft, ref)
        current = now.draft
        if current is None or (current.id, current.revision, current.state) != (
            draft.id,
            draft.revision,
            DraftState.READY,
        ):
            return
        drafts.take_step(transaction, turn.cipher, current, DraftStep.WRITE)
        # A written draft says by itself that it is ready: no second call for the state.
        cases.mark_all_shown(transaction, turn.case_id)

    turn.commit(work)


def _keep_out(turn: Turn, reason: NoDraftReason, detail: str) -> None:
    def work(transaction: sa.Connection, now: Look) -> None:
        if now.draft is not None and now.draft.state is DraftState.READY:
            drafts.take_step(transaction, turn.cipher, now.draft, DraftStep.REFUSE, reason=reason.value, detail=detail)

    turn.commit(work)


def withdraw(turn: Turn, look: Look) -> None:
    """Take away a draft that has ended; a text that a person was at stays, and is not asked for again."""
    draft = look.outdated
    assert draft is not None
    try:
        ref = draft.ref or find_lost(turn, draft)
        if ref is not None:
            turn.check(draft)
            turn.adapter.withdraw_draft(ref, ref.fingerprint)
    except (Conflict, Permanent, Unsupported):
        withdrawal = "kept"
    else:
        withdrawal = "done" if ref is not None else drafts.NOT_THERE
    turn.commit(lambda transaction, _now: drafts.change(transaction, turn.cipher, draft.id, withdrawal=withdrawal))


def shows(turn: Turn) -> bool:
    return turn.known.policy.mode == "suggest" and turn.adapter.capabilities.target.shows_states


def show(turn: Turn, look: Look) -> None:
    """Show what is true, where the target can carry a state and it is not shown yet."""
    if not shows(turn) or look.case.sequence <= look.case.shown_sequence:
        return
    state = turn.runtime.store.run(lambda transaction: _state_there(turn, transaction, look))
    key = hashlib.sha256(f"{turn.known.name}\0{turn.ref.id}\0state\0{state.sequence}".encode()).hexdigest()[:32]
    turn.check(None)
    # A state is a courtesy: where it cannot be shown, the work goes on and the panel still answers.
    with contextlib.suppress(Conflict, Unsupported, Permanent):
        turn.adapter.show(turn.ref, state, key)
    turn.commit(lambda transaction, _now: cases.mark_shown(transaction, turn.case_id, state.sequence))


def _state_there(turn: Turn, transaction: sa.Connection, look: Look) -> PanelState:
    """What is shown in the CRM: while a new draft is made, the draft it speaks of is the one that stands there.

    So the CRM learns what became of that one before anything is written over it.
    """
    said = cases.messages(transaction, turn.cipher, turn.case_id)
    state, newest = build_state(transaction, look.case, look.latest, said), look.latest
    if newest is None or not newest.live or newest.write_key is not None:
        return state
    standing = drafts.last_written(transaction, turn.cipher, turn.case_id)
    if standing is None or standing.id == newest.id:
        return state
    return replace(state, draft_id=standing.id, draft_status=standing.state.value, revision=standing.revision)
