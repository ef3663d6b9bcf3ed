"""From a case to a draft: assign, check, mask, ground, draft, guard. Persisted before it is written anywhere."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from crm_bridge.assistants import Abstention, Proposal
from crm_bridge.contract import (
    CaseContext,
    Finding,
    Message,
    NoDraftReason,
    Permanent,
    Reauthenticate,
    Retry,
    Severity,
    Source,
)
from crm_bridge.core.experiment import Arm
from crm_bridge.core.guard import inspect
from crm_bridge.core.lifecycle import DraftState, DraftStep
from crm_bridge.core.masking import MaskedContext, Unmasking, mask
from crm_bridge.core.quality import check
from crm_bridge.core.visible import DraftWaits
from crm_bridge.pipeline.ground import ground
from crm_bridge.pipeline.observe import open_question
from crm_bridge.pipeline.trouble import AssistantTrouble
from crm_bridge.pipeline.turn import Look, Turn
from crm_bridge.pipeline.write import show
from crm_bridge.store import cases, drafts, inbox, queue, spent
from crm_bridge.store.codec import to_json
from crm_bridge.store.drafts import Content, DraftRow
from crm_bridge.store.locks import lock_for_transaction

BURST = 3
BURST_WITHIN = timedelta(minutes=10)
QUIET = timedelta(minutes=1)
"""At most three drafts in ten minutes for a case; then it waits for a quiet minute."""

_AGAIN = frozenset({DraftState.SUPERSEDED})


def wanted(turn: Turn, look: Look) -> Message | None:
    """The message a new draft is needed for, when one is."""
    context = turn.context
    if context is None or look.draft is not None or not context.open:
        return None
    question = open_question(context.public_messages)
    if question is None:
        return None
    last = look.latest
    if last is None or last.answers != question.id:
        return question
    closed_before = last.state is DraftState.EXPIRED and last.reason == "closed"
    # What can never be taken away again is written once per message of the customer.
    replaceable = turn.adapter.capabilities.target.withdrawable or last.write_key is None
    return question if replaceable and (last.state in _AGAIN or closed_before or _was_unreadable(last)) else None


def _was_unreadable(draft: DraftRow) -> bool:
    """Given up because the case could not be read: no assistant was ever asked."""
    return draft.state is DraftState.REFUSED and draft.reason == "technical" and not draft.context_id


def begin(turn: Turn, look: Look, question: Message) -> None:
    """A new draft, or an honest "no draft, because …" at once. Sets `turn.wait_until` instead in a burst."""
    context = turn.context
    assert context is not None
    if question.sent_at < turn.known.policy.start_from:
        turn.ignored = "before_start"
        return
    wait = _quiet_wait(turn, look)
    if wait is not None:
        turn.wait_until = look.at + wait
        return
    findings = check(context, turn.known.policy.quality, look.at)

    def work(transaction: sa.Connection, now: Look) -> None:
        if now.draft is not None:
            return
        draft = drafts.begin(
            transaction,
            turn.cipher,
            name=turn.known.name,
            case_id=turn.case_id,
            episode_id=now.episode.id if now.episode else None,
            answers=question.id,
            seen=[message.id for message in context.public_messages],
            previous_id=now.latest.id if now.latest else None,
            instruction=_unheard_instruction(now.latest),
            working_text=now.latest.working_text if now.latest else None,
        )
        refusal = _refusal(turn, transaction, now, context, findings)
        if refusal is not None:
            reason, detail = refusal
            _refuse(turn, transaction, draft, reason, detail, findings)

    turn.commit(work)


def _unheard_instruction(last: DraftRow | None) -> str | None:
    """What an agent asked for is not forgotten because the customer wrote once more."""
    return last.instruction if last is not None and (last.state in _AGAIN or _was_unreadable(last)) else None


def _quiet_wait(turn: Turn, look: Look) -> timedelta | None:
    recent = turn.runtime.store.run(
        lambda transaction: spent.count_since(transaction, BURST_WITHIN, case_id=turn.case_id)
    )
    if recent < BURST:
        return None
    newest = look.pending.newest_at or (look.latest.state_since if look.latest else look.at)
    wait = newest + QUIET - look.at
    return wait if wait > timedelta(0) else None


def _refusal(
    turn: Turn, transaction: sa.Connection, look: Look, context: CaseContext, findings: tuple[Finding, ...]
) -> tuple[NoDraftReason, str] | None:
    """The first reason not to draft, in the order an admin would expect; the arm never sees the context."""
    episode, policy = look.episode, turn.known.policy
    if episode is not None and not episode.eligible:
        return NoDraftReason.NOT_IN_ROLLOUT, ""
    if episode is not None and episode.arm == Arm.HOLDOUT.value:
        return NoDraftReason.MEASURED_WITHOUT_AI, ""
    blocking = [finding for finding in findings if finding.severity is Severity.BLOCKING]
    if blocking:
        return NoDraftReason.DATA, " ".join(_sentence(finding.detail) for finding in blocking)
    if context.addressing is None:
        return NoDraftReason.DATA, "There is no address to reply to."
    if policy.max_drafts_per_hour is not None or policy.daily_cost_limit is not None:
        lock_for_transaction(transaction, f"budget/{turn.known.name}")
    if policy.max_drafts_per_hour is not None:
        used = spent.count_since(transaction, timedelta(hours=1), name=turn.known.name)
        if used >= policy.max_drafts_per_hour:
            return NoDraftReason.BUDGET, ""
    if policy.daily_cost_limit is not None:
        cost = spent.cost_since(transaction, timedelta(days=1), turn.known.name)
        if cost >= policy.daily_cost_limit:
            return NoDraftReason.BUDGET, ""
    return None


def _sentence(detail: str) -> str:
    """A finding's detail as it stands after another sentence; findings themselves are shown behind their field."""
    ended = detail if detail.endswith((".", "!", "?")) else f"{detail}."
    return ended[:1].upper() + ended[1:]


