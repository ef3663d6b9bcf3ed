"""What has to be true of an approval right before it is acted on, and why it is taken back where it is not.

Who accepts a draft accepts what stands in the CRM; who edits it says which message the text answers. Both are compared
with what is there at that moment. It owns no sending.
"""

from __future__ import annotations

import sqlalchemy as sa

from crm_bridge.contract import CaseContext, Decider, DecisionKind
from crm_bridge.core.lifecycle import DraftStep
from crm_bridge.core.textmatch import normalise
from crm_bridge.core.visible import TakenBack
from crm_bridge.pipeline.turn import Turn
from crm_bridge.pipeline.write import find_lost
from crm_bridge.store import decisions, drafts
from crm_bridge.store.drafts import DraftRow


def text_put_there(turn: Turn, draft: DraftRow) -> str | None:
    """What a person put over a draft that was accepted as it stands; None when it is our text. One CRM call.

    Where the CRM decides, an approval read from it came with the text that stood there. An edit sends what its author
    typed, whatever stands there. Raises what `read_draft` raises.
    """
    target = turn.adapter.capabilities.target
    if not target.readable or Decider.BRIDGE not in target.decides:
        return None
    if not turn.runtime.store.run(lambda transaction: _accepted(transaction, draft)):
        return None
    ref = draft.ref or find_lost(turn, draft)
    remote = turn.adapter.read_draft(ref) if ref is not None else None
    if ref is None or remote is None or remote.ref.fingerprint == ref.fingerprint:
        return None
    return None if normalise(remote.text) == normalise(draft.text or "") else remote.text


def given_back(
    turn: Turn, transaction: sa.Connection, draft: DraftRow, context: CaseContext, put_there: str | None
) -> bool:
    """Whether an approval does not hold, and was taken back: nothing goes out. The case is locked."""
    if put_there is not None:
        kept = put_there if normalise(put_there) else draft.working_text
        drafts.take_back(transaction, turn.cipher, draft, working_text=kept, reason=TakenBack.CHANGED_THERE.value)
        return True
    in_thread = {message.id for message in context.public_messages}
    if draft.answers in in_thread or _accepted(transaction, draft):
        return False
    _unanswer(turn, transaction, draft, context)
    return True


def _accepted(transaction: sa.Connection, draft: DraftRow) -> bool:
    """Approved by an accept. An edit that was re-based to this draft is recorded on the one it was typed over."""
    said = decisions.of_draft(transaction, draft.id)
    return draft.decision == "accepted" and bool(said) and said[0].kind == DecisionKind.ACCEPT


def _unanswer(turn: Turn, transaction: sa.Connection, draft: DraftRow, context: CaseContext) -> None:
    """The message an edit names is no public message of this case: its text is kept, and answers nothing yet."""
    seen = tuple(known for known in draft.seen if known != draft.answers)
    heard = [message.id for message in context.public_messages if message.direction == "incoming"]
    answers = next((known for known in reversed(heard) if known in seen), "")
    if draft.text is None:
        # There was no draft under it that could stand there again.
        drafts.take_step(
            transaction, turn.cipher, draft, DraftStep.SUPERSEDE, working_text=draft.approved_text, answers=answers
        )
        return
    drafts.take_back(
        transaction, turn.cipher, draft, answers=answers, seen=seen, reason=TakenBack.UNKNOWN_MESSAGE.value
    )
