"""Rules of `send_reply`: at most once whatever breaks, and only what nothing newer has overtaken."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from crm_bridge.contract import (
    Ambiguous,
    Conflict,
    Found,
    OutboundError,
    Permanent,
    ProvenAbsent,
    Retry,
    SendMarker,
    Sends,
    SentRef,
    Unsupported,
)
from crm_bridge.testing.base import proves
from crm_bridge.testing.forms import CERTAINLY_NOT, FORMS, Form
from crm_bridge.testing.sending import SendingBase
from crm_bridge.testing.stage import BEN, TEXT, Stage, at_once, key, numbers


class Sending(SendingBase):
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

    @proves("sends")
    def test_a_reply_tried_again_after_a_crash_went_out_once(self, stage: Stage) -> None:
        """A process died between the call and the commit, and a careless one tries the same again."""
        case, reply = self._approved(stage)
        known = key()
        first = stage.another().send_reply(reply, known)
        with suppress(Conflict, Ambiguous):  # our own reply is something newer, too
            assert stage.adapter.send_reply(reply, known).id == first.id
        assert [message.id for message in stage.gone_out(case)] == [first.id]

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