def _refuse(
    turn: Turn,
    transaction: sa.Connection,
    draft: DraftRow,
    reason: NoDraftReason,
    detail: str,
    findings: tuple[Finding, ...] = (),
) -> None:
    drafts.take_step(
        transaction,
        turn.cipher,
        draft,
        DraftStep.REFUSE,
        reason=reason.value,
        detail=detail[:500],
        content=Content(findings=findings),
    )


# --- drafting -----------------------------------------------------------------------------------------------------


def propose(turn: Turn, look: Look) -> None:
    """Ask the assistant for the draft that is waiting for it; a newer event sends us back to reading first."""
    context, draft = turn.context, look.draft
    assert context is not None
    assert draft is not None
    findings = check(context, turn.known.policy.quality, look.at)
    previous = _previous_text(turn, draft)
    masked, unmasking = mask(
        context,
        turn.known.policy.masking,
        instruction=draft.instruction or "",
        previous_text=previous,
        voice=turn.known.policy.voice,
    )
    language = context.language or turn.runtime.detect_language(masked.question)
    masked = masked.with_sources(
        turn.runtime.store.run(lambda transaction: ground(transaction, turn.known.name, masked, language))
    )
    show(turn, look)
    if not _may_ask(turn, masked, draft, findings):
        return
    answer = _ask(turn, masked)
    _keep(turn, draft, context, findings, masked, unmasking, language, answer)


def _previous_text(turn: Turn, draft: DraftRow) -> str:
    if not draft.instruction or draft.previous_id is None:
        return ""
    previous_id = draft.previous_id
    previous = turn.runtime.store.run(lambda transaction: drafts.get(transaction, turn.cipher, previous_id))
    return (previous.text or "") if previous else ""


def _may_ask(turn: Turn, masked: MaskedContext, draft: DraftRow, findings: tuple[Finding, ...]) -> bool:
    """The last look before the model call costs money: an event that came meanwhile is read first.

    An agent may have asked for this draft: what refuses one is looked at here for every draft. The draft is marked
    as one that cost a call (`context_id`), before the call.
    """
    context = turn.context
    assert context is not None

    def work(transaction: sa.Connection, now: Look) -> bool:
        current = now.draft
        if set(now.pending.ids) - set(turn.covered) or current is None:
            return False
        if (current.id, current.state) != (draft.id, DraftState.DRAFTING):
            return False
        # One that a crash interrupted was looked at and counted before.
        refusal = None if current.context_id else _refusal(turn, transaction, now, context, findings)
        if refusal is not None:
            reason, detail = refusal
            _refuse(turn, transaction, current, reason, detail, findings)
            return False
        drafts.change(transaction, turn.cipher, draft.id, context_id=masked.context_id)
        return True

    return turn.commit(work)


