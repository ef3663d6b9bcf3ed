"""The poll: whatever changes is told, also within one second and committed late, and nothing is told for ever."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.contract import BY_BRIDGE, CaseContext, Change, Draft, Permanent
from crm_bridge_salesforce import changes, cursor
from crm_bridge_salesforce.adapter import SalesforceAdapter
from crm_bridge_salesforce.cursor import Cursor, cursor_text, read_cursor
from crm_bridge_salesforce.emulator.handle import SalesforceCrm
from crm_bridge_salesforce.learned import Learned

Connect = Callable[..., SalesforceAdapter]
BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
ME, ANA = "005Wx0000000001IAA", "005Wx0000000002IAA"
MAY = Learned(readable={"Case": frozenset({"SystemModstamp", "Status", "OwnerId", "IsClosed"})})
(CASES,) = changes.sources(MAY)


def case_id(number: int) -> str:
    return f"500Wx{number:010d}"


class Table:
    """Cases with the second in which they changed last; what is committed late is not seen before."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.hidden: dict[str, datetime] = {}

    def change(self, number: int, at: datetime, *, status: str, by: str = ANA) -> None:
        known = self.rows.get(case_id(number))
        last = max(at, datetime.fromisoformat(known["SystemModstamp"])) if known else at
        self.rows[case_id(number)] = {
            "Id": case_id(number),
            "SystemModstamp": last.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "LastModifiedById": by,
            "IsDeleted": False,
            "Status": status,
        }

    def page(self, after: Cursor) -> Mapping[str, Sequence[dict[str, Any]]]:
        place = after.places.get(CASES.name)

        def follows(row: dict[str, Any]) -> bool:
            at = datetime.fromisoformat(row["SystemModstamp"])
            return at >= after.floor if place is None else (at, row["Id"]) > place

        found = [row for row in self.rows.values() if row["Id"] not in self.hidden and follows(row)]
        return {CASES.name: sorted(found, key=lambda row: (row["SystemModstamp"], row["Id"]))[: changes.PAGE]}


def polled(table: Table, after: Cursor, now: datetime) -> tuple[list[Change], Cursor]:
    """A whole sweep, every cursor through its text."""
    told: list[Change] = []
    for _ in range(200):
        page, after = changes.followed(after, table.page(after), [CASES], me=ME, now=now)
        told += page
        after = read_cursor(cursor_text(after))
        if not after.sweeps:
            return told, after
    raise AssertionError("a sweep without an end")


# --- properties ---------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["change", "late", "poll", "wait"]), st.integers(0, 11), st.integers(0, 3), st.integers(0, 90)
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_ends_up_in_the_table_was_told(steps: list[tuple[str, int, int, int]]) -> None:
    table, now, after = Table(), BEGAN, Cursor(floor=BEGAN)
    versions: dict[str, set[str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "PAGE", 3)
        for action, number, status, wait in [*steps, ("wait", 0, 0, 60)]:
            if action == "change":
                table.change(number, now, status=str(status))
            elif action == "late":
                table.change(number + 100, now, status=str(status))
                table.hidden[case_id(number + 100)] = now
            elif action == "wait":
                now += timedelta(seconds=wait)
                # Committed within the overlap, whatever was changed and polled for in between.
                table.hidden = {one: at for one, at in table.hidden.items() if now - at < timedelta(seconds=200)}
            else:
                told, after = polled(table, after, now)
                for change in told:
                    versions.setdefault(change.ref.id[:15], set()).add(change.version)
        table.hidden.clear()
        told, after = polled(table, after, now)
        for change in told:
            versions.setdefault(change.ref.id[:15], set()).add(change.version)
        assert set(versions) == set(table.rows)
        for row in table.rows.values():
            only = [changes.Row(source=CASES, record=row, mine=False)]
            assert changes._version(only) in versions[row["Id"]], "what it is in the end was told"
        later = now + timedelta(minutes=1)
        _, after = polled(table, after, later)
        assert polled(table, after, later)[0] == [], "nothing is told for ever"


def test_a_mass_change_of_one_second_is_told_and_then_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "PAGE", 50)
    monkeypatch.setattr(cursor, "MAX_SEEN", 120)
    table = Table()
    for number in range(600):
        table.change(number, BEGAN, status="New")
    told, after = polled(table, Cursor(floor=BEGAN), BEGAN + timedelta(minutes=1))
    assert {one.ref.id[:15] for one in told} == set(table.rows)
    assert len(after.seen) <= 120
    for _ in range(3):
        told, after = polled(table, after, BEGAN + timedelta(minutes=2))
    assert told == []


