"""What became of a draft or a reply, read from the case as it is now. Pure: rows and context in, conclusions out.

Rules by ids, never by clocks: a draft knows the public messages it saw; anything else public is new. Our own replies
are not new, and while a reply may be on its way an outgoing message is first matched to it. Automatic messages
(auto-replies, bounces) are nobody's word: they neither start a draft nor retire one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from crm_bridge.contract import CaseContext, Message
from crm_bridge.core.lifecycle import IN_FLIGHT, DraftState, DraftStep
from crm_bridge.core.textmatch import Likeness, likeness
from crm_bridge.store.drafts import DraftRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """What we know to be ours: ids of messages our replies became, and the keys of every attempt."""

    ids: Collection[str]
    keys: Collection[str]

    def __contains__(self, message: Message) -> bool:
        return message.id in self.ids or (message.key is not None and message.key in self.keys)


@dataclass(frozen=True, kw_only=True, slots=True)
class Conclusion:
    """The steps a message means for a draft, and the message itself."""

    steps: tuple[DraftStep, ...]
    message: Message


def open_question(public: Sequence[Message]) -> Message | None:
    """The newest word of the customer among the public messages, when nobody has answered it yet."""
    spoken = [message for message in public if not message.automatic]
    return spoken[-1] if spoken and spoken[-1].direction == "incoming" else None


def own_answer(public: Sequence[Message]) -> Message | None:
    """The newest word among the public messages, when it is not the customer's: nobody waits for another one."""
    spoken = [message for message in public if not message.automatic]
    return spoken[-1] if spoken and spoken[-1].direction == "outgoing" else None


def seen_by_edit(context_ids: tuple[str, ...], seen: tuple[str, ...], answers: str) -> tuple[str, ...]:
    """What an approver knew of who named the newest message they answer: all up to it, in the CRM's order."""
    if answers not in context_ids:
        return tuple(dict.fromkeys((*seen, answers)))
    upto = context_ids[: context_ids.index(answers) + 1]
    return tuple(dict.fromkeys((*seen, *upto)))


def newer_words(public: Sequence[Message], named: str) -> tuple[Message, ...]:
    """What anybody said after a message, automatic ones left out. Empty when the message is not known."""
    ids = [message.id for message in public]
    later = public[ids.index(named) + 1 :] if named in ids else ()
    return tuple(message for message in later if not message.automatic)


def news(draft: DraftRow, context: CaseContext, own: Own) -> tuple[Message, ...]:
    """Public messages this draft did not see, oldest first, without our own replies and automatic ones.

    Whoever typed a reply saw all that stood before the message they name. A draft saw what it was made from and nothing
    else: what a merge, or a late index, put before its question is new to it.
    """
    ids = tuple(message.id for message in context.public_messages) if draft.decision == "edited" else ()
    seen = set(seen_by_edit(ids, draft.seen, draft.answers))
    return tuple(
        message
        for message in context.public_messages
        if message.id not in seen and not message.automatic and message not in own
    )


def conclude(draft: DraftRow, context: CaseContext, own: Own, current_key: str | None) -> Conclusion | None:
    """What the case says of a live draft; None when nothing changed for it."""
    if draft.state in IN_FLIGHT:
        return _match_in_flight(draft, context, own, current_key)
    found = news(draft, context, own)
    if draft.state is DraftState.HANDED_OVER and (sent := _sent_from_hand(draft, found)) is not None:
        return sent
    for message in found:
        if message.direction == "incoming":
            step = DraftStep.SEE_NOT_SENT if draft.state is DraftState.HANDED_OVER else DraftStep.SUPERSEDE
            return Conclusion(steps=(step,), message=message)
        return Conclusion(steps=_answered(draft, message), message=message)
    return None


def _sent_from_hand(draft: DraftRow, found: Sequence[Message]) -> Conclusion | None:
    """The text handed over went out, also when the customer wrote once more before it did."""
    for message in found:
        steps = _answered(draft, message) if message.direction == "outgoing" else ()
        if steps and steps != (DraftStep.SEE_OTHER_ANSWER,):
            return Conclusion(steps=steps, message=message)
    return None


def _match_in_flight(draft: DraftRow, context: CaseContext, own: Own, current_key: str | None) -> Conclusion | None:
    """Only a match ends the doubt; whatever else was said waits until the reply is settled."""
    for message in context.public_messages:
        if message.direction != "outgoing" or message.id in own.ids or message.id in draft.seen:
            continue
        by_key = current_key is not None and message.key == current_key
        # A message that carries another key is another reply, whatever its text says.
        by_text = message.key is None and likeness(draft.approved_text or "", message.text) is Likeness.SAME
        if by_key or (by_text and message.author.kind in {"agent", "bridge"}):
            return Conclusion(steps=(DraftStep.CONFIRM,), message=message)
    return None


_APPROVED = frozenset({DraftState.HANDED_OVER, DraftState.APPROVED, DraftState.FAILED})
"""A person has approved the text already."""


def _answered(draft: DraftRow, message: Message) -> tuple[DraftStep, ...]:
    """Somebody answered natively: with our text, with our text edited, or with another one."""
    found = likeness(draft.approved_text or draft.text or "", message.text)
    seen = {Likeness.SAME: DraftStep.SEE_SENT, Likeness.EDITED: DraftStep.SEE_EDITED}.get(found)
    if seen is None:
        return (DraftStep.SEE_OTHER_ANSWER,)
    if draft.state in _APPROVED:
        return (seen,)
    if draft.state is DraftState.WRITTEN and message.author.kind == "agent":
        # Taken over by hand: the person who sent it decided it, and is recorded as such.
        return (DraftStep.HAND_OVER, seen)
    return (DraftStep.SEE_OTHER_ANSWER,)
