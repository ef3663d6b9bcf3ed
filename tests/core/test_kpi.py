"""One row per episode, by definitions that cannot flatter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from crm_bridge.core.experiment import Arm
from crm_bridge.core.kpi import DraftOutcome, EpisodeFacts, Share, episode_row, share_of
from crm_bridge.core.lifecycle import DraftState

HOUR = timedelta(hours=1)


def facts(now: datetime, **changes: Any) -> EpisodeFacts:
    values: dict[str, Any] = {
        "connection": "demo",
        "case_id": "c-1",
        "episode": 1,
        "arm": Arm.TREATMENT,
        "eligible": True,
        "opened_at": now - 5 * HOUR,
    }
    return EpisodeFacts(**(values | changes))


def test_an_open_episode_is_censored_and_still_counts(now: datetime) -> None:
    row = episode_row(facts(now), now)
    assert (row.censored, row.resolution_s, row.observed_s) == (True, None, 5 * 3600)
    assert (row.first_reply_s, row.share, row.durable, row.cost) == (None, Share.NONE, None, 0)


def test_a_resolved_episode_has_its_times_from_the_opening(now: datetime) -> None:
    row = episode_row(facts(now, resolved_at=now - HOUR, replies=(now - HOUR, now - 3 * HOUR, now - 9 * HOUR)), now)
    assert (row.censored, row.resolution_s, row.first_reply_s, row.replies) == (False, 4 * 3600, 2 * 3600, 2)
    assert row.durable is None
    later = episode_row(facts(now, resolved_at=now - HOUR), now + timedelta(days=8))
    assert (later.durable, later.observed_s) == (True, 4 * 3600)


def test_an_episode_reopened_within_a_week_goes_on(now: datetime) -> None:
    soon = facts(now, resolved_at=now - 2 * HOUR, reopened_at=now - HOUR)
    assert (episode_row(soon, now).censored, episode_row(soon, now).durable) == (True, False)
    late = facts(now, resolved_at=now - 2 * HOUR, reopened_at=now + timedelta(days=9))
    assert episode_row(late, now + timedelta(days=10)).censored is False


@pytest.mark.parametrize(
    ("state", "similarity", "share"),
    [
        (DraftState.SENT, 1.0, Share.ACCEPTED),
        (DraftState.SENT, None, Share.ACCEPTED),
        (DraftState.SENT, 0.7, Share.EDITED),
        (DraftState.SENT_EDITED, 0.69, Share.HEAVILY_EDITED),
        (DraftState.SENT_EDITED, None, Share.EDITED),
        (DraftState.WRITTEN, None, Share.WAITING),
        (DraftState.NOT_SENT, None, Share.ANSWERED_WITHOUT),
    ],
)
def test_shares_are_exclusive(state: DraftState, similarity: float | None, share: Share) -> None:
    assert share_of(DraftOutcome(state=state, similarity=similarity)) is share


def test_every_state_of_the_lifecycle_has_a_share() -> None:
    assert {share_of(DraftOutcome(state=state)) for state in DraftState} <= set(Share)


def test_costs_hold_the_waste_too_and_are_unknown_when_one_is(now: datetime) -> None:
    drafts = (
        DraftOutcome(state=DraftState.SUPERSEDED, cost=0.25, written_at=now - 2 * HOUR),
        DraftOutcome(state=DraftState.SENT, cost=0.5, written_at=now - 2 * HOUR, decided_at=now - HOUR, similarity=0.9),
    )
    row = episode_row(facts(now, drafts=drafts), now)
    assert (row.cost, row.share, row.similarity, row.decision_s) == (0.75, Share.EDITED, 0.9, 3600)
    assert (row.drafts, row.drafts_written, row.drafts_sent) == (2, 2, 1)
    unpriced = (*drafts, DraftOutcome(state=DraftState.REFUSED))
    assert episode_row(facts(now, drafts=unpriced), now).cost is None
