"""Rules of `changed_since`: with every webhook lost, everything that changed is found, and a cursor passes nothing."""

from __future__ import annotations

from datetime import timedelta

from crm_bridge.contract import BY_BRIDGE, CaseRef, Change
from crm_bridge.testing.base import ContractBase, proves
from crm_bridge.testing.stage import ANA, Stage, key

MANY = 110
"""More changed cases than two pages of any CRM's API we know hold."""
LAG = timedelta(seconds=30)


class Reconciling(ContractBase):
    """The safety net under every webhook."""

    @proves("reconcile")
    def test_every_kind_of_change_is_found(self, stage: Stage) -> None:
        cursor = self._now(stage)
        opened, written, answered, closed, merged, survivor = (stage.open_case() for _ in range(6))
        found, cursor = self._found(stage, cursor)
        assert {opened, written, answered, closed, merged, survivor} <= found
        stage.crm.customer_writes(written, "Hello?")
        stage.crm.agent_writes(answered, "Hello!", agent=ANA)
        stage.crm.close(closed)
        expected = {written, answered, closed}
        if stage.crm.merge(merged, survivor):
            expected |= {survivor}
        found, cursor = self._found(stage, cursor)
        assert expected <= found
        stage.crm.reopen(closed)
        assert closed in self._found(stage, cursor)[0]

    @proves("reconcile", "deletions")
    def test_a_deletion_is_found(self, stage: Stage) -> None:
        self.declared(stage.capabilities.deletions, "deletions")
        case = stage.open_case()
        cursor = self._now(stage)
        assert stage.crm.delete(case)
        assert case in self._found(stage, cursor)[0]

    @proves("reconcile")
    def test_it_begins_now(self, stage: Stage) -> None:
        case = stage.open_case()
        cursor = self._now(stage)
        assert case not in self._found(stage, cursor)[0]

    @proves("reconcile")
    def test_the_second_change_of_a_second_is_found(self, stage: Stage) -> None:
        first, second = stage.open_case(), stage.open_case()
        cursor = self._now(stage)
        stage.crm.clock.stop_at(stage.crm.clock.now().replace(microsecond=0) + timedelta(seconds=2))
        stage.crm.customer_writes(first, "Hello?")
        found, cursor = self._found(stage, cursor)
        assert first in found
        stage.crm.customer_writes(second, "Hello?")
        stage.crm.customer_writes(first, "Hello again?")
        found, cursor = self._found(stage, cursor)
        stage.crm.clock.advance(timedelta(seconds=2))
        later, _ = self._found(stage, cursor)
        assert {first, second} <= found | later

    @proves("reconcile")
    def test_many_changes_of_one_second_are_found_over_all_pages(self, stage: Stage) -> None:
        cursor = self._now(stage)
        stage.crm.clock.stop_at(stage.crm.clock.now().replace(microsecond=0) + timedelta(seconds=2))
        cases = {stage.open_case() for _ in range(MANY)}
        stage.crm.clock.advance(timedelta(seconds=2))
        assert cases <= self._found(stage, cursor)[0]

    @proves("reconcile")
    def test_a_change_while_paging_is_not_lost(self, stage: Stage) -> None:
        cursor = self._now(stage)
        cases = [stage.open_case() for _ in range(MANY)]
        page = stage.adapter.changed_since(cursor)
        stage.crm.customer_writes(cases[-1], "Hello?")
        stage.crm.customer_writes(cases[0], "Hello?")
        later, _ = stage.changes(page.cursor)
        assert set(cases) <= {change.ref for change in (*page.items, *later)}
        assert cases[0] in {change.ref for change in later}, "it changed after its page was read"

    @proves("reconcile")
    def test_a_cursor_survives_a_restart(self, stage: Stage) -> None:
        cursor = self._now(stage)
        case = stage.open_case()
        stage.adapter.close()
        changes, _ = stage.changes(cursor, stage.another())
        assert case in {change.ref for change in changes}

    @proves("reconcile")
    def test_a_cursor_does_not_pass_what_an_index_shows_late(self, stage: Stage) -> None:
        cursor = self._now(stage)
        case = stage.open_case()
        self.playable(stage.crm.let_index_lag(LAG), "an index that lags")
        found, cursor = self._found(stage, cursor)
        stage.crm.clock.advance(LAG * 2)
        later, _ = self._found(stage, cursor)
        assert case in found | later

    @proves("reconcile")
    def test_an_unchanged_cursor_brings_nothing_twice_for_ever(self, stage: Stage) -> None:
        cursor = self._now(stage)
        stage.open_case()
        _, cursor = self._found(stage, cursor)
        stage.crm.clock.advance(timedelta(minutes=10))
        _, cursor = self._found(stage, cursor)
        stage.crm.clock.advance(timedelta(minutes=10))
        assert not self._found(stage, cursor)[0], "what was told is told again for ever"

    @proves("reconcile")
    def test_our_own_changes_are_told_apart(self, stage: Stage) -> None:
        ours, theirs = stage.open_case(), stage.open_case()
        cursor = self._now(stage)
        stage.adapter.write_draft(ours, stage.draft(ours), key(), None)
        stage.crm.agent_writes(theirs, "Hello!", agent=ANA)
        changes, _ = stage.changes(cursor)
        by = {change.ref: change.by for change in changes}
        if ours in by:
            assert by[ours] == BY_BRIDGE, "a poll that finds our own writes says that we made them"
        assert by.get(theirs) != BY_BRIDGE, "what a person changed was not changed by us"

    @proves("reconcile")
    def test_a_change_has_a_version(self, stage: Stage) -> None:
        cursor = self._now(stage)
        case = stage.open_case()
        first = _of(case, stage.changes(cursor)[0])
        stage.crm.customer_writes(case, "Hello?")
        second = _of(case, stage.changes(cursor)[0])
        assert first.version != second.version

    @proves("reconcile")
    def test_looking_stays_within_its_budget(self, stage: Stage) -> None:
        cursor = self._now(stage)
        stage.open_case()
        before = sum(stage.crm.calls.values())
        stage.changes(cursor)
        self.within_budget(stage, "changed_since", sum(stage.crm.calls.values()) - before)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _now(self, stage: Stage) -> str:
        """A cursor behind everything there is."""
        self.declared(stage.capabilities.reconcile, "reconcile")
        return stage.changes(None)[1]

    def _found(self, stage: Stage, cursor: str) -> tuple[set[CaseRef], str]:
        """The cases behind a cursor, over all pages; every webhook meanwhile is dropped."""
        stage.crm.deliveries()
        changes, newer = stage.changes(cursor)
        found = set()
        for change in changes:
            known = change.ref if isinstance(change.ref, CaseRef) else stage.adapter.resolve(change.ref)
            if isinstance(known, CaseRef):
                found.add(known)
        return found, newer


def _of(case: CaseRef, changes: list[Change]) -> Change:
    return next(change for change in reversed(changes) if change.ref == case)
