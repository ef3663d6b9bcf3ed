"""What an agent sees of a draft: every state of the lifecycle maps to exactly one of the closed list.

One sentence and one action each. The words live here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from crm_bridge.contract import NoDraftReason, StateKind
from crm_bridge.core.lifecycle import DraftState

VISIBLE = MappingProxyType(
    {
        DraftState.DRAFTING: StateKind.DRAFTING,
        DraftState.READY: StateKind.DRAFTING,
        DraftState.WRITTEN: StateKind.READY,
        DraftState.APPROVED: StateKind.SENDING,
        DraftState.ATTEMPTED: StateKind.SENDING,
        DraftState.UNCONFIRMED: StateKind.UNCONFIRMED,
        DraftState.FAILED: StateKind.COULD_NOT_SEND,
        DraftState.HANDED_OVER: StateKind.HANDED_OVER,
        DraftState.REFUSED: StateKind.NO_DRAFT,
        DraftState.SENT: StateKind.SENT,
        DraftState.SENT_EDITED: StateKind.SENT,
        DraftState.ANSWERED_OTHERWISE: StateKind.ANSWERED_OTHERWISE,
        DraftState.NOT_SENT: StateKind.COULD_NOT_SEND,
        DraftState.REJECTED: StateKind.REJECTED,
        DraftState.REGENERATED: StateKind.DRAFTING,
        DraftState.SUPERSEDED: StateKind.SUPERSEDED,
        DraftState.MERGED: StateKind.ANSWERED_OTHERWISE,
        DraftState.EXPIRED: StateKind.NO_DRAFT,
        DraftState.GONE: StateKind.NO_DRAFT,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What is said and the one thing to do next."""

    sentence: str
    action: str


class TakenBack(StrEnum):
    """Why an approval was taken back by us, not by a person: what it was said of is not what stands in the CRM."""

    CHANGED_THERE = "changed_there"
    UNKNOWN_MESSAGE = "unknown_message"


class DraftWaits(StrEnum):
    """Why a draft that is being made takes longer."""

    FOR_ASSISTANT = "assistant_does_not_answer"


_READY = "A draft is ready."

_WORDS: dict[StateKind, Words] = {
    StateKind.DRAFTING: Words(sentence="A reply is being drafted.", action="Wait, or write your own reply."),
    StateKind.READY: Words(sentence=_READY, action="Accept, edit or reject it."),
    StateKind.SUPERSEDED: Words(
        sentence="Something new was said; this draft is out of date and a new one is coming.",
        action="Read what is new; your own text is kept.",
    ),
    StateKind.SENDING: Words(sentence="The reply is being sent.", action="Undo while you can."),
    StateKind.HANDED_OVER: Words(sentence="The text is in your own mail draft.", action="Send it there."),
    StateKind.SENT: Words(sentence="The reply was sent.", action="Nothing to do."),
    StateKind.COULD_NOT_SEND: Words(sentence="The reply could not be sent.", action="Try again, or edit it first."),
    StateKind.UNCONFIRMED: Words(
        sentence="It is not certain whether the reply went out.",
        action="Look in the thread, then say: it went out, or send again.",
    ),
    StateKind.REJECTED: Words(sentence="The draft was rejected.", action="Write your own reply, or ask for another."),
    StateKind.ANSWERED_OTHERWISE: Words(sentence="The case was answered otherwise.", action="Nothing to do."),
    StateKind.DECIDED_TOO_LATE: Words(
        sentence="This decision came too late: something newer stands. Nothing was sent.",
        action="Look at the newest draft and decide again.",
    ),
}

_NO_DRAFT: dict[NoDraftReason, Words] = {
    NoDraftReason.DATA: Words(
        sentence="No draft: the data of this case is not good enough.", action="Repair the fields named, or answer."
    ),
    NoDraftReason.NO_SOURCE: Words(
        sentence="No draft: no knowledge article answers this.", action="Answer yourself, or try again with a hint."
    ),
    NoDraftReason.POLICY: Words(sentence="No draft: policy does not allow one here.", action="Answer yourself."),
    NoDraftReason.NOT_IN_ROLLOUT: Words(
        sentence="No draft: this case is not in this rollout.", action="Answer yourself."
    ),
    NoDraftReason.MEASURED_WITHOUT_AI: Words(
        sentence="No draft: this case is measured without AI.", action="Answer yourself, as always."
    ),
    NoDraftReason.BUDGET: Words(
        sentence="No draft: the budget for drafts is used up.", action="Answer yourself, or ask an admin."
    ),
    NoDraftReason.PAUSED: Words(sentence="No draft: drafting is paused.", action="Answer yourself meanwhile."),
    NoDraftReason.TECHNICAL: Words(
        sentence="No draft: something technical went wrong.", action="Answer yourself; give an admin the id."
    ),
}

_BY_STATE: dict[DraftState, Words] = {
    DraftState.SENT_EDITED: Words(sentence="The reply was sent, edited in the CRM.", action="Nothing to do."),
    DraftState.NOT_SENT: Words(
        sentence="The text handed over was not sent.", action="Decide on the newest draft, or answer yourself."
    ),
    DraftState.MERGED: Words(sentence="The case was merged into another one.", action="Go on there."),
    DraftState.EXPIRED: Words(
        sentence="No draft: the last one was withdrawn, because nobody needed it any more.",
        action="Answer yourself, or ask for another.",
    ),
    DraftState.GONE: Words(sentence="No draft: it was removed in the CRM.", action="Answer yourself."),
}

BY_REASON: Mapping[tuple[DraftState, str], Words] = MappingProxyType(
    {
        (DraftState.DRAFTING, DraftWaits.FOR_ASSISTANT): Words(
            sentence="The assistant is not answering; the draft comes as soon as it does.",
            action="Write your own reply, or wait.",
        ),
        (DraftState.WRITTEN, TakenBack.CHANGED_THERE): Words(
            sentence=f"{_READY} The accepted reply was not sent, because somebody changed its text in the CRM.",
            action="Send the text you mean as an edit, or reject the draft.",
        ),
        (DraftState.WRITTEN, TakenBack.UNKNOWN_MESSAGE): Words(
            sentence=f"{_READY} Your reply was not sent, because the message it answers is not in this case.",
            action="Your text is kept: look at the thread and decide again.",
        ),
    }
)

ENDS_WITH_OWN_REPLY = frozenset({StateKind.NO_DRAFT, StateKind.REJECTED, StateKind.SUPERSEDED})
"""Where there was nothing to send, an agent's own reply is the end of it."""

SETTLED_REASONS = MappingProxyType({DraftState.EXPIRED: NoDraftReason.POLICY, DraftState.GONE: NoDraftReason.POLICY})
"""Which reason of the closed list stands for an outcome that left no draft."""


def words(state: DraftState, reason: str = "") -> Words:
    """The sentence and the action of a draft's state. An unknown reason reads as technical."""
    kind = VISIBLE[state]
    if (state, reason) in BY_REASON:
        return BY_REASON[state, reason]
    if state in _BY_STATE:
        return _BY_STATE[state]
    if kind is StateKind.NO_DRAFT:
        return no_draft_words(reason)
    return _WORDS[kind]


def no_draft_words(reason: str) -> Words:
    known = {item.value: item for item in NoDraftReason}
    return _NO_DRAFT[known.get(reason, NoDraftReason.TECHNICAL)]


def kind_words(kind: StateKind) -> Words:
    """The words of a kind without a draft behind it."""
    return _WORDS[kind]