def test_the_cursor_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    table, after, now = Table(), Cursor(floor=BEGAN), BEGAN
    for _ in range(60):
        now += timedelta(minutes=1)
        for _ in range(20):
            table.change(random.randrange(500), now, status="New")
        _, after = polled(table, after, now)
    assert len(cursor_text(after)) < 5_000


def test_what_is_told_within_its_second_is_told_once_more_when_that_is_over() -> None:
    table, after = Table(), Cursor(floor=BEGAN)
    table.change(1, BEGAN, status="New")
    (early,), after = polled(table, after, BEGAN)
    assert polled(table, after, BEGAN)[0] == []
    (late,), after = polled(table, after, BEGAN + timedelta(seconds=10))
    assert early.version != late.version
    assert polled(table, after, BEGAN + timedelta(seconds=20))[0] == []


def test_who_changed_it_is_named_and_we_by_our_word() -> None:
    table = Table()
    table.change(1, BEGAN, status="New", by=ME)
    table.change(2, BEGAN, status="New", by=ANA)
    told, _ = polled(table, Cursor(floor=BEGAN), BEGAN + timedelta(minutes=1))
    assert [one.by for one in told] == [BY_BRIDGE, ANA]


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"floor": "x"}', "null", '{"floor": 1, "seen": []}'])
def test_another_cursor_is_refused(text: str) -> None:
    with pytest.raises(Permanent) as raised:
        read_cursor(text)
    assert raised.value.code == "unusable_cursor"


def test_no_query_is_longer_than_salesforce_takes() -> None:
    after = Cursor(floor=BEGAN, places={"Case": (BEGAN, "x' OR Id != '")})
    query = changes.page_query(CASES, after, MAY)
    assert "Id > 'x\\' OR Id != \\''" in query
    assert len(query) < 4_000


# --- against an org -----------------------------------------------------------------------------------------------


@pytest.fixture
def adapter(connect: Connect, org: SalesforceCrm) -> SalesforceAdapter:
    return connect(org.config, clock=org.clock)


def found(adapter: SalesforceAdapter, after: str) -> tuple[dict[str, Change], str]:
    told: dict[str, Change] = {}
    for _ in range(50):
        page = adapter.changed_since(after)
        told |= {one.ref.id: one for one in page.items}
        after = page.cursor
        if not page.more:
            return told, after
    raise AssertionError("still more")


def test_the_version_of_a_poll_is_that_of_a_reading(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    after = adapter.changed_since(None).cursor
    cases = [org.open_case("Sign-in", "I cannot sign in.") for _ in range(3)]
    org.clock.advance(timedelta(seconds=10))
    org.agent_writes(cases[1], "Hello!", agent="Ana Agent")
    org.agent_writes(cases[2], "Known.", agent="Ana Agent", public=False)
    org.clock.advance(timedelta(seconds=10))
    told, _ = found(adapter, after)
    for case in cases:
        context = adapter.read_case(case)
        assert isinstance(context, CaseContext)
        assert told[case.id].version == context.version


def test_a_decision_whose_notice_was_lost_is_found(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = org.open_case("Sign-in", "I cannot sign in.")
    _, after = found(adapter, adapter.changed_since(None).cursor)
    context = adapter.read_case(case)
    assert isinstance(context, CaseContext)
    adapter.write_draft(case, _draft(context), "k-poll", None)
    org.clock.advance(timedelta(seconds=10))
    told, after = found(adapter, after)
    assert told[case.id].by == BY_BRIDGE
    before = adapter.read_case(case)
    assert org.decide(case, "accept", "Ana Agent", revision=1)
    org.clock.advance(timedelta(seconds=10))
    told, _ = found(adapter, after)
    now = adapter.read_case(case)
    assert isinstance(before, CaseContext)
    assert isinstance(now, CaseContext)
    assert told[case.id].by == org.agent("Ana Agent").id
    assert told[case.id].version == now.version != before.version


def test_a_cursor_is_text_without_anything_of_a_customer(adapter: SalesforceAdapter, org: SalesforceCrm) -> None:
    case = org.open_case("Sign-in", "I cannot sign in.")
    text = adapter.changed_since(None).cursor
    assert set(json.loads(text)) == {"floor", "seen", "fresh", "places", "done"}
    assert case.id not in text


def _draft(context: CaseContext) -> Draft:

    public = tuple(one.id for one in context.public_messages)
    assert context.addressing is not None
    return Draft(
        id="d-1", revision=1, answers=public[-1], made_from=public, text="Hi.", language="en",
        addressing=context.addressing,
    )  # fmt: skip
