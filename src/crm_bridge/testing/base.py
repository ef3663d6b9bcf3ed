"""What every group of rules shares: the fixtures an author fills in, and how a rule says that it does not apply.

It owns fixtures, skipping and marking, not one rule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
import tenacity
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from crm_bridge.contract import Adapter, AdapterFactory, Services
from crm_bridge.kit.http import repeat
from crm_bridge.registry import ADAPTER_GROUP
from crm_bridge.testing.forms import Form
from crm_bridge.testing.handle import EmulatedCrm, Signer
from crm_bridge.testing.stage import Stage

NO_WAIT = tenacity.wait_none()
"""Repeats are made, and not waited for: most of a run would be waiting."""

Rule = TypeVar("Rule", bound=Callable[..., None])
Value = TypeVar("Value")

NOT_DECLARED, NOT_PLAYED = "not declared: ", "not played by this emulator: "
"""How the reason of a skipped rule begins: the first asks nothing of this adapter, the second was owed."""

DEFAULT_BUDGET: Mapping[str, int] = {"read_case": 5, "write_draft": 3, "send_reply": 4, "changed_since": 2}


def proves(*capabilities: str) -> Callable[[Rule], Rule]:
    """Name what a rule proves, for the report: capabilities as in `Capabilities`, or `always`."""

    def mark(rule: Rule) -> Rule:
        rule.__proves__ = capabilities  # type: ignore[attr-defined]
        return rule

    return mark


def for_all(strategy: SearchStrategy[Value], check: Callable[[Value], None], *, examples: int) -> None:
    """Property test inside a test: methods that classes inherit cannot be decorated with `given` themselves."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def holds(value: Value) -> None:
        check(value)

    holds()


class ContractBase:
    """Fill in `crm` and `signer`; the rest has defaults.

    `settings`: merged into the connection's table. `impatient`: settings under which calls give up soon, for rules that
    make the adapter wait for its deadline. `within_s`: no single call may take longer, whatever is played.
    `samples`: the folder of recorded deliveries. `budget`: most CRM calls of each operation of the adapter.
    `base_url_key`: where in the table the CRM's address stands. `rate_limits`: the CRM's own answers for "too many
    calls", as (status, headers, JSON); `daily_limits`: those for "no more today". `not_yet`: rule -> what to write
    next; such a rule has to fail until it is taken off the list. `variant`: which variant of the adapter this is, as
    in its `DECLARED`; proofs are kept by it. `has_no`: what this CRM does not have at all, in the words in which rules
    are skipped ("merging"): such a rule then does not apply, while one that merely cannot be played leaves its
    capabilities unproven.
    """

    settings: ClassVar[Mapping[str, Any]] = {}
    impatient: ClassVar[Mapping[str, Any]] = {}
    within_s: ClassVar[float] = 15.0
    samples: ClassVar[Path | None] = None
    budget: ClassVar[Mapping[str, int]] = DEFAULT_BUDGET
    base_url_key: ClassVar[str] = "base_url"
    rate_limits: ClassVar[tuple[tuple[int, Mapping[str, str], Mapping[str, object]], ...]] = ()
    daily_limits: ClassVar[tuple[tuple[int, Mapping[str, str], Mapping[str, object]], ...]] = ()
    not_yet: ClassVar[Mapping[str, str]] = {}
    variant: ClassVar[str] = "default"
    has_no: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for name, reason in cls.not_yet.items():
            rule = getattr(cls, name, None)
            if rule is None:
                raise TypeError(f"{cls.__name__}.not_yet names {name}, which is no rule")
            setattr(cls, name, _expected_to_fail(rule, reason))

    @pytest.fixture
    def crm(self) -> Iterator[EmulatedCrm]:
        """The emulated CRM, started. May have any scope: every rule makes cases of its own."""
        raise NotImplementedError("give the suite a fixture `crm`: your emulator's handle, started")

    @pytest.fixture
    def signer(self, crm: EmulatedCrm) -> Signer:
        """Signs as the CRM signs."""
        raise NotImplementedError("give the suite a fixture `signer` (see crm_bridge.testing.handle.Signer)")

    def build(self, crm: EmulatedCrm, config: Mapping[str, Any], services: Services) -> Adapter:
        """An adapter for this connection, by what its entry point names."""
        return _factory(crm.adapter)(config, services)

    @pytest.fixture
    def stage(self, crm: EmulatedCrm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
        """The CRM at rest and an adapter connected to it."""
        monkeypatch.setattr(repeat, "WAIT", NO_WAIT)
        crm.faults.clear()
        crm.let_index_lag(timedelta())
        crm.clock.run()
        crm.hold()
        crm.deliveries()
        config = {**crm.config, **self.settings}

        def build(wanted: Mapping[str, Any], services: Services) -> Adapter:
            return self.build(crm, wanted, services)

        stage = Stage(crm=crm, adapter=_NONE, build=build, config=config)
        stage.adapter = stage.another()
        yield stage
        stage.close()
        crm.faults.clear()
        crm.let_index_lag(timedelta())
        crm.clock.run()

    @pytest.fixture
    def adapter(self, stage: Stage) -> Adapter:
        """The adapter of the stage."""
        return stage.adapter

    def _patience(self, form: Form) -> Mapping[str, Any]:
        """Settings for an adapter that is put under this form."""
        return self.impatient if form.slow else {}

    @staticmethod
    def declared(promised: object, what: str) -> None:
        """Skip this rule unless it is promised."""
        if not promised:
            pytest.skip(f"{NOT_DECLARED}{what}")

    @classmethod
    def playable(cls, possible: object, what: str) -> None:
        """Skip this rule when the emulated CRM cannot play it."""
        if not possible:
            pytest.skip(f"{NOT_DECLARED if what in cls.has_no else NOT_PLAYED}{what}")

    def within_budget(self, stage: Stage, operation: str, calls: int) -> None:
        """So many CRM calls are not more than the adapter declares for this operation; they are kept for the report."""
        stage.measured[operation] = calls
        assert calls <= self.budget.get(operation, 0), f"{operation}: {calls} calls"


_NONE: Any = None


@functools.cache
def _factory(name: str) -> AdapterFactory:
    """What the entry point of this adapter names; looked up once, since the suite builds hundreds."""
    found = list(entry_points(group=ADAPTER_GROUP, name=name))
    if not found:
        raise LookupError(f"no adapter {name!r} is installed: install its package, or give the class a `build`")
    factory: AdapterFactory = found[0].load()
    return factory


def _expected_to_fail(rule: Callable[..., None], reason: str) -> Callable[..., None]:
    @functools.wraps(rule)
    def run(*arguments: Any, **named: Any) -> None:
        rule(*arguments, **named)

    # A list of its own: `wraps` shares the rule's, and other classes use that.
    run.pytestmark = [*getattr(rule, "pytestmark", ()), pytest.mark.xfail(reason=reason, strict=True).mark]  # type: ignore[attr-defined]
    return run
