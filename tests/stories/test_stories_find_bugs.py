"""The stories can fail: each bug planted here is found by one, and told in words with its seed."""

from __future__ import annotations

import uuid
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from crm_bridge.contract import Ambiguous, Conflict, Receipt
from crm_bridge.core.lifecycle import DraftStep
from crm_bridge.pipeline import read, receive, send
from crm_bridge.store import cases, drafts, inbox
from crm_bridge.store.database import Store
from crm_bridge.testing.stories import StoryBroken, crm_maker, tell_stories
from crm_bridge_mock.adapter import MockAdapter

pytestmark = pytest.mark.kit

ENOUGH = 60
"""Stories in which every one of these bugs is met. They begin with a seed that is known to meet it, for speed alone."""


def broken(store: Store, *, seed: int, steps: int = 8, shorter: int = 0) -> StoryBroken:
    with pytest.raises(StoryBroken) as found:
        tell_stories(store, crm_maker("mock"), stories=ENOUGH, seed=seed, steps=steps, shorter=shorter)
    return found.value


def test_a_send_without_an_attempt_recorded_before(stories_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = SimpleNamespace(**{**vars(drafts), "record_attempt": lambda *_: None})
    monkeypatch.setattr(send, "drafts", silent)
    assert "without a recorded attempt" in broken(stories_store, seed=12).law


def test_a_message_that_supersedes_nothing(stories_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = read.conclude

    def conclude(*arguments: Any) -> Any:
        found = real(*arguments)
        return None if found is not None and found.steps == (DraftStep.SUPERSEDE,) else found

    monkeypatch.setattr(read, "conclude", conclude)
    found = broken(stories_store, seed=22, steps=3, shorter=25)
    assert "does not know of 1 messages" in found.law
    assert f"(seed {found.seed})" in str(found)
    assert len(found.story) <= 6, str(found)
    assert any("writes more on case 1" in line for line in found.story)


def test_deliveries_that_are_not_told_apart_from_new_ones(
    stories_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = inbox.store_events, set()

    def store_events(connection: Any, cipher: Any, name: str, found: Any, wake_in: Any) -> int:
        named = [replace(event, key=f"{event.key}{uuid.uuid4()}") if event.key in seen else event for event in found]
        seen.update(event.key for event in found)
        return real(connection, cipher, name, named, wake_in)

    monkeypatch.setattr(inbox, "store_events", store_events)
    assert "are stored that nobody told" in broken(stories_store, seed=11).law


def test_an_acknowledgement_before_anything_is_stored(stories_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        receive, "store_found", lambda _runtime, _known, found: Receipt(events=len(found), new=len(found))
    )
    assert "acknowledged and are not stored" in broken(stories_store, seed=11).law


def test_a_send_that_is_tried_again_after_a_lost_answer(stories_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = MockAdapter.send_reply

    def send_reply(self: MockAdapter, reply: Any, key: str) -> Any:
        try:
            return real(self, reply, key)
        except Ambiguous:
            seen = tuple(message.id for message in self.read_case(reply.case).public_messages)  # type: ignore[union-attr]
            return real(self, replace(reply, seen=seen), f"{key}again")

    monkeypatch.setattr(MockAdapter, "send_reply", send_reply)
    assert "went out 2 times" in broken(stories_store, seed=45).law


def test_a_draft_written_over_a_persons_text(stories_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = MockAdapter.write_draft

    def write_draft(self: MockAdapter, case: Any, draft: Any, key: str, replaces: Any) -> Any:
        try:
            return real(self, case, draft, key, replaces)
        except Conflict:
            document = self._client.read_case(case.id)
            assert document is not None
            standing = document["draft"] or {"fingerprint": None}
            value = standing["fingerprint"]
            forced = None if value is None or replaces is None else replace(replaces, value=value)
            return real(self, case, draft, key, forced)

    monkeypatch.setattr(MockAdapter, "write_draft", write_draft)
    assert "was overwritten" in broken(stories_store, seed=35).law


def test_an_approval_that_outlives_its_undo(stories_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = drafts.take_step

    def take_step(connection: Any, cipher: Any, draft: Any, step: Any, **more: Any) -> Any:
        if step is DraftStep.UNDO:
            return draft
        return real(connection, cipher, draft, step, **more)

    monkeypatch.setattr(drafts, "take_step", take_step)
    assert "and was approved 0 times" in broken(stories_store, seed=47).law


def test_a_revision_that_is_used_again(stories_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = SimpleNamespace(
        **{**vars(cases), "step": lambda connection, case_id, **_: (1, cases_step(connection, case_id))}
    )

    def cases_step(connection: Any, case_id: int) -> int:
        return cases.step(connection, case_id, new_revision=False)[1]

    monkeypatch.setattr(drafts, "cases", stuck)
    assert "is of two drafts" in broken(stories_store, seed=11).law