def _ask(turn: Turn, masked: MaskedContext) -> Proposal | Abstention:
    assistant, watch = turn.runtime.assistant, turn.runtime.assistant_watch
    watch.admit(call_s=assistant.timeout_s)
    try:
        queue.renew(turn.runtime.store, turn.lease, lease_s=assistant.timeout_s + queue.LEASE_S)
        answer = assistant.draft(masked)
    except (Retry, Reauthenticate) as error:
        raise AssistantTrouble(watch.failed(error)) from error
    except Permanent:
        watch.answered()
        raise
    finally:
        watch.let_go()
    watch.answered()
    return answer


_ABSTAINED = {
    "no_source": NoDraftReason.NO_SOURCE,
    "refused": NoDraftReason.POLICY,
    "unsure": NoDraftReason.NO_SOURCE,
}


def _keep(
    turn: Turn,
    draft: DraftRow,
    context: CaseContext,
    findings: tuple[Finding, ...],
    masked: MaskedContext,
    unmasking: Unmasking,
    language: str | None,
    answer: Proposal | Abstention,
) -> None:
    """Persist what the assistant said, unless the draft has moved on meanwhile."""
    if isinstance(answer, Proposal):
        text = unmasking.restore(answer.text)
        used = _used_sources(masked, answer)
        flags = inspect(
            text,
            context=context,
            sources=used or masked.sources,
            policy=turn.known.policy.guard,
            voice=turn.known.policy.voice,
            unresolved=unmasking.unresolved(answer.text),
            expected_language=language,
            actual_language=turn.runtime.detect_language(text) or answer.language,
        )
        content = Content(sources=used, findings=findings, flags=flags, addressing=context.addressing)

    def work(transaction: sa.Connection, now: Look) -> None:
        current = now.draft
        # What it cost was spent, whatever became of the draft meanwhile.
        usage = to_json(answer.usage) if answer.usage else None
        drafts.change(transaction, turn.cipher, draft.id, usage=usage)
        if current is None or (current.id, current.state) != (draft.id, DraftState.DRAFTING):
            return
        if isinstance(answer, Abstention):
            # What an assistant says of itself is untrusted text: it is counted, not shown as our own sentence.
            _refuse(turn, transaction, current, _ABSTAINED[answer.reason], "", findings)
            return
        drafts.take_step(
            transaction,
            turn.cipher,
            current,
            DraftStep.PROPOSE,
            reason="",
            text=text,
            language=answer.language or language or "",
            content=content,
        )

    turn.commit(work)


def _used_sources(masked: MaskedContext, answer: Proposal) -> tuple[Source, ...]:
    return tuple(source for source in masked.sources if source.id in answer.sources)


def tell_of_silence(turn: Turn) -> None:
    """Agents see that this draft waits for an assistant that does not answer."""

    def work(transaction: sa.Connection, now: Look) -> None:
        if now.draft is not None and now.draft.state is DraftState.DRAFTING:
            drafts.change(transaction, turn.cipher, now.draft.id, reason=DraftWaits.FOR_ASSISTANT.value)
            cases.step(transaction, turn.case_id, new_revision=False)

    turn.commit(work)


def give_up(turn: Turn, error: Permanent) -> None:
    """The assistant's answer cannot be used and will not get better: no draft, technical, with an id."""

    def work(transaction: sa.Connection, now: Look) -> None:
        if now.draft is not None and now.draft.state is DraftState.DRAFTING:
            _refuse(turn, transaction, now.draft, NoDraftReason.TECHNICAL, f"({error.code}, {now.draft.id})")

    turn.commit(work)


def mark_covered(turn: Turn, transaction: sa.Connection, now: Look) -> None:
    """The events the last reading answers are done, or ignored for a reason."""
    kept_out = now.episode is not None and not now.episode.eligible
    reason = turn.ignored or ("not_in_rollout" if kept_out else "")
    inbox.mark(transaction, turn.covered, "ignored" if reason else "done", reason)
