"""Rules of `send_reply` and `find_reply`: at most once whatever breaks, and absent only when that is certain."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from crm_bridge.contract import (
    Ambiguous,
    ApprovedReply,
    CaseRef,
    Conflict,
    Found,
    OutboundError,
    Permanent,
    ProvenAbsent,
    Retry,
    SendMarker,
    Sends,
    SentRef,
    Unknown,
    Unsupported,
)
from crm_bridge.testing.base import ContractBase, proves
from crm_bridge.testing.forms import CERTAINLY_NOT, FORMS, Form
from crm_bridge.testing.stage import BEN, TEXT, Stage, at_once, key, numbers
from crm_bridge.testing.wire import Struck

MARKED = frozenset({SendMarker.KEY, SendMarker.METADATA})
LAG = timedelta(seconds=30)
LATE_WITHIN_S = 20.0


class Sending(ContractBase):
    """Replies on their way to the customer."""

    @proves("sends")
    def test_a_reply_goes_out_once_and_as_approved(self, stage: Stage) -> None:
        case, reply = self._approved(stage)
        sent = stage.adapter.send_reply(reply, key())
        assert isinstance(sent, SentRef)
        (message,) = stage.gone_out(case)
        assert (message.id, message.text) == (sent.id, TEXT)

    @proves("sends")
    def test_hostile_words_are_sent_as_words(self, stage: Stage) -> None:
        text = "Use <b>5 & 6</b>, not {{name}}.\n\nYours,\nGrüße 🙂"
        case, reply = self._approved(stage, text)
        stage.adapter.send_reply(reply, key())
        assert len(stage.gone_out(case, text)) == 1

    @proves("sends")
    @pytest.mark.parametrize("who", ["customer", "agent"])
    def test_something_newer_stops_the_sending(self, stage: Stage, who: str) -> None:
        case, reply = self._approved(stage)
        if who == "customer":
            stage.crm.customer_writes(case, "Wait!")
        else:
            stage.crm.agent_writes(case, "I answered already.", agent=BEN)
        with pytest.raises(Conflict):
            stage.adapter.send_reply(reply, key())
        assert stage.gone_out(case) == []

    @proves("sends")
    def test_without_a_lease_nothing_is_sent(self, stage: Stage) -> None:
        case, reply = self._approved(stage)
        with pytest.raises(Retry):
            stage.another(may_start=lambda: False).send_reply(reply, key())
        assert stage.gone_out(case) == []

    @proves("sends")
    @pytest.mark.parametrize("form", [form for form in FORMS if form.before], ids=lambda form: form.name)
    def test_a_request_that_never_arrived_is_never_called_sent(self, stage: Stage, form: Form) -> None:
        for number in numbers():
            if not self._break(stage, form, number, after=False):
                break

    @proves("sends")
    @pytest.mark.parametrize("form", [form for form in FORMS if form.after], ids=lambda form: form.name)
    def test_a_lost_answer_is_ambiguous_and_sends_once(self, stage: Stage, form: Form) -> None:
        for number in numbers():
            if not self._break(stage, form, number, after=True):
                break

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
    def test_two_replies_with_the_same_words_are_two_replies(self, stage: Stage) -> None:
        self._needs_send(stage)
        case, first = self._approved(stage)
        sent = stage.adapter.send_reply(first, key())
        stage.crm.customer_writes(case, "Sorry, once more please?")
        again = stage.adapter.send_reply(stage.reply(case, approver=BEN), key())
        assert sent.id != again.id
        assert len(stage.gone_out(case)) == 2

    @proves("sends", "send_marker")
    def test_one_key_sent_by_two_processes_at_once_goes_out_once(self, stage: Stage) -> None:
        self._needs_send(stage)
        self.declared(
            stage.capabilities.send_marker is SendMarker.KEY and stage.capabilities.target.idempotent,
            "keys for sending",
        )
        case, reply = self._approved(stage)
        known = key()
        adapters = [stage.another() for _ in range(3)]
        results = at_once([lambda one=one: one.send_reply(reply, known) for one in adapters])  # type: ignore[misc]
        assert all(isinstance(result, SentRef | Conflict | Ambiguous | Retry) for result in results), results
        assert len(stage.gone_out(case)) == 1

    @proves("sends")
    def test_a_reply_to_a_case_that_moved_or_went_is_refused(self, stage: Stage) -> None:
        case, reply = self._approved(stage)
        other = stage.open_case()
        ended = stage.crm.merge(case, other) or stage.crm.delete(case)
        self.playable(ended, "cases that are merged or deleted")
        for given in (reply, replace(reply, seen=())):
            with pytest.raises((Permanent, Conflict)):
                stage.adapter.send_reply(given, key())
        assert stage.gone_out(other) == []

    @proves("sends")
    def test_a_reply_sent_before_a_merge_is_still_found(self, stage: Stage) -> None:
        self._needs_marker(stage)
        self.declared(stage.capabilities.send_marker is SendMarker.KEY, "keys for sending")
        case, reply, known = self._lost(stage)
        self.playable(stage.crm.merge(case, stage.open_case()), "merging")
        assert isinstance(stage.adapter.find_reply(reply, known, stage.crm.clock.now()), Found)

    @proves("sends")
    def test_sending_stays_within_its_budget(self, stage: Stage) -> None:
        _, reply = self._approved(stage)
        before = sum(stage.crm.calls.values())
        stage.adapter.send_reply(reply, key())
        self.within_budget(stage, "send_reply", sum(stage.crm.calls.values()) - before)

    @proves("sends")
    def test_who_does_not_send_says_so(self, stage: Stage) -> None:
        self.declared(stage.capabilities.sends is not Sends.BRIDGE, "replies sent by people")
        case = stage.open_case()
        with pytest.raises(Unsupported):
            stage.adapter.send_reply(stage.reply(case), key())
        assert stage.gone_out(case) == []

    # --- inside -----------------------------------------------------------------------------------------------------

    def _needs_send(self, stage: Stage) -> None:
        self.declared(stage.capabilities.sends is Sends.BRIDGE, "the bridge sends")

    def _needs_marker(self, stage: Stage) -> None:
        self._needs_send(stage)
        self.declared(stage.capabilities.send_marker is not SendMarker.NONE, "replies that can be found")

    def _approved(self, stage: Stage, text: str = TEXT) -> tuple[CaseRef, ApprovedReply]:
        self._needs_send(stage)
        case = stage.open_case()
        return case, stage.reply(case, text=text)

    def _lost(self, stage: Stage, *, lag: timedelta = timedelta(0)) -> tuple[CaseRef, ApprovedReply, str]:
        """A reply that went out and whose answer never came; `lag`: of the index from just before on."""
        for number in numbers():
            stage.crm.let_index_lag(timedelta(0))
            case, reply = self._approved(stage)
            stage.crm.clock.advance(lag * 2)
            stage.crm.let_index_lag(lag)
            known = key()
            adapter, wire = stage.wired(self.base_url_key)
            wire.strike(_named("reset").strike_after, at=number)
            try:
                adapter.send_reply(reply, known)
            except OutboundError as error:
                if stage.gone_out(case):
                    assert isinstance(error, Ambiguous), f"it went out, so {error!r} is a lie"  # noqa: PT017
                    return case, reply, known
            if not wire.struck:
                break  # every request was broken once, and those that only prepare were repeated
        raise AssertionError("no request of send_reply could be broken after it sent")

    def _never_arrived(self, stage: Stage, case: CaseRef | None = None) -> tuple[CaseRef, ApprovedReply, str]:
        """A reply whose first request was lost on its way."""
        wanted = case or stage.open_case()
        reply, known = stage.reply(wanted), key()
        before = len(stage.gone_out(wanted))
        adapter, wire = stage.wired(self.base_url_key)
        wire.strike(_named("reset").strike_before, times=None)
        with pytest.raises((Ambiguous, Retry)):
            adapter.send_reply(reply, known)
        assert len(stage.gone_out(wanted)) == before
        return wanted, reply, known

    def _break(self, stage: Stage, form: Form, number: int, *, after: bool) -> bool:
        """Break the `number`-th request of a send; False when it made fewer."""
        case, reply = self._approved(stage)
        known = key()
        adapter, wire = stage.wired(self.base_url_key, self._patience(form))
        wire.strike(form.strike_after if after else form.strike_before, at=number)
        try:
            sent: SentRef | OutboundError = adapter.send_reply(reply, known)
        except OutboundError as error:
            sent = error
        struck = wire.struck
        wire.spare()
        out = stage.gone_out(case)
        where = f"{form.name} {'after' if after else 'before'} request {number}"
        assert len(out) <= 1, f"{where}: it went out {len(out)} times"
        if isinstance(sent, CERTAINLY_NOT):
            assert not out, f"{where}: {sent!r}, but it went out"
        elif isinstance(sent, SentRef):
            assert [message.id for message in out] == [sent.id], f"{where}: called sent, but it is not there"
        else:
            assert isinstance(sent, Ambiguous), f"{where}: {sent!r}"
            found = stage.adapter.find_reply(reply, known, stage.crm.clock.now())
            assert not (isinstance(found, Found) and not out), f"{where}: found what is not there"
            assert not (isinstance(found, ProvenAbsent) and out), f"{where}: it is there, yet proven absent"
        return struck > 0

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


def _named(name: str) -> Form:
    return next(form for form in FORMS if form.name == name)
