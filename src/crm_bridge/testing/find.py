"""Rules of `find_reply`: what went out is found as itself, and absent only when that is certain."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

import pytest

from crm_bridge.contract import Ambiguous, Found, ProvenAbsent, Retry, SendMarker, Unknown
from crm_bridge.testing.base import proves
from crm_bridge.testing.sending import SendingBase
from crm_bridge.testing.stage import ANA, BEN, TEXT, Stage, key, numbers
from crm_bridge.testing.wire import Struck

MARKED = frozenset({SendMarker.KEY, SendMarker.METADATA})
LAG = timedelta(seconds=30)
LATE_WITHIN_S = 20.0


class Finding(SendingBase):
    """Replies of which nobody knows any more whether they went out."""

    @proves("sends", "send_marker")
    def test_what_went_out_is_found_after_a_lost_answer(self, stage: Stage) -> None:
        self._needs_marker(stage)
        case, reply, known = self._lost(stage)
        found = stage.another().find_reply(reply, known, stage.crm.clock.now())
        assert isinstance(found, Found)
        assert found.ref.id == stage.gone_out(case)[0].id

    @proves("sends", "send_marker")
    def test_an_index_that_lags_is_no_proof_of_absence(self, stage: Stage) -> None:
        self._needs_send(stage)
        self.playable(stage.crm.let_index_lag(timedelta(0)), "an index that lags")
        case, reply, known = self._lost(stage, lag=LAG)
        attempted = stage.crm.clock.now()
        early = stage.adapter.find_reply(reply, known, attempted)
        assert not isinstance(early, ProvenAbsent), "not found yet is not absent"
        if isinstance(early, Unknown) and stage.capabilities.send_marker is not SendMarker.NONE:
            assert early.look_again_after, "an index that lags is worth another look"
        stage.crm.clock.advance(LAG * 2)
        late = stage.adapter.find_reply(reply, known, attempted)
        assert isinstance(late, Unknown if stage.capabilities.send_marker is SendMarker.NONE else Found)
        assert len(stage.gone_out(case)) == 1

    @proves("sends", "send_marker")
    def test_an_attempt_proven_absent_cannot_arrive_late(self, stage: Stage) -> None:
        """A request hangs in the network, the caller looks, and only then it arrives."""
        self._needs_send(stage)
        for number in numbers():
            if not self._arrive_late(stage, number):
                break

    @proves("sends", "send_marker")
    def test_after_proven_absence_the_same_key_sends_once(self, stage: Stage) -> None:
        self._needs_send(stage)
        case, reply, known = self._never_arrived(stage)
        if not isinstance(stage.adapter.find_reply(reply, known, stage.crm.clock.now()), ProvenAbsent):
            pytest.skip("not declared: proof of absence")
        stage.adapter.send_reply(reply, known)
        assert len(stage.gone_out(case)) == 1

    @proves("sends", "send_marker")
    def test_what_never_went_out_is_never_found(self, stage: Stage) -> None:
        self._needs_send(stage)
        _, reply, known = self._never_arrived(stage)
        assert not isinstance(stage.adapter.find_reply(reply, known, stage.crm.clock.now()), Found)

    @proves("sends", "send_marker")
    def test_an_earlier_reply_with_the_same_words_is_not_ours(self, stage: Stage) -> None:
        self._needs_send(stage)
        case = stage.open_case()
        stage.crm.agent_writes(case, TEXT, agent=BEN)
        stage.crm.customer_writes(case, "That did not help.")
        _, reply, known = self._never_arrived(stage, case)
        assert not isinstance(stage.adapter.find_reply(reply, known, stage.crm.clock.now()), Found)

    @proves("sends", "send_marker")
    def test_the_same_words_by_two_people_are_told_apart(self, stage: Stage) -> None:
        self._needs_send(stage)
        self.declared(stage.capabilities.send_marker in MARKED, "replies marked as ours")
        case, reply, known = self._never_arrived(stage)
        stage.crm.agent_writes(case, TEXT, agent=BEN)
        assert not isinstance(stage.adapter.find_reply(reply, known, stage.crm.clock.now()), Found)

    @proves("sends", "send_marker")
    def test_each_of_two_replies_with_the_same_words_is_found_as_itself(self, stage: Stage) -> None:
        self._needs_marker(stage)
        case, attempts = stage.open_case(), []
        for approver in (ANA, BEN):
            reply, known, at = stage.reply(case, approver=approver), key(), stage.crm.clock.now()
            attempts.append((reply, known, at, stage.adapter.send_reply(reply, known)))
            stage.crm.customer_writes(case, "Sorry, once more please?")
        for reply, known, at, sent in attempts:
            found = stage.another().find_reply(reply, known, at)
            assert isinstance(found, Found)
            assert found.ref.id == sent.id, "the words are the same, the reply is another one"

    @proves("sends", "send_marker")
    def test_the_same_words_of_another_person_are_not_ours_however_the_index_lags(self, stage: Stage) -> None:
        self._needs_marker(stage)
        self.playable(stage.crm.let_index_lag(timedelta(0)), "an index that lags")
        case, reply, known = self._lost(stage, lag=LAG)
        attempted, ours = stage.crm.clock.now(), stage.gone_out(case)[0].id
        stage.crm.agent_writes(case, TEXT, agent=BEN)
        early = stage.adapter.find_reply(reply, known, attempted)
        assert not isinstance(early, ProvenAbsent), "not found yet is not absent"
        stage.crm.clock.advance(LAG * 2)
        late = stage.adapter.find_reply(reply, known, attempted)
        for found in (early, late):
            assert not isinstance(found, Found) or found.ref.id == ours, "that is what somebody else wrote"
        assert isinstance(late, Found)

    @proves("sends", "send_marker")
    def test_a_mark_is_read_with_the_message_that_bears_it(self, stage: Stage) -> None:
        self._needs_send(stage)
        self.declared(stage.capabilities.send_marker is SendMarker.METADATA, "marks in the metadata of messages")
        case, known = stage.open_case(), key()
        stage.crm.agent_writes(case, TEXT, agent=BEN)
        sent = stage.adapter.send_reply(stage.reply(case), known)
        marks = {message.id: message.key for message in stage.context(case).messages}
        assert marks.pop(sent.id) == known
        assert not any(marks.values())

    @proves("sends")
    def test_a_reply_sent_before_a_merge_is_still_found(self, stage: Stage) -> None:
        self._needs_marker(stage)
        self.declared(stage.capabilities.send_marker in MARKED, "replies marked as ours")
        case, reply, known = self._lost(stage)
        self.playable(stage.crm.merge(case, stage.open_case()), "merging")
        assert isinstance(stage.adapter.find_reply(reply, known, stage.crm.clock.now()), Found)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _arrive_late(self, stage: Stage, number: int) -> bool:
        case, reply = self._approved(stage)
        known, arrive, arrived = key(), threading.Event(), threading.Event()

        def hold(struck: Struck) -> None:
            if arrive.wait(LATE_WITHIN_S):
                struck.forward()
            arrived.set()

        adapter, wire = stage.wired(self.base_url_key, self.impatient)
        wire.strike(hold, at=number)
        attempted = stage.crm.clock.now()
        with suppress(Ambiguous, Retry):
            adapter.send_reply(reply, known)
        if not wire.struck:
            return False
        found = stage.another().find_reply(reply, known, attempted)
        before = len(stage.gone_out(case))
        arrive.set()
        assert arrived.wait(LATE_WITHIN_S)
        if isinstance(found, ProvenAbsent):
            assert len(stage.gone_out(case)) == before == 0, "proven absent, and then it arrived"
        return True
