"""What the rules of `send_reply` and `find_reply` share: approved replies, lost ones, and ones that never arrived.

It owns staging and no rule (`send.py`, `find.py`).
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm_bridge.contract import Ambiguous, ApprovedReply, CaseRef, OutboundError, Retry, SendMarker, Sends
from crm_bridge.testing.base import ContractBase
from crm_bridge.testing.forms import FORMS, Form
from crm_bridge.testing.stage import TEXT, Stage, key, numbers


class SendingBase(ContractBase):
    """Replies in every state of having gone out."""

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
            wire.strike(named("reset").strike_after, at=number)
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
        wire.strike(named("reset").strike_before, times=None)
        with pytest.raises((Ambiguous, Retry)):
            adapter.send_reply(reply, known)
        assert len(stage.gone_out(wanted)) == before
        return wanted, reply, known


def named(name: str) -> Form:
    """The form of this name."""
    return next(form for form in FORMS if form.name == name)
