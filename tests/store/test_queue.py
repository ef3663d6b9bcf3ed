"""The queue under what broke others: lost wake-ups, dead holders, zombies, shuffled redeliveries, deadlocks."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from storing import NOW, drain, event, receive, register, turn

from crm_bridge.store import cases, inbox, queue
from crm_bridge.store.database import Store, StoreUnavailable
from crm_bridge.store.queue import LeaseLost


@pytest.fixture
def ready(store: Store) -> Store:
    register(store, "demo")
    return store


def rows(store: Store, statement: str, **values: Any) -> Any:
    return store.run(lambda c: c.execute(sa.text(statement), values).all())


def do(store: Store, statement: str, **values: Any) -> None:
    store.run(lambda c: c.execute(sa.text(statement), values))


def claimed(store: Store) -> queue.Lease:
    lease = queue.claim(store)
    assert lease is not None
    return lease


# 1. a wake-up in a transaction that commits after the work ran


@pytest.mark.parametrize("when", ["before_looking", "before_committing"])
def test_an_event_whose_transaction_stays_open_while_the_worker_works_is_not_stranded(ready: Store, when: str) -> None:
    for number in range(5):
        case = f"case-{number}"
        receive(ready, "demo", [event(case, f"{number}-a")])
        lease = claimed(ready)
        inserted, commit = threading.Event(), threading.Event()

        def second(case: str = case, number: int = number, inserted: Any = inserted, commit: Any = commit) -> None:
            def work(connection: sa.Connection) -> None:
                inbox.store_events(connection, ready.cipher, "demo", [event(case, f"{number}-b")], NOW)
                inserted.set()
                assert commit.wait(10)

            ready.run(work)

        with ThreadPoolExecutor(2) as pool:
            if when == "before_looking":
                writing = pool.submit(second)
                assert inserted.wait(10)
                working = pool.submit(turn, ready, lease)
                commit.set()
            else:
                # The worker has given the item back before the second one could insert anything.
                working = pool.submit(turn, ready, lease)
                working.result(10)
                writing = pool.submit(second)
                assert inserted.wait(10)
                commit.set()
            writing.result(10)
            working.result(10)
    drain(ready)
    balance = ready.run(lambda c: inbox.balance(c, "demo"))
    assert (balance.done, balance.pending, balance.stranded) == (10, 0, 0)
    assert balance.balances


def test_pairs_of_events_against_four_workers_all_come_to_an_end(ready: Store) -> None:
    chance, stop = random.Random(7), threading.Event()

    def work_until_told(_: int) -> None:
        while not stop.is_set():
            drain(ready)

    def deliver(number: int) -> None:
        for half in ("a", "b"):

            def work(connection: sa.Connection, half: str = half) -> None:
                inbox.store_events(connection, ready.cipher, "demo", [event(f"c{number}", f"{number}{half}")], NOW)
                if half == "b":
                    threading.Event().wait(chance.random() / 100)  # held open, as a slow web process does

            ready.run(work)

    with ThreadPoolExecutor(10) as pool:
        workers = [pool.submit(work_until_told, number) for number in range(4)]
        list(pool.map(deliver, range(60)))
        stop.set()
        for worker in workers:
            worker.result(10)
    drain(ready)
    balance = ready.run(lambda c: inbox.balance(c, "demo"))
    assert (balance.received, balance.done, balance.stranded) == (120, 120, 0)


# 2. and 3. locks and retries of the queue itself


def test_nudges_carry_no_lock_and_any_number_of_them_fits_into_one_transaction(ready: Store) -> None:
    def work(connection: sa.Connection) -> None:
        for _ in range(3):
            queue.nudge(connection)
        queue.nudge(connection, after=timedelta(seconds=30))

    ready.run(work)
    found = rows(ready, "select lock, queueing_lock, scheduled_at, args from procrastinate_jobs order by id")
    assert [(row.lock, row.queueing_lock, row.args) for row in found] == [(None, None, {})] * 4
    assert [row.scheduled_at is None for row in found] == [True, True, True, False]


def test_a_nudge_goes_with_its_transaction(ready: Store) -> None:
    def work(connection: sa.Connection) -> None:
        queue.nudge(connection)
        raise KeyError

    with pytest.raises(KeyError):
        ready.run(work)
    assert rows(ready, "select 1 from procrastinate_jobs") == []


# 4. is `test_a_failing_case_with_ten_events_is_tried_once_per_back_off` of the pipeline; here: what it stands on


def test_events_do_not_shorten_a_back_off(ready: Store) -> None:
    receive(ready, "demo", [event("c", "1")])
    lease = claimed(ready)
    ready.run(lambda c: queue.back_off(c, lease, wait=timedelta(minutes=1), failures=1))
    for number in range(10):
        receive(ready, "demo", [event("c", f"more-{number}")])
    assert queue.claim(ready) is None
    do(ready, "update work_items set not_before = clock_timestamp() - interval '1 s'")
    assert claimed(ready).failures == 1


@pytest.mark.parametrize("failures", range(1, 20))
def test_a_back_off_grows_and_is_bounded(failures: int) -> None:
    wait = queue.backoff_wait(failures).total_seconds()
    assert wait == min(2.0**failures, queue.MAX_BACKOFF_S)


# 5. a dead holder


def test_the_item_of_a_holder_that_died_is_due_again_when_its_lease_ends_and_nobody_sweeps(ready: Store) -> None:
    receive(ready, "demo", [event("c", "1")])
    first = claimed(ready)
    assert queue.claim(ready) is None
    do(ready, "update work_items set lease_until = clock_timestamp() - interval '1 ms'")
    second = claimed(ready)
    assert second.item_id == first.item_id
    assert second.token != first.token
    assert turn(ready, second) == 1


# 8. and 9. fences and leases


def test_the_fence_refuses_the_commit_of_a_zombie(ready: Store) -> None:
    receive(ready, "demo", [event("c", "1")])
    zombie = claimed(ready)
    do(ready, "update work_items set lease_until = clock_timestamp() - interval '1 ms'")
    claimed(ready)
    for act in (lambda: turn(ready, zombie), lambda: queue.renew(ready, zombie)):
        with pytest.raises(LeaseLost):
            act()
    assert ready.run(lambda c: inbox.balance(c, "demo")).pending == 1


def test_a_turn_that_outlived_its_lease_is_counted_while_nobody_has_finished_its_item(ready: Store) -> None:
    receive(ready, "demo", [event("c", "1")])
    slow = claimed(ready)
    do(ready, "update work_items set lease_until = clock_timestamp() - interval '1 second'")
    other = claimed(ready)
    ready.run(lambda c: queue.count_overrun(c, slow))
    assert rows(ready, "select failures, lease_token::text from work_items")[0] == (1, other.token)
    ready.run(lambda c: queue.release(c, other, wake_at=None))
    ready.run(lambda c: queue.count_overrun(c, slow))
    assert rows(ready, "select failures from work_items")[0].failures == 0


def test_a_renewed_lease_is_longer_and_no_effect_begins_at_its_very_end(ready: Store) -> None:
    receive(ready, "demo", [event("c", "1")])
    lease = claimed(ready)
    with queue.working(lease):
        assert queue.may_start()
        queue.renew(ready, lease, lease_s=1.0)
        assert not queue.may_start()
        queue.renew(ready, lease, lease_s=100.0)
        assert queue.may_start()
    assert queue.may_start()
    until = rows(ready, "select lease_until - clock_timestamp() as left from work_items")[0].left
    assert until > timedelta(seconds=90)


# --- shuffled redeliveries ----------------------------------------------------------------------------------------


def test_shuffled_redeliveries_of_one_batch_from_sixteen_threads_are_stored_once(ready: Store) -> None:
    batch = [event(f"case-{number % 17}", f"evt-{number}") for number in range(60)]

    def deliver(seed: int) -> int:
        shuffled = list(batch)
        random.Random(seed).shuffle(shuffled)
        return receive(ready, "demo", shuffled)

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(deliver, range(32))) == len(batch)
    assert drain(ready) == len(batch)
    assert ready.run(lambda c: inbox.balance(c, "demo")).done == len(batch)


def test_a_redelivery_of_what_is_handled_wakes_nothing(ready: Store) -> None:
    receive(ready, "demo", [event("c", "1")])
    drain(ready)
    assert receive(ready, "demo", [event("c", "1")]) == 0
    assert queue.claim(ready) is None


def test_an_event_twice_in_one_delivery_is_one_and_one_without_a_key_is_always_new(ready: Store) -> None:
    assert receive(ready, "demo", [event("c", "1"), event("c", "1"), event("c", None), event("c", None)]) == 3


def test_a_deadlock_is_tried_again_and_does_not_escape(ready: Store) -> None:
    receive(ready, "demo", [event("a", "1"), event("b", "2")])
    both = threading.Barrier(2, timeout=10)

    def cross(order: tuple[str, str]) -> int:
        tries = []

        def work(connection: sa.Connection) -> int:
            tries.append(1)
            for ref in order:
                connection.execute(
                    sa.text("update work_items set failures = failures + 1 where ref_id = :r"), {"r": ref}
                )
                if len(tries) == 1 and ref == order[0]:
                    both.wait()
            return len(tries)

        return ready.run(work)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(cross, [("a", "b"), ("b", "a")])) == [1, 2]
    assert [row.failures for row in rows(ready, "select failures from work_items")] == [2, 2]


def test_a_lock_that_is_never_given_back_ends_as_unavailable_and_not_as_a_hang(ready: Store) -> None:
    receive(ready, "demo", [event("a", "1")])

    def impatient(connection: sa.Connection) -> None:
        connection.execute(sa.text("set local lock_timeout = '50ms'"))
        connection.execute(sa.text("update work_items set failures = 1"))

    with ready.engine.begin() as holder:
        holder.execute(sa.text("select 1 from work_items for update"))
        with pytest.raises(StoreUnavailable):
            ready.run(impatient)


def test_the_text_of_a_database_error_holds_no_parameters(ready: Store) -> None:
    with pytest.raises(sa.exc.DBAPIError) as failed:
        do(ready, "select cast(:value as integer)", value="the customer's words")
    assert "customer's words" not in str(failed.value).replace(str(failed.value.orig), "")


def test_a_foreign_key_check_waits_for_no_worker(ready: Store) -> None:
    """Cases and items are locked so that rows that only point to them can still be written."""
    receive(ready, "demo", [event("a", "1")])
    case = ready.run(lambda c: cases.ensure(c, "demo", "a"))
    lease = claimed(ready)
    with ready.engine.begin() as holder:
        cases.lock(holder, case.id)
        queue.hold(holder, lease)
        do(
            ready,
            "set local lock_timeout = '500ms'; insert into cases (connection, ref, alias_of) values ('demo', 'b', "
            + str(case.id)
            + ")",
        )


# --- decisions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def case_id(ready: Store) -> int:
    receive(ready, "demo", [event("c", "1")])
    made = ready.run(lambda c: cases.ensure(c, "demo", "c"))
    return made.id


def decide(store: Store, case_id: int) -> None:
    def work(connection: sa.Connection) -> None:
        moment = connection.execute(sa.text("select clock_timestamp()")).scalar_one()
        queue.make_due(connection, case_id, moment)

    store.run(work)


def test_a_decision_ignores_the_back_off_of_its_case(ready: Store, case_id: int) -> None:
    lease = claimed(ready)
    ready.run(lambda c: queue.back_off(c, lease, wait=timedelta(minutes=5), failures=3))
    assert queue.claim(ready) is None
    decide(ready, case_id)
    assert claimed(ready).decided_at is not None


def test_a_decision_during_a_lease_survives_the_failure_of_its_holder(ready: Store, case_id: int) -> None:
    lease = claimed(ready)
    decide(ready, case_id)
    assert queue.claim(ready) is None, "a lease stands whatever is decided"
    ready.run(lambda c: queue.back_off(c, lease, wait=timedelta(minutes=5), failures=1))
    again = claimed(ready)
    assert again.decided_at is not None
    # What was decided before this lease began is part of what failed: it backs off with its case.
    ready.run(lambda c: queue.back_off(c, again, wait=timedelta(minutes=5), failures=2))
    assert queue.claim(ready) is None


def test_what_is_put_back_undone_keeps_its_place(ready: Store, case_id: int) -> None:
    decide(ready, case_id)
    lease = claimed(ready)
    ready.run(lambda c: queue.put_back(c, lease, wait=NOW, failures=lease.failures))
    assert claimed(ready).decided_at == lease.decided_at


# --- claiming fairly ----------------------------------------------------------------------------------------------


def served(store: Store, count: int) -> list[str]:
    names = []
    for _ in range(count):
        lease = queue.claim(store)
        if lease is None:
            break
        names.append(lease.connection)
        turn(store, lease)
    return names


@pytest.fixture
def two(store: Store) -> Store:
    register(store, "big", "small")
    receive(store, "big", [event(f"b{number}", f"b{number}") for number in range(500)])
    return store


def test_two_connections_are_served_in_turn_however_long_the_queue_of_one_is(two: Store) -> None:
    receive(two, "small", [event(f"s{number}", f"s{number}") for number in range(5)])
    names = served(two, 10)
    assert names.count("small") == 5
    assert all(first != second for first, second in pairwise(names))
    assert served(two, 3) == ["big"] * 3


def test_a_connection_has_at_most_so_many_cases_in_flight_also_when_all_workers_claim_at_once(two: Store) -> None:
    with ThreadPoolExecutor(12) as pool:
        leases = [lease for lease in pool.map(lambda _: queue.claim(two), range(12)) if lease is not None]
    assert len(leases) == 4
    assert len({lease.item_id for lease in leases}) == 4
    turn(two, leases[0])
    assert queue.claim(two) is not None
    assert queue.claim(two) is None


@pytest.mark.parametrize(
    "change",
    [
        "paused_until = clock_timestamp() + interval '1 minute'",
        "stopped_at = clock_timestamp(), stopped_by = 'Olga'",
        "enabled = false",
    ],
)
def test_paused_stopped_and_disabled_connections_are_passed_over(two: Store, change: str) -> None:
    receive(two, "small", [event("s", "s")])
    do(two, f"update connections set {change} where name = 'big'")
    assert served(two, 3) == ["small"]


def test_a_pause_ends_by_itself(two: Store) -> None:
    do(two, "update connections set paused_until = clock_timestamp() - interval '1 ms'")
    assert served(two, 1) == ["big"]


def test_decided_replies_come_first_then_what_is_due_longest(two: Store) -> None:
    do(two, "update work_items set wake_at = clock_timestamp() - interval '1 hour' where ref_id = 'b300'")
    made = two.run(lambda c: cases.ensure(c, "big", "b400"))
    decide(two, made.id)
    refs = []
    for _ in range(2):
        lease = claimed(two)
        refs.append(lease.ref_id)
        turn(two, lease)
    assert refs == ["b400", "b300"]


def test_nothing_is_claimed_before_it_is_due(store: Store) -> None:
    register(store, "demo")
    store.run(lambda c: inbox.store_events(c, store.cipher, "demo", [event("c", "1")], timedelta(minutes=1)))
    assert queue.claim(store) is None


def test_a_worker_that_loses_its_database_says_so(new_database: Callable[[], str]) -> None:
    from crm_bridge.store.database import connect
    from crm_bridge.store.encryption import Cipher, new_key

    url = new_database()
    lost = Store(engine=connect(url), cipher=Cipher([new_key()]))
    register(lost, "demo")
    name = sa.engine.make_url(url.replace("postgresql://", "postgresql+psycopg://")).database
    with psycopg.connect(url) as other:
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()",
            [name],
        )
    # The pool notices and connects again: a restart of the database costs nobody more than that.
    assert queue.claim(lost) is None
    lost.close()
