"""Rules of failure: every way an answer goes wrong is one named error, in bounded time and memory; nothing leaks."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from crm_bridge.contract import (
    Adapter,
    Ambiguous,
    CaseRef,
    Conflict,
    NotACase,
    OutboundError,
    Permanent,
    Retry,
    Sends,
    Unknown,
)
from crm_bridge.kit.emulation import FaultRule
from crm_bridge.testing.base import ContractBase, proves
from crm_bridge.testing.forms import FORMS, Form, answer, of_status
from crm_bridge.testing.stage import Stage, key
from crm_bridge.testing.wire import Elsewhere, FaultyWire

MAX_TAKEN_BYTES = 64_000_000
MAX_GROWTH_KB = 100_000
"""An answer is capped at a few MB; that much more memory means it was taken whole."""
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(hours=1)
LONG_WAIT, A_DAY = timedelta(minutes=10), timedelta(days=1)
"""Of a limit that lasts until the day is over: looking again before long costs nothing, every few seconds it does."""

Call = Callable[[Adapter], Any]


class Failing(ContractBase):
    """What is raised when the CRM, or the way to it, is in trouble."""

    @proves("always")
    @pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
    def test_a_read_that_fails_names_what_to_do(self, stage: Stage, form: Form) -> None:
        adapter, wire = stage.wired(self.base_url_key, self._patience(form))
        for name, call in self._reads(stage, slow=form.slow).items():
            wire.strike(form.strike_before, times=None)
            with self._bounded(wire, f"{name} under {form.name}"):
                outcome = _outcome(call, adapter)
            if form.name in ("404", "410") and (outcome is None or isinstance(outcome, NotACase | Unknown)):
                continue  # the honest answer to "there is none"
            assert isinstance(outcome, form.reading), f"{name} under {form.name}: {outcome!r}"
            assert not isinstance(outcome, Ambiguous | Conflict), f"{name}: a read has no effect to be unsure of"

    @proves("targets")
    @pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
    def test_a_write_that_fails_names_what_to_do(self, stage: Stage, form: Form) -> None:
        case = stage.open_case()
        draft = stage.draft(case)
        adapter, wire = stage.wired(self.base_url_key, self._patience(form))
        wire.strike(form.strike_before, times=None)
        with self._bounded(wire, f"write_draft under {form.name}"):
            outcome = _outcome(lambda one: one.write_draft(case, draft, key(), None), adapter)
        assert isinstance(outcome, form.writing), f"write_draft under {form.name}: {outcome!r}"
        assert stage.crm.standing(case) == ()

    @proves("always")
    def test_a_rate_limit_says_how_long_to_wait(self, stage: Stage) -> None:
        for form in (form for form in FORMS if form.name.startswith("429")):
            limited = self._limited(stage, form)
            assert SHORTEST_WAIT <= limited.after <= LONGEST_WAIT, f"{form.name}: {limited.after}"
            if form.name == "429-seconds":
                assert limited.after == timedelta(seconds=60)

    @proves("always")
    def test_every_rate_limit_of_this_crm_is_known(self, stage: Stage) -> None:
        if not self.rate_limits:
            pytest.skip("not declared: rate limits of its own (rate_limits)")
        for status, headers, document in self.rate_limits:
            play = of_status(status, headers=headers, body=document)
            self._limited(stage, Form(name=f"{status} {dict(document)}", play=play))

    @proves("always")
    def test_no_more_today_is_waited_for_long_and_is_no_fault_of_the_case(self, stage: Stage) -> None:
        if not self.daily_limits:
            pytest.skip("not declared: daily limits (daily_limits)")
        for status, headers, document in self.daily_limits:
            form = Form(name=f"{status} {dict(document)}", play=of_status(status, headers=headers, body=document))
            case = stage.open_case()
            adapter, wire = stage.wired(self.base_url_key)
            for name, call in {**self._reads(stage), **self._effects(stage, case)}.items():
                wire.strike(form.strike_before, times=None)
                outcome = _outcome(call, adapter)
                assert isinstance(outcome, Retry), f"{name} under {form.name}: {outcome!r}"
                assert LONG_WAIT <= outcome.after <= A_DAY, f"{name} under {form.name}: {outcome.after}"
                assert wire.struck == 1, f"{name} under {form.name}: asked again, {wire.struck} times in all"
            assert (stage.crm.standing(case), stage.gone_out(case)) == ((), [])

    @proves("always")
    def test_an_emulated_rate_limit_pauses_and_passes(self, stage: Stage) -> None:
        case = stage.open_case()
        stage.context(case)
        stage.crm.faults.add(FaultRule(status=429, retry_after=60))
        with pytest.raises(Retry) as raised:
            stage.adapter.read_case(case)
        assert raised.value.after == timedelta(seconds=60)
        stage.context(case)

    @proves("always")
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_never_followed(self, stage: Stage, status: int) -> None:
        elsewhere = Elsewhere()
        try:
            location = f"{elsewhere.base_url}/api/collect"
            form = Form(name="redirect", play=lambda struck, _: struck.send(answer(status, b"", Location=location)))
            adapter, wire = stage.wired(self.base_url_key)
            for name, call in {**self._reads(stage), **self._effects(stage, stage.open_case())}.items():
                wire.strike(form.strike_before, times=None)
                outcome = _outcome(call, adapter)
                expected = (Retry, Permanent, Ambiguous) if name == "send_reply" else (Retry, Permanent)
                assert isinstance(outcome, expected), f"{name}: {outcome!r}"
            assert elsewhere.visits == 0, "a credential left for a host nobody configured"
        finally:
            elsewhere.stop()

    @proves("always")
    def test_a_crm_that_cannot_be_reached_is_waited_for(self, stage: Stage) -> None:
        case = stage.open_case()
        draft = stage.draft(case)
        adapter, wire = stage.wired(self.base_url_key)
        wire.stop()
        for call in (lambda: adapter.read_case(case), lambda: adapter.write_draft(case, draft, key(), None)):
            with pytest.raises(Retry):
                call()

    @proves("always")
    def test_no_error_tells_a_secret(self, stage: Stage) -> None:
        secrets = [value for value in _texts(stage.config) if len(value) >= 16 and "://" not in value]
        adapter, wire = stage.wired(self.base_url_key)
        assert not any(secret in repr(adapter) for secret in secrets)
        case = stage.open_case()
        for form in (form for form in FORMS if not form.slow):
            wire.strike(form.strike_before, times=None)
            outcome = _outcome(lambda one: one.read_case(case), adapter)
            told = f"{outcome} {outcome!r} {getattr(outcome, '__cause__', None)!r}"
            assert not any(secret in told for secret in secrets), f"{form.name}: the error quotes a secret"

    @proves("always")
    def test_trouble_passes(self, stage: Stage) -> None:
        case = stage.open_case()
        adapter, wire = stage.wired(self.base_url_key)
        for form in (form for form in FORMS if not form.slow):
            wire.strike(form.strike_before, times=None)
            _outcome(lambda one: one.read_case(case), adapter)
            wire.spare()
            assert stage.context(case, adapter).case == case, f"after {form.name} the adapter never recovered"

    # --- inside -----------------------------------------------------------------------------------------------------

    def _reads(self, stage: Stage, *, slow: bool = False) -> dict[str, Call]:
        case = stage.open_case()
        calls: dict[str, Call] = {"read_case": lambda one: one.read_case(case)}
        if stage.capabilities.reconcile:
            cursor = stage.adapter.changed_since(None).cursor
            calls["changed_since"] = lambda one: one.changed_since(cursor)
        if stage.capabilities.target.readable:
            ref = stage.adapter.write_draft(case, stage.draft(case), key(), None)
            calls["read_draft"] = lambda one: one.read_draft(ref)
        # Each of the slow ones takes the whole deadline: one is enough to know.
        return {"read_case": calls["read_case"]} if slow else calls

    def _effects(self, stage: Stage, case: CaseRef) -> dict[str, Call]:
        draft = stage.draft(case)
        calls: dict[str, Call] = {"write_draft": lambda one: one.write_draft(case, draft, key(), None)}
        if stage.capabilities.sends is Sends.BRIDGE:
            reply = stage.reply(case)
            calls["send_reply"] = lambda one: one.send_reply(reply, key())
        return calls

    def _limited(self, stage: Stage, form: Form) -> Retry:
        case = stage.open_case()
        adapter, wire = stage.wired(self.base_url_key)
        wire.strike(form.strike_before, times=None)
        outcome = _outcome(lambda one: one.read_case(case), adapter)
        assert isinstance(outcome, Retry), f"{form.name}: {outcome!r}"
        return outcome

    @contextmanager
    def _bounded(self, wire: FaultyWire, what: str) -> Iterator[None]:
        began, memory_kb = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield
        took_s = time.monotonic() - began
        assert took_s < self.within_s, f"{what}: {took_s:.1f} s"
        assert wire.sent_bytes < MAX_TAKEN_BYTES, f"{what}: took {wire.sent_bytes} bytes of an answer without an end"
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kb
        assert grown_kb < MAX_GROWTH_KB, f"{what}: {grown_kb} kB more memory"


def _outcome(call: Call, adapter: Adapter) -> Any:
    """What it returned, or the error of the contract it raised; any other exception fails the rule."""
    try:
        return call(adapter)
    except OutboundError as error:
        return error


def _texts(config: Mapping[str, Any]) -> Iterator[str]:
    for value in config.values():
        for text in value if isinstance(value, list | tuple) else (value,):
            if isinstance(text, str):
                yield text
