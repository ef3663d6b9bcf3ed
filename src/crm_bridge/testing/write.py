"""Rules of `write_draft`, `read_draft`, `withdraw_draft` and `show`: once by key, and never over a person's words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import strategies as st

from crm_bridge.contract import (
    CaseRef,
    Conflict,
    DraftRef,
    Fingerprint,
    Mutability,
    PanelState,
    Retry,
    StateKind,
    Unsupported,
)
from crm_bridge.testing.base import ContractBase, for_all, proves
from crm_bridge.testing.forms import FORMS, Form
from crm_bridge.testing.stage import BEN, TEXT, Stage, at_once, key, later_revision, numbers

PROCESSES = 4
AWKWARD_TEXTS = (
    "Line one\r\nline two\r\n\r\n  indented  \r\n", "Grüße, naïve café\u0301", "🙂👩‍👩‍👧", "tab\there\u00a0and there",
    "<b>not bold</b> & <script>alert(1)</script>", "{{subject}} ${x} {!Case.Id} %s", "- a\n- b\n\n1. c\n", "a" * 5_000,
    '"quoted" \\n \\u0041', "Price: 5 < 6 && 7 > 3", "\u200bzero\u200dwidth", "trailing   \n\n\n",
)  # fmt: skip


class Writing(ContractBase):
    """Drafts in the CRM."""

    @proves("targets")
    def test_a_draft_stands_where_the_agent_sees_it(self, stage: Stage) -> None:
        case = stage.open_case()
        ref = stage.adapter.write_draft(case, stage.draft(case), key(), None)
        assert isinstance(ref, DraftRef)
        (standing,) = stage.crm.standing(case)
        assert TEXT in standing

    @proves("targets")
    def test_a_draft_never_reaches_the_customer(self, stage: Stage) -> None:
        case = stage.open_case()
        before = stage.crm.thread(case)
        stage.adapter.write_draft(case, stage.draft(case), key(), None)
        assert stage.crm.thread(case) == before

    @proves("targets")
    def test_writing_twice_with_one_key_is_once(self, stage: Stage) -> None:
        case = stage.open_case()
        draft, known = stage.draft(case), key()
        first = stage.adapter.write_draft(case, draft, known, None)
        assert stage.adapter.write_draft(case, draft, known, None) == first
        assert stage.another().write_draft(case, draft, known, None) == first
        assert len(stage.crm.standing(case)) == 1

    @proves("targets")
    def test_a_write_whose_answer_was_lost_is_still_once(self, stage: Stage) -> None:
        for broken in (form for form in FORMS if form.name in ("reset", "500", "truncated")):
            for number in numbers():
                if not self._lose(stage, broken, number):
                    break

    @proves("targets")
    def test_two_processes_that_write_at_once_write_once(self, stage: Stage) -> None:
        self.declared(stage.capabilities.target.idempotent, "idempotent writes")
        case = stage.open_case()
        draft, known = stage.draft(case), key()
        adapters = [stage.another() for _ in range(PROCESSES)]
        results = at_once([lambda one=one: one.write_draft(case, draft, known, None) for one in adapters])  # type: ignore[misc]
        refs = {result for result in results if isinstance(result, DraftRef)}
        failed = [result for result in results if isinstance(result, Exception)]
        assert len(refs) == 1, f"one draft, whoever wrote it: {results}"
        assert all(isinstance(error, Conflict | Retry) for error in failed), failed
        assert len(stage.crm.standing(case)) == 1

    @proves("targets")
    def test_the_words_of_a_person_are_never_written_over(self, stage: Stage) -> None:
        ref, case = self._edited_by_a_person(stage)
        newer = later_revision(stage.draft(case), "Something newer.")
        for replaces in (ref.fingerprint, None):
            with pytest.raises(Conflict):
                stage.adapter.write_draft(case, newer, key(), replaces)
        assert stage.crm.standing(case) == ("My own words",)

    @proves("targets")
    def test_the_words_of_a_person_are_never_withdrawn(self, stage: Stage) -> None:
        ref, case = self._edited_by_a_person(stage)
        with pytest.raises(Conflict):
            stage.adapter.withdraw_draft(ref, ref.fingerprint)
        assert stage.crm.standing(case) == ("My own words",)

    @proves("targets")
    def test_the_words_of_a_person_are_read(self, stage: Stage) -> None:
        ref, _ = self._edited_by_a_person(stage)
        remote = stage.adapter.read_draft(ref)
        assert remote is not None
        assert remote.text == "My own words"
        assert remote.ref.fingerprint != ref.fingerprint

    @proves("targets")
    def test_a_draft_replaces_only_what_it_says(self, stage: Stage) -> None:
        self._needs_replace(stage)
        case = stage.open_case()
        ref = stage.adapter.write_draft(case, stage.draft(case), key(), None)
        newer = later_revision(stage.draft(case), "Something newer.")
        for wrong in (None, Fingerprint(value="something else")):
            with pytest.raises(Conflict):
                stage.adapter.write_draft(case, newer, key(), wrong)
        stage.adapter.write_draft(case, newer, key(), ref.fingerprint)
        assert stage.crm.standing(case) == ("Something newer.",)

    @proves("targets")
    def test_a_draft_a_person_took_away_does_not_come_back(self, stage: Stage) -> None:
        self._needs_replace(stage)
        case = stage.open_case()
        ref = stage.adapter.write_draft(case, stage.draft(case), key(), None)
        self.playable(stage.crm.remove_draft(case), "a person who takes a draft away")
        if stage.capabilities.target.readable:
            assert stage.adapter.read_draft(ref) is None
        with pytest.raises(Conflict):
            stage.adapter.write_draft(case, later_revision(stage.draft(case), "Newer."), key(), ref.fingerprint)
        assert stage.crm.standing(case) == ()

    @proves("targets")
    def test_what_was_written_is_known_again(self, stage: Stage) -> None:
        self.declared(stage.capabilities.target.readable, "drafts that can be read")
        for text in AWKWARD_TEXTS:
            self._known_again(stage, text)

    @proves("targets")
    def test_any_text_is_known_again(self, stage: Stage) -> None:
        self.declared(stage.capabilities.target.readable, "drafts that can be read")
        texts = st.text(
            st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), min_size=1, max_size=200
        )
        for_all(texts.filter(str.strip), lambda text: self._known_again(stage, text), examples=15)

    @proves("targets")
    def test_a_withdrawn_draft_is_gone_however_often(self, stage: Stage) -> None:
        self.declared(stage.capabilities.target.withdrawable, "drafts that can be withdrawn")
        case = stage.open_case()
        ref = stage.adapter.write_draft(case, stage.draft(case), key(), None)
        for _ in range(2):
            stage.adapter.withdraw_draft(ref, ref.fingerprint)
        assert stage.crm.standing(case) == ()
        assert not stage.capabilities.target.readable or stage.adapter.read_draft(ref) is None
        stage.adapter.write_draft(case, stage.draft(case), key(), None)
        assert len(stage.crm.standing(case)) == 1

    @proves("targets")
    def test_an_appended_draft_says_which_message_it_answers(self, stage: Stage) -> None:
        self.declared(stage.capabilities.target.mutability is Mutability.APPEND, "an append-only target")
        case = stage.open_case()
        stage.adapter.write_draft(case, stage.draft(case), key(), None)
        stage.crm.customer_writes(case, "One more thing.")
        stage.adapter.write_draft(case, later_revision(stage.draft(case), TEXT), key(), None)
        first, second = stage.crm.standing(case)
        assert first.splitlines()[0] != second.splitlines()[0], "each is headed with the message it answers"
        assert not first.startswith(TEXT)

    @proves("targets")
    def test_without_a_lease_nothing_is_written(self, stage: Stage) -> None:
        case = stage.open_case()
        with pytest.raises(Retry):
            stage.another(may_start=lambda: False).write_draft(case, stage.draft(case), key(), None)
        assert stage.crm.standing(case) == ()

    @proves("targets")
    def test_writing_stays_within_its_budget(self, stage: Stage) -> None:
        case = stage.open_case()
        draft = stage.draft(case)
        before = sum(stage.crm.calls.values())
        stage.adapter.write_draft(case, draft, key(), None)
        self.within_budget(stage, "write_draft", sum(stage.crm.calls.values()) - before)

    @proves("targets")
    def test_what_the_target_cannot_do_is_said(self, stage: Stage) -> None:
        case = stage.open_case()
        ref = stage.adapter.write_draft(case, stage.draft(case), key(), None)
        target, adapter = stage.capabilities.target, stage.adapter
        lacking: list[tuple[bool, Callable[[], object]]] = [
            (target.readable, lambda: adapter.read_draft(ref)),
            (target.withdrawable, lambda: adapter.withdraw_draft(ref, ref.fingerprint)),
            (target.shows_states, lambda: adapter.show(case, _state(1), key())),
        ]
        missing: list[Callable[[], object]] = [act for can, act in lacking if not can]
        self.declared(missing, "anything the target cannot do")
        for act in missing:
            with pytest.raises(Unsupported):
                act()
        assert len(stage.crm.standing(case)) == 1

    # --- states -----------------------------------------------------------------------------------------------------

    @proves("targets")
    def test_a_state_is_shown(self, stage: Stage) -> None:
        self.declared(stage.capabilities.target.shows_states, "states")
        case = stage.open_case()
        for _ in range(2):
            stage.adapter.show(case, _state(1, StateKind.NO_DRAFT), "state-1")
        assert stage.crm.shown(case) == "no_draft"

    @proves("targets")
    def test_an_older_state_changes_nothing(self, stage: Stage) -> None:
        self.declared(stage.capabilities.target.shows_states, "states")
        case = stage.open_case()
        stage.adapter.show(case, _state(7, StateKind.NO_DRAFT), "state-7")
        stage.adapter.show(case, _state(6, StateKind.DRAFTING), "state-6")
        assert stage.crm.shown(case) == "no_draft"

    # --- inside -----------------------------------------------------------------------------------------------------

    def _needs_replace(self, stage: Stage) -> None:
        self.declared(stage.capabilities.target.mutability is Mutability.REPLACE, "drafts that can be replaced")

    def _edited_by_a_person(self, stage: Stage) -> tuple[DraftRef, CaseRef]:
        target = stage.capabilities.target
        self.declared(target.readable and target.withdrawable, "drafts a person can edit in place")
        case = stage.open_case()
        ref = stage.adapter.write_draft(case, stage.draft(case), key(), None)
        self.playable(stage.crm.edit_in_place(case, "My own words", BEN), "a person who edits a draft in place")
        return ref, case

    def _known_again(self, stage: Stage, text: str) -> None:
        case = stage.open_case()
        ref = stage.adapter.write_draft(case, stage.draft(case, text=text), key(), None)
        remote = stage.adapter.read_draft(ref)
        assert remote is not None
        assert remote.ref == ref, f"nobody touched it, yet {text[:40]!r} looks changed by a person"

    def _lose(self, stage: Stage, broken: Form, number: int) -> bool:
        """Break the answer to the `number`-th request of a write, then write again; False when it made fewer."""
        case = stage.open_case()
        draft, known = stage.draft(case), key()
        adapter, wire = stage.wired(self.base_url_key)
        wire.strike(broken.strike_after, at=number)
        with suppress(*broken.writing):  # anything else is the wrong name for it
            adapter.write_draft(case, draft, known, None)
        struck = wire.struck
        wire.spare()
        adapter.write_draft(case, draft, known, None)
        assert len(stage.crm.standing(case)) == 1, f"{broken.name} after request {number} wrote twice"
        return struck > 0


def _state(sequence: int, kind: StateKind = StateKind.DRAFTING) -> PanelState:
    return PanelState(kind=kind, sentence="A sentence.", reason="data", sequence=sequence)
