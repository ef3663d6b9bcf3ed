"""The table of a draft's life: what it can never do, whatever is asked of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.core.lifecycle import (
    DECISIONS,
    IN_FLIGHT,
    LIVE,
    OUTCOMES,
    TABLE,
    DraftState,
    DraftStep,
    IllegalStep,
    after,
    allows,
)
from crm_bridge.store.tables import drafts

SENT = frozenset({DraftState.SENT, DraftState.SENT_EDITED})


def reachable(without: frozenset[DraftStep]) -> set[DraftState]:
    """Every state a new draft can come to without some steps."""
    found, todo = {DraftState.DRAFTING}, [DraftState.DRAFTING]
    while todo:
        here = todo.pop()
        for (state, step), following in TABLE.items():
            if state is here and step not in without and following not in found:
                found.add(following)
                todo.append(following)
    return found


def test_no_way_leads_to_sent_without_the_decision_of_a_person() -> None:
    assert not reachable(DECISIONS) & (SENT | IN_FLIGHT | {DraftState.APPROVED, DraftState.HANDED_OVER})


def test_every_state_can_be_reached_and_every_step_is_used() -> None:
    assert reachable(frozenset()) == set(DraftState)
    assert {step for _, step in TABLE} == set(DraftStep)


@given(steps=st.lists(st.sampled_from(DraftStep), max_size=30))
def test_whatever_is_asked_sent_comes_only_after_a_decision(steps: list[DraftStep]) -> None:
    state, decided = DraftState.DRAFTING, False
    for step in steps:
        if not allows(state, step):
            with pytest.raises(IllegalStep):
                after(state, step)
            continue
        state, decided = after(state, step), decided or step in DECISIONS
        assert decided or state not in SENT


def test_live_states_and_outcomes_part_all_states() -> None:
    assert set(DraftState) == LIVE | OUTCOMES
    assert not LIVE & OUTCOMES
    assert IN_FLIGHT < LIVE


def test_no_step_leaves_an_outcome() -> None:
    leaving = {(state, step): following for (state, step), following in TABLE.items() if state in OUTCOMES}
    assert {step for _, step in leaving} == {DraftStep.RESPOND}
    assert all(state is following for (state, _), following in leaving.items())


def test_every_live_state_can_come_to_an_end() -> None:
    for start in LIVE:
        found, todo = {start}, [start]
        while todo:
            here = todo.pop()
            todo += [then for (state, _), then in TABLE.items() if state is here and then not in found]
            found |= {then for (state, _), then in TABLE.items() if state is here}
        assert found & OUTCOMES, start


def test_a_reply_that_may_have_gone_out_is_never_superseded() -> None:
    for state in IN_FLIGHT:
        for step in (DraftStep.SUPERSEDE, DraftStep.SEE_OTHER_ANSWER, DraftStep.UNDO, DraftStep.EXPIRE):
            assert not allows(state, step)


def test_the_one_live_index_of_the_database_is_the_live_states() -> None:
    index = next(index for index in drafts.indexes if index.name == "drafts_one_live")
    assert index.unique
    condition = str(index.dialect_options["postgresql"]["where"])
    assert {state.value for state in DraftState if f"'{state.value}'" in condition} == {state.value for state in LIVE}
