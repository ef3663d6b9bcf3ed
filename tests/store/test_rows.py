"""What stands in the tables: ciphertext, append-only decisions, counts that balance, the schema as declared."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from storing import NOW, drain, event, receive, register

from crm_bridge.contract import Agent, CaseRef, Event, EventKind, InvalidConfig
from crm_bridge.store import cases, connections, decisions, drafts, inbox, migrate, queue
from crm_bridge.store.database import Store, connect, pin_keys, sqlalchemy_url
from crm_bridge.store.decisions import Said
from crm_bridge.store.encryption import Cipher, UnreadableColumn, new_key
from crm_bridge.store.tables import metadata

SECRET = "Carla's very own words"


@pytest.fixture
def ready(store: Store) -> Store:
    register(store, "demo")
    return store


def a_draft(store: Store, **more: Any) -> drafts.DraftRow:
    def work(connection: sa.Connection) -> drafts.DraftRow:
        case = cases.ensure(connection, "demo", "c1")
        return drafts.begin(
            connection, store.cipher, name="demo", case_id=case.id, episode_id=None, answers="m1", seen=["m1"], **more
        )

    return store.run(work)


def a_decision(store: Store) -> drafts.DraftRow:
    draft = a_draft(store)
    said = Said(kind="edit", revision=1, agent=Agent(id="a", name="Ana"), source="panel", text=SECRET, comment=SECRET)
    store.run(lambda c: decisions.record(c, store.cipher, draft, said, datetime.now(UTC)))
    return draft


# --- decisions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement", ["update decisions set reason = 'x'", "delete from decisions", "truncate decisions"]
)
def test_the_database_refuses_to_change_what_was_decided(ready: Store, statement: str) -> None:
    draft = a_decision(ready)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        ready.run(lambda c: c.execute(sa.text(statement)))
    assert [row.kind for row in ready.run(lambda c: decisions.of_draft(c, draft.id))] == ["edit"]


def test_the_database_refuses_a_second_live_draft_of_a_case(ready: Store) -> None:
    a_draft(ready)
    with pytest.raises(sa.exc.IntegrityError, match="drafts_one_live"):
        a_draft(ready)


# --- encryption ---------------------------------------------------------------------------------------------------


def test_no_word_of_a_customer_or_an_agent_stands_in_the_database(ready: Store) -> None:
    a_draft(ready, instruction=SECRET, working_text=SECRET)
    ready.run(
        lambda c: inbox.store_events(
            c,
            ready.cipher,
            "demo",
            [Event(kind=EventKind.UNKNOWN, about=CaseRef(id="c1"), key="k", raw={"words": SECRET})],
            NOW,
        )
    )
    name = ready.engine.url.database
    for table in metadata.sorted_tables:
        for row in everything(ready, table.name):
            assert SECRET not in "".join(
                bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value) for value in row
            ), (name, table.name)


def everything(store: Store, table: str) -> Any:
    return store.run(lambda c: c.execute(sa.text(f"select * from {table}")).all())


def test_texts_come_back_as_they_were(ready: Store) -> None:
    draft = a_draft(ready, instruction=SECRET, working_text="ünï\u0000code")
    again = ready.run(lambda c: drafts.get(c, ready.cipher, draft.id))
    assert again is not None
    assert (again.instruction, again.working_text) == (SECRET, "ünï\u0000code")


def test_keys_rotate_the_first_encrypts_and_every_one_decrypts(ready: Store) -> None:
    old, new = new_key(), new_key()
    before = Cipher([old]).encrypt("x")
    both = Cipher([new, old])
    assert both.decrypt(before) == "x"
    assert Cipher([new]).decrypt(both.encrypt("y")) == "y"
    with pytest.raises(UnreadableColumn):
        Cipher([new]).decrypt(before)


@pytest.mark.parametrize("keys", [[], ["short"], ["not base64 at all!"]])
def test_unusable_keys_are_refused_and_not_shown(keys: list[str]) -> None:
    with pytest.raises(InvalidConfig) as refused:
        Cipher(keys)
    assert refused.value.path == "security.encryption_keys"
    assert not any(key in str(refused.value) for key in keys)


def test_a_key_that_stored_rows_need_stops_the_start_and_leaves_no_trace(ready: Store) -> None:
    right, wrong = Cipher([new_key()]), Cipher([new_key()])
    pin_keys(Store(engine=ready.engine, cipher=right))
    with pytest.raises(InvalidConfig, match="missing"):
        pin_keys(Store(engine=ready.engine, cipher=wrong))
    pin_keys(Store(engine=ready.engine, cipher=right))


def test_a_rotated_key_is_needed_from_then_on(ready: Store) -> None:
    old, new = new_key(), new_key()
    pin_keys(Store(engine=ready.engine, cipher=Cipher([old])))
    pin_keys(Store(engine=ready.engine, cipher=Cipher([new, old])))
    with pytest.raises(InvalidConfig):
        pin_keys(Store(engine=ready.engine, cipher=Cipher([old])))


def test_a_cipher_does_not_show_its_keys() -> None:
    key = new_key()
    assert key not in repr(Cipher([key]))


# --- counting -----------------------------------------------------------------------------------------------------


def test_received_is_done_and_pending_and_ignored_and_dead(ready: Store) -> None:
    receive(ready, "demo", [event("a", f"{number}") for number in range(10)])
    ids = ready.run(lambda c: c.execute(sa.text("select id from events order by id")).scalars().all())
    for outcome, reason, some in (
        ("done", "", ids[:2]),
        ("ignored", "before_start", ids[2:5]),
        ("ignored", "not_in_rollout", ids[5:6]),
        ("dead", "http_403", ids[6:8]),
    ):
        end(ready, some, outcome, reason)
    found = ready.run(lambda c: inbox.balance(c, "demo"))
    assert (found.received, found.done, found.pending) == (10, 2, 2)
    assert found.ignored == {"before_start": 3, "not_in_rollout": 1}
    assert found.dead == {"http_403": 2}
    assert found.balances


def end(store: Store, ids: Any, outcome: str, reason: str) -> None:
    store.run(lambda c: inbox.mark(c, ids, outcome, reason))


def test_an_event_is_ended_once(ready: Store) -> None:
    receive(ready, "demo", [event("a", "1")])
    drain(ready)
    ids = ready.run(lambda c: c.execute(sa.text("select id from events")).scalars().all())
    ready.run(lambda c: inbox.mark(c, ids, "dead", "late"))
    assert ready.run(lambda c: inbox.balance(c, "demo")).done == 1


def test_events_nothing_will_wake_do_not_balance(ready: Store) -> None:
    receive(ready, "demo", [event("a", "1")])
    ready.run(lambda c: c.execute(sa.text("update work_items set wake_at = null")))
    found = ready.run(lambda c: inbox.balance(c, "demo"))
    assert found.stranded == 1
    assert not found.balances


def test_events_of_another_connection_are_not_counted(ready: Store) -> None:
    register(ready, "other")
    receive(ready, "other", [event("a", "1")])
    assert ready.run(lambda c: inbox.balance(c, "demo")).received == 0


# --- connections --------------------------------------------------------------------------------------------------


def test_a_connection_belongs_to_one_org_for_ever(ready: Store) -> None:
    def pin(remote_id: str) -> None:
        ready.run(lambda c: connections.register(c, name="org", adapter="mock", remote_id=remote_id, enabled=True))

    pin("00D1")
    pin("00D1")
    with pytest.raises(InvalidConfig, match="another org"):
        pin("00D2")


def test_a_connection_that_is_not_configured_any_more_is_not_worked_on(ready: Store) -> None:
    register(ready, "old")
    receive(ready, "old", [event("a", "1")])
    ready.run(lambda c: connections.disable_others(c, ["demo"]))
    assert queue.claim(ready) is None
    register(ready, "old")
    assert queue.claim(ready) is not None


# --- schema -------------------------------------------------------------------------------------------------------


def test_the_migrations_make_what_the_tables_say(store: Store) -> None:
    def ours(_object: object, name: str | None, kind: str, *_rest: object) -> bool:
        return not (kind == "table" and (name or "").startswith("procrastinate_"))

    with store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": False, "include_object": ours},
        )
        assert compare_metadata(context, metadata) == []


def test_two_migrations_at_once_make_one_schema(new_database: Callable[[], str]) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema public cascade; create schema public")
    engines = [connect(url, pool_size=1) for _ in range(3)]
    assert not migrate.status(engines[0]).up_to_date
    with ThreadPoolExecutor(3) as pool:
        assert [status.up_to_date for status in pool.map(migrate.upgrade, engines)] == [True] * 3
    for engine in engines:
        engine.dispose()


def test_a_migrated_database_needs_nothing_more(store: Store) -> None:
    assert migrate.status(store.engine).up_to_date
    assert migrate.upgrade(store.engine).up_to_date


@pytest.mark.parametrize("url", ["mysql://x/y", "embedded", "sqlite:///x", ""])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig, match="database_url"):
        sqlalchemy_url(url)
