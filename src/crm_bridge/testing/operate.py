"""Rules of the adapter as a whole: what it is, tokens it shares, threads that use it, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crm_bridge.contract import (
    CONTRACT_VERSION,
    Adapter,
    Capabilities,
    CaseContext,
    Diagnosis,
    InvalidConfig,
    Step,
)
from crm_bridge.registry import adapter_names, load_adapter
from crm_bridge.testing.base import ContractBase, proves
from crm_bridge.testing.processes import READ, OtherProcess
from crm_bridge.testing.stage import Stage, at_once

USERS = 8
TOKEN = "token"  # noqa: S105 - the name of an operation


class Operating(ContractBase):
    """What an admin and the processes of a bridge rely on."""

    @proves("always")
    def test_it_is_an_adapter_of_this_contract(self, adapter: Adapter) -> None:
        assert isinstance(adapter, Adapter)
        assert adapter.contract == CONTRACT_VERSION
        assert isinstance(adapter.capabilities, Capabilities)
        assert isinstance(adapter.remote_id, str)

    @proves("always")
    def test_the_bridge_finds_it_by_its_name(self, stage: Stage) -> None:
        if stage.crm.adapter not in adapter_names():
            pytest.skip("not declared: an entry point of the group crm_bridge.adapters")
        found = load_adapter(stage.crm.adapter, stage.config)
        assert found.capabilities == stage.capabilities
        found.close()

    @proves("always")
    def test_an_unknown_setting_is_refused_by_name(self, stage: Stage) -> None:
        with pytest.raises(InvalidConfig) as raised:
            stage.another(config={**stage.config, "no_such_setting": 1})
        assert "no_such_setting" in raised.value.path

    @proves("always")
    def test_a_table_without_settings_is_refused(self, stage: Stage) -> None:
        with pytest.raises(InvalidConfig):
            stage.another(config={"no_such_setting": 1})

    @proves("always")
    def test_building_an_adapter_calls_nobody(self, stage: Stage) -> None:
        before = dict(stage.crm.calls)
        stage.another()
        assert stage.crm.calls == before

    @proves("always")
    def test_diagnosing_says_something_and_changes_nothing(self, stage: Stage) -> None:
        case = stage.open_case()
        before = stage.context(case)
        lines = list(stage.adapter.diagnose())
        assert lines
        assert all(isinstance(line, Diagnosis) and line.status == "ok" for line in lines), lines
        assert stage.context(case).version == before.version

    @proves("always")
    def test_a_plan_changes_nothing(self, stage: Stage) -> None:
        case = stage.open_case()
        before = stage.context(case)
        assert all(isinstance(step, Step) and step.status != "done" for step in stage.adapter.provision(plan=True))
        assert stage.context(case).version == before.version

    @proves("always")
    def test_setting_up_twice_finds_everything_present(self, stage: Stage) -> None:
        list(stage.adapter.provision(plan=False))
        assert all(step.status in ("present", "manual") for step in stage.adapter.provision(plan=False))

    @proves("always")
    def test_several_threads_use_one_adapter(self, stage: Stage) -> None:
        cases = [stage.open_case() for _ in range(USERS)]
        results = at_once([lambda case=case: stage.adapter.read_case(case) for case in cases])  # type: ignore[misc]
        read = [result.case for result in results if isinstance(result, CaseContext)]
        assert read == cases, results

    @proves("always")
    def test_a_closed_adapter_makes_no_calls(self, stage: Stage) -> None:
        case = stage.open_case()
        adapter = stage.another()
        adapter.read_case(case)
        adapter.close()
        before = dict(stage.crm.calls)
        with pytest.raises(Exception):  # noqa: B017, PT011 - which error is the adapter's own business
            adapter.read_case(case)
        assert stage.crm.calls == before

    @proves("always")
    def test_an_ended_token_is_replaced(self, stage: Stage) -> None:
        case = stage.open_case()
        stage.context(case)
        self._end_tokens(stage)
        stage.context(case)

    @proves("always")
    def test_an_ended_token_is_refreshed_once_by_all_threads_and_processes(self, stage: Stage) -> None:
        """Two adapters that share services stand for two processes here; real ones are put to the rule below."""
        services = stage.services()
        adapters = [stage.another(services) for _ in range(2)]
        case = stage.open_case()
        for adapter in adapters:
            stage.context(case, adapter)
        self._end_tokens(stage)
        before = stage.crm.calls.get(TOKEN, 0)
        results: list[Any] = at_once([lambda one=one: one.read_case(case) for one in adapters * (USERS // 2)])  # type: ignore[misc]
        assert all(isinstance(result, CaseContext) for result in results), results
        assert stage.crm.calls.get(TOKEN, 0) - before == 1, "one refresh, whoever was first"

    @proves("always")
    def test_an_ended_token_is_refreshed_once_by_two_processes(self, stage: Stage, tmp_path: Path) -> None:
        self._end_tokens(stage)
        case = stage.open_case()
        before = stage.crm.calls.get(TOKEN, 0)
        with (
            OtherProcess(type(self), stage.crm, stage.config, case, tokens=tmp_path) as one,
            OtherProcess(type(self), stage.crm, stage.config, case, tokens=tmp_path) as other,
        ):
            for _ in range(2):
                for process in (one, other):
                    process.tell()
                assert [one.said(), other.said()] == [READ, READ]
                after = stage.crm.calls.get(TOKEN, 0)
                assert after - before == 1, "one refresh, whichever process was first"
                before = after
                self._end_tokens(stage)

    def _end_tokens(self, stage: Stage) -> None:
        self.declared(stage.crm.expire_tokens(), "access tokens")
