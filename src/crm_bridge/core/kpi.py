"""Outcomes -> one row per episode: what the measurement counts, defined once.

Owns definitions (first reply, resolution, the exclusive shares a draft ends in, what a sent draft cost), not
statistics: no averages, no arms compared, nothing assumed. An open episode is censored, never dropped, so that
nobody averages over closed cases alone; an episode without a draft has a row like any other (intention to treat).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from crm_bridge.core.experiment import Arm
from crm_bridge.core.lifecycle import LIVE, DraftState
from crm_bridge.core.textmatch import EDITED_FROM

DURABLE_AFTER = timedelta(days=7)
"""Reopened within this time an episode goes on; its resolution counts as durable only afterwards."""


class Share(StrEnum):
    """How an episode's drafts were used: exclusive, and nothing is left out of the denominator."""

    ACCEPTED = "accepted"
    EDITED = "edited"
    HEAVILY_EDITED = "heavily_edited"
    ANSWERED_WITHOUT = "answered_without"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    WAITING = "waiting"
    NONE = "none"


_SENT = frozenset({DraftState.SENT, DraftState.SENT_EDITED})
_SHARES: dict[DraftState, Share] = {
    DraftState.ANSWERED_OTHERWISE: Share.ANSWERED_WITHOUT,
    DraftState.NOT_SENT: Share.ANSWERED_WITHOUT,
    DraftState.REJECTED: Share.REJECTED,
    DraftState.REGENERATED: Share.REJECTED,
    DraftState.SUPERSEDED: Share.SUPERSEDED,
    DraftState.MERGED: Share.SUPERSEDED,
    DraftState.REFUSED: Share.REFUSED,
    DraftState.EXPIRED: Share.UNKNOWN,
    DraftState.GONE: Share.UNKNOWN,
}
_TELLING = tuple(Share)
"""An episode with several drafts is told by the first of these that occurs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftOutcome:
    """One draft of an episode.

    `similarity` compares what was sent with what was proposed, None when it could not be scored. `cost` is in the
    currency of the price table, None when the price is unknown.
    """

    state: DraftState
    written_at: datetime | None = None
    decided_at: datetime | None = None
    similarity: float | None = None
    cost: float | None = None
    blocking_flags: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeFacts:
    """What was observed of an episode. `replies` are times of public replies by people or by the bridge, no bots."""

    connection: str
    case_id: str
    episode: int
    arm: Arm
    eligible: bool
    opened_at: datetime
    resolved_at: datetime | None = None
    reopened_at: datetime | None = None
    replies: tuple[datetime, ...] = ()
    drafts: tuple[DraftOutcome, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeRow:
    """One countable row. Durations end in `_s` and are seconds; a censored resolution is only known to last longer.

    `resolution_s` is None while censored; `observed_s` is how long the episode was watched in any case. `cost` holds
    every draft, the unused ones too; None when one of them has no price. `durable` is None until it can be said.
    """

    connection: str
    case_id: str
    episode: int
    arm: Arm
    eligible: bool
    opened_at: datetime
    first_reply_s: float | None
    resolution_s: float | None
    observed_s: float
    censored: bool
    durable: bool | None
    replies: int
    drafts: int
    drafts_written: int
    drafts_sent: int
    share: Share
    similarity: float | None
    decision_s: float | None
    cost: float | None
    blocking_flags: int


def episode_row(facts: EpisodeFacts, now: datetime) -> EpisodeRow:
    """The row of an episode as seen at `now` (aware). Never raises for odd clocks: nothing lasts less than 0 s."""
    ended = facts.resolved_at if facts.resolved_at is not None and not _reopened(facts) else None
    replies = sorted(at for at in facts.replies if at >= facts.opened_at)
    sent = [draft for draft in facts.drafts if draft.state in _SENT]
    return EpisodeRow(
        connection=facts.connection,
        case_id=facts.case_id,
        episode=facts.episode,
        arm=facts.arm,
        eligible=facts.eligible,
        opened_at=facts.opened_at,
        first_reply_s=_seconds(facts.opened_at, replies[0]) if replies else None,
        resolution_s=_seconds(facts.opened_at, ended) if ended is not None else None,
        observed_s=_seconds(facts.opened_at, ended or now),
        censored=ended is None,
        durable=_durable(facts, now),
        replies=len(replies),
        drafts=len(facts.drafts),
        drafts_written=sum(1 for draft in facts.drafts if draft.written_at is not None),
        drafts_sent=len(sent),
        share=_share(facts.drafts),
        similarity=_mean([draft.similarity for draft in sent if draft.similarity is not None]),
        decision_s=_mean(_waits(facts.drafts)),
        cost=_total([draft.cost for draft in facts.drafts]),
        blocking_flags=sum(draft.blocking_flags for draft in facts.drafts),
    )


def share_of(draft: DraftOutcome) -> Share:
    """The one share a draft counts for. A sent text that was never compared counts by its state alone."""
    if draft.state in LIVE:
        return Share.WAITING
    if draft.state not in _SENT:
        return _SHARES[draft.state]
    if draft.similarity is None:
        return Share.ACCEPTED if draft.state is DraftState.SENT else Share.EDITED
    if draft.similarity >= 1.0:
        return Share.ACCEPTED
    return Share.EDITED if draft.similarity >= EDITED_FROM else Share.HEAVILY_EDITED


def _share(drafts: Sequence[DraftOutcome]) -> Share:
    shares = {share_of(draft) for draft in drafts}
    return next((share for share in _TELLING if share in shares), Share.NONE)


def _reopened(facts: EpisodeFacts) -> bool:
    """Reopened soon after it was resolved: the same episode, and it is open again."""
    if facts.resolved_at is None or facts.reopened_at is None:
        return False
    return timedelta(0) <= facts.reopened_at - facts.resolved_at <= DURABLE_AFTER


def _durable(facts: EpisodeFacts, now: datetime) -> bool | None:
    if facts.resolved_at is None:
        return None
    if _reopened(facts):
        return False
    return True if now - facts.resolved_at > DURABLE_AFTER else None


def _waits(drafts: Sequence[DraftOutcome]) -> list[float]:
    return [
        _seconds(draft.written_at, draft.decided_at)
        for draft in drafts
        if draft.written_at is not None and draft.decided_at is not None
    ]


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
