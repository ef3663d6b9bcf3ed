"""What an agent sees: every state of a draft is exactly one of the closed list, in words."""

from __future__ import annotations

import pytest

from crm_bridge.contract import NoDraftReason, StateKind
from crm_bridge.core import visible
from crm_bridge.core.lifecycle import DraftState

REASONS = [reason.value for reason in NoDraftReason]


@pytest.mark.parametrize("state", list(DraftState))
def test_every_state_is_one_kind_with_a_sentence_and_an_action(state: DraftState) -> None:
    assert isinstance(visible.VISIBLE[state], StateKind)
    found = visible.words(state, NoDraftReason.DATA.value)
    assert found.sentence.endswith(".")
    assert found.action.endswith(".")


def test_no_state_is_left_out_and_none_is_made_up() -> None:
    assert set(visible.VISIBLE) == set(DraftState)


def test_every_kind_of_the_closed_list_is_shown_somewhere() -> None:
    # "Decided too late" is said of a decision, not of a draft.
    assert set(visible.VISIBLE.values()) == set(StateKind) - {StateKind.DECIDED_TOO_LATE}
    assert visible.kind_words(StateKind.DECIDED_TOO_LATE).sentence


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_for_no_draft_has_its_own_sentence(reason: str) -> None:
    assert visible.no_draft_words(reason).sentence.startswith("No draft: ")


def test_the_sentences_of_all_reasons_differ() -> None:
    assert len({visible.no_draft_words(reason).sentence for reason in REASONS}) == len(REASONS)


@pytest.mark.parametrize("reason", list(visible.TakenBack))
def test_an_approval_that_was_taken_back_leaves_a_draft_that_is_ready_and_says_why(reason: str) -> None:
    ready = visible.words(DraftState.WRITTEN)
    found = visible.words(DraftState.WRITTEN, reason)
    assert found.sentence.startswith(ready.sentence)
    assert "was not sent, because" in found.sentence
    assert found.action != ready.action


def test_a_draft_that_waits_for_a_silent_assistant_says_so() -> None:
    found = visible.words(DraftState.DRAFTING, visible.DraftWaits.FOR_ASSISTANT)
    assert "not answering" in found.sentence
    assert found != visible.words(DraftState.DRAFTING)


def test_an_unknown_reason_reads_as_technical() -> None:
    technical = visible.no_draft_words(NoDraftReason.TECHNICAL.value)
    assert visible.words(DraftState.REFUSED, "something new") == technical


@pytest.mark.parametrize("state", [state for state, kind in visible.VISIBLE.items() if kind is StateKind.NO_DRAFT])
def test_a_state_without_a_draft_has_a_reason_of_the_closed_list(state: DraftState) -> None:
    settled = visible.SETTLED_REASONS.get(state)
    assert state is DraftState.REFUSED or settled in set(NoDraftReason)
