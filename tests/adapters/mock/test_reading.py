"""What the adapter reads of the embedded CRM."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from crm_bridge.contract import CaseRef, ForeignRef, Merged, NotACase, NotYet, Retry, Unsupported
from crm_bridge.kit.emulation import FaultRule
from crm_bridge_mock.profiles import PROFILES

from .conftest import AGENT, Pair

Connect = Callable[..., Pair]


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_case_is_read_with_customer_messages_and_addressing(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    case = pair.open_case(body="My password\x00 is lost", language="en", priority="high")
    pair.says(case, "We look at it.", author="agent")
    pair.says(case, "Only for us", author="agent", public=False)
    context = pair.read(case)
    assert [(one.author.kind, one.public) for one in context.messages] == [
        ("customer", True),
        ("agent", True),
        ("agent", False),
    ]
    assert context.messages[0].text == "My password is lost"
    assert context.requester is not None
    assert context.requester.email == "ann@example.org"
    assert context.addressing is not None
    assert context.addressing.to == ("ann@example.org",)
    assert context.addressing.in_reply_to == context.messages[0].id
    assert (context.open, context.language, context.priority) == (True, "en", "high")


def test_a_long_thread_is_read_whole_and_in_order(native: Pair) -> None:
    case = native.open_case(body="0")
    with native.crm.records.transaction():
        for number in range(1, 130):
            native.says(case, str(number))
    assert [one.text for one in native.read(case).messages] == [str(number) for number in range(130)]


def test_an_automatic_reply_is_marked(native: Pair) -> None:
    case = native.open_case()
    native.says(case, "I am away.", automatic=True)
    assert [one.automatic for one in native.read(case).messages] == [False, True]


def test_quoted_history_is_cut_off(native: Pair) -> None:
    quoted = "It still fails.\n\nOn Mon, Nov 2, 2026 at 10:00 AM Support <s@desk.example> wrote:\n> Try again.\n"
    case = native.open_case(body=quoted)
    assert native.read(case).messages[0].text.strip() == "It still fails."


def test_other_open_cases_about_the_same_are_duplicates(native: Pair) -> None:
    first, second = native.open_case(), native.open_case(subject="i forgot  MY password")
    native.open_case(subject="Another thing")
    native.open_case(customer={"name": "Bob", "email": "bob@example.org"})
    assert native.read(second).duplicates == (first,)
    native.crm.desk.close(first.id, AGENT)
    assert native.read(second).duplicates == ()


def test_a_merged_case_points_at_its_survivor(native: Pair) -> None:
    first, second = native.open_case(), native.open_case(body="More of it")
    assert native.crm.desk.merge(first.id, second.id)[0] == 200
    assert native.adapter.read_case(first) == Merged(into=second)
    assert native.adapter.resolve(first) == Merged(into=second)
    assert len(native.read(second).messages) == 2


def test_a_deleted_case_is_gone(native: Pair) -> None:
    case = native.open_case()
    assert native.crm.desk.delete(case.id)[0] == 200
    assert isinstance(native.adapter.read_case(case), NotACase)
    assert isinstance(native.adapter.resolve(case), NotACase)
    assert native.crm.desk.case(case.id, AGENT) is None


@pytest.mark.parametrize("odd", ["no-such-case", "../articles", "a/b?c=d", "%2e%2e", "Ω"])
def test_an_odd_id_is_no_case_and_reaches_nothing_else(native: Pair, odd: str) -> None:
    assert isinstance(native.adapter.read_case(CaseRef(id=odd)), NotACase)


def test_a_thread_is_known_only_after_a_look(connect: Connect) -> None:
    pair = connect("foreign")
    case = pair.open_case()
    thread = ForeignRef(kind="thread", id=pair.read(case).messages[0].thread)
    assert isinstance(pair.adapter.resolve(thread), NotYet)
    assert pair.adapter.resolve(thread) == case
    assert isinstance(pair.adapter.resolve(ForeignRef(kind="thread", id="thread_nowhere")), NotACase)
    assert isinstance(pair.adapter.resolve(ForeignRef(kind="event", id="evt_1")), NotACase)


def test_one_second_means_no_fractions(connect: Connect) -> None:
    pair = connect("one-second")
    context = pair.read(pair.open_case())
    assert {context.created_at.microsecond, context.messages[0].sent_at.microsecond} == {0}


def test_changes_begin_now_and_lose_nothing(native: Pair) -> None:
    native.open_case()
    begin = native.adapter.changed_since(None)
    assert begin.items == ()
    cases = [native.open_case(subject=str(number)) for number in range(60)]
    native.crm.desk.delete(cases[0].id)
    seen, cursor, more = [], begin.cursor, True
    while more:
        page = native.adapter.changed_since(cursor)
        seen += [item.ref for item in page.items]
        cursor, more = page.cursor, page.more
    assert set(seen) == set(cases)
    assert native.adapter.changed_since(cursor).items == ()


def test_articles_are_listed_from_the_start_and_then_what_changed(native: Pair) -> None:
    for number in range(55):
        native.crm.put_article({"id": f"kb{number}", "title": "T", "body": "B", "language": "en"})
    first = native.adapter.list_articles(None)
    rest = native.adapter.list_articles(first.cursor)
    assert (len(first.items), first.more, len(rest.items), rest.more) == (50, True, 5, False)
    native.crm.put_article({"id": "kb3", "title": "T", "body": "B", "language": "en", "deleted": True})
    assert [(item.id, item.deleted) for item in native.adapter.list_articles(rest.cursor).items] == [("kb3", True)]


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_what_a_profile_cannot_do_is_unsupported(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    capabilities = pair.adapter.capabilities
    case = pair.open_case()
    ref = pair.write(case)
    if not capabilities.target.withdrawable:
        with pytest.raises(Unsupported):
            pair.adapter.withdraw_draft(ref, ref.fingerprint)
    if capabilities.sends != "bridge":
        with pytest.raises(Unsupported):
            pair.adapter.send_reply(pair.reply(case), "k")


def test_the_wrong_profile_is_diagnosed(native: Pair) -> None:
    assert [found.status for found in native.adapter.diagnose()] == ["ok", "ok", "ok"]


def test_the_examples_can_be_read(native: Pair) -> None:
    assert native.crm.seed() > 0
    assert native.crm.seed() == 0
    for row in native.crm.desk.cases(AGENT):
        assert native.read(CaseRef(id=row["id"])).messages
    assert native.adapter.list_articles(None).items


def test_a_daily_limit_lasts_until_the_day_is_over_or_is_looked_at_hourly(native: Pair) -> None:
    case = native.open_case()
    native.crm.clock.stop_at(native.crm.clock.now().replace(hour=23, minute=20))
    native.crm.faults.add(FaultRule(rate_limit="daily"), FaultRule(rate_limit="daily"))
    for moment, wait in ((None, timedelta(minutes=40)), (9, timedelta(hours=1))):
        if moment is not None:
            native.crm.clock.stop_at(native.crm.clock.now().replace(hour=moment))
        with pytest.raises(Retry) as raised:
            native.adapter.read_case(case)
        assert abs(raised.value.after - wait) <= timedelta(minutes=1)
    assert native.read(case).case == case
