"""The life of a draft: one table of (state, step) -> state. Nothing else decides a transition.

`LIVE` drafts can still change; every other state is an outcome, and a draft ends in exactly one. `sent` is only
reachable through a step of `DECISIONS`, each of which is recorded with the name of a person.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class DraftState(StrEnum):
    """Where a draft stands."""

    DRAFTING = "drafting"
    READY = "ready"
    WRITTEN = "written"
    APPROVED = "approved"
    ATTEMPTED = "attempted"
    UNCONFIRMED = "unconfirmed"
    FAILED = "failed"
    HANDED_OVER = "handed_over"
    # outcomes
    REFUSED = "refused"
    SENT = "sent"
    SENT_EDITED = "sent_edited"
    ANSWERED_OTHERWISE = "answered_otherwise"
    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    REGENERATED = "regenerated"
    SUPERSEDED = "superseded"
    MERGED = "merged"
    EXPIRED = "expired"
    GONE = "gone"


class DraftStep(StrEnum):
    """What can happen to a draft."""

    PROPOSE = "propose"
    REFUSE = "refuse"
    WRITE = "write"
    ACCEPT = "accept"
    EDIT = "edit"
    REJECT = "reject"
    RESPOND = "respond"
    HAND_OVER = "hand_over"
    UNDO = "undo"
    UNDO_UNWRITTEN = "undo_unwritten"
    UNDO_RESEND = "undo_resend"
    ATTEMPT = "attempt"
    CONFIRM = "confirm"
    PROVE_ABSENT = "prove_absent"
    LOSE_SIGHT = "lose_sight"
    FAIL = "fail"
    RESEND = "resend"
    SETTLE_SENT = "settle_sent"
    SEE_SENT = "see_sent"
    SEE_EDITED = "see_edited"
    SEE_OTHER_ANSWER = "see_other_answer"
    SEE_NOT_SENT = "see_not_sent"
    SUPERSEDE = "supersede"
    MERGE = "merge"
    EXPIRE = "expire"
    VANISH = "vanish"


_S, _E = DraftState, DraftStep

DECISIONS = frozenset({_E.ACCEPT, _E.EDIT, _E.HAND_OVER})
"""Steps that approve a text. Each needs a named person; no way to `sent` avoids all of them."""

NEW_REVISION = frozenset({_E.PROPOSE, _E.UNDO, _E.UNDO_UNWRITTEN, _E.UNDO_RESEND, _E.RESEND, _E.FAIL})
"""Steps after which an agent decides on something else than before: the same answer again is another answer."""

_BEFORE_SENDING = (_S.DRAFTING, _S.READY, _S.WRITTEN, _S.APPROVED, _S.FAILED)

_TABLE: dict[tuple[DraftState, DraftStep], DraftState] = {
    (_S.DRAFTING, _E.PROPOSE): _S.READY,
    (_S.DRAFTING, _E.REFUSE): _S.REFUSED,
    (_S.READY, _E.REFUSE): _S.REFUSED,
    (_S.READY, _E.WRITE): _S.WRITTEN,
    # a person decides; an edit that names the newest message needs no finished proposal
    (_S.WRITTEN, _E.ACCEPT): _S.APPROVED,
    (_S.FAILED, _E.ACCEPT): _S.APPROVED,
    (_S.DRAFTING, _E.EDIT): _S.APPROVED,
    (_S.READY, _E.EDIT): _S.APPROVED,
    (_S.WRITTEN, _E.EDIT): _S.APPROVED,
    (_S.FAILED, _E.EDIT): _S.APPROVED,
    (_S.WRITTEN, _E.REJECT): _S.REJECTED,
    (_S.FAILED, _E.REJECT): _S.REJECTED,
    (_S.WRITTEN, _E.RESPOND): _S.REGENERATED,
    (_S.FAILED, _E.RESPOND): _S.REGENERATED,
    # asking again where there is no draft keeps that outcome and starts another draft
    (_S.REFUSED, _E.RESPOND): _S.REFUSED,
    (_S.REJECTED, _E.RESPOND): _S.REJECTED,
    (_S.EXPIRED, _E.RESPOND): _S.EXPIRED,
    (_S.NOT_SENT, _E.RESPOND): _S.NOT_SENT,
    (_S.APPROVED, _E.UNDO): _S.WRITTEN,
    (_S.APPROVED, _E.UNDO_UNWRITTEN): _S.READY,
    # "send again" taken back: the first attempt is as uncertain as before
    (_S.APPROVED, _E.UNDO_RESEND): _S.UNCONFIRMED,
    # the bridge sends
    (_S.APPROVED, _E.ATTEMPT): _S.ATTEMPTED,
    (_S.APPROVED, _E.FAIL): _S.FAILED,
    # what a person approved is in the thread, whoever put it there
    (_S.APPROVED, _E.SEE_SENT): _S.SENT,
    (_S.APPROVED, _E.SEE_EDITED): _S.SENT_EDITED,
    (_S.FAILED, _E.SEE_SENT): _S.SENT,
    (_S.FAILED, _E.SEE_EDITED): _S.SENT_EDITED,
    (_S.ATTEMPTED, _E.CONFIRM): _S.SENT,
    (_S.ATTEMPTED, _E.PROVE_ABSENT): _S.APPROVED,
    (_S.ATTEMPTED, _E.LOSE_SIGHT): _S.UNCONFIRMED,
    (_S.ATTEMPTED, _E.FAIL): _S.FAILED,
    (_S.UNCONFIRMED, _E.CONFIRM): _S.SENT,
    (_S.UNCONFIRMED, _E.SETTLE_SENT): _S.SENT,
    (_S.UNCONFIRMED, _E.RESEND): _S.APPROVED,
    # the agent sends in the CRM; what became of it is observed
    (_S.WRITTEN, _E.HAND_OVER): _S.HANDED_OVER,
    (_S.HANDED_OVER, _E.SEE_SENT): _S.SENT,
    (_S.HANDED_OVER, _E.SEE_EDITED): _S.SENT_EDITED,
    (_S.HANDED_OVER, _E.SEE_OTHER_ANSWER): _S.ANSWERED_OTHERWISE,
    (_S.HANDED_OVER, _E.SEE_NOT_SENT): _S.NOT_SENT,
    (_S.HANDED_OVER, _E.MERGE): _S.MERGED,
    (_S.HANDED_OVER, _E.VANISH): _S.GONE,
    # nobody waits for ever
    (_S.READY, _E.EXPIRE): _S.EXPIRED,
    (_S.WRITTEN, _E.EXPIRE): _S.EXPIRED,
    (_S.FAILED, _E.EXPIRE): _S.EXPIRED,
    (_S.DRAFTING, _E.EXPIRE): _S.EXPIRED,
    (_S.HANDED_OVER, _E.EXPIRE): _S.NOT_SENT,
    **{(state, _E.SUPERSEDE): _S.SUPERSEDED for state in _BEFORE_SENDING},
    **{(state, _E.SEE_OTHER_ANSWER): _S.ANSWERED_OTHERWISE for state in _BEFORE_SENDING},
    **{(state, _E.MERGE): _S.MERGED for state in _BEFORE_SENDING},
    **{(state, _E.VANISH): _S.GONE for state in _BEFORE_SENDING},
}

TABLE = MappingProxyType(_TABLE)
LIVE = frozenset(
    {_S.DRAFTING, _S.READY, _S.WRITTEN, _S.APPROVED, _S.ATTEMPTED, _S.UNCONFIRMED, _S.FAILED, _S.HANDED_OVER}
)
IN_FLIGHT = frozenset({_S.ATTEMPTED, _S.UNCONFIRMED})
"""The reply may have gone out: an outgoing message is first matched to it."""
OUTCOMES = frozenset(DraftState) - LIVE


class IllegalStep(Exception):
    """The table has no such transition; whoever asked acts on something that has changed meanwhile."""

    def __init__(self, state: DraftState, step: DraftStep) -> None:
        super().__init__(f"a draft that is {state} cannot {step}")
        self.state = state
        self.step = step


def after(state: DraftState, step: DraftStep) -> DraftState:
    """The state a step leads to. Raises `IllegalStep`."""
    try:
        return TABLE[state, step]
    except KeyError:
        raise IllegalStep(state, step) from None


def allows(state: DraftState, step: DraftStep) -> bool:
    return (state, step) in TABLE
