"""The stage of many stories: one bridge and two emulated CRMs in this process, on one database.

It owns building them and what no person does: time that passes, leases that end, workers that start. Stories follow
each other on a stage with cases of their own; one that broke leaves a stage nobody should use again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa

from crm_bridge.assistants import Abstention, Proposal, detect_language
from crm_bridge.contract import Adapter, Delivery, Network, Retry
from crm_bridge.core.masking import MaskedContext
from crm_bridge.core.policy import ConnectionPolicy
from crm_bridge.kit.emulation import Outgoing, Transport, into_wsgi
from crm_bridge.pipeline.reconcile import reconcile
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.pipeline.work import work_on
from crm_bridge.registry import load_adapter
from crm_bridge.store import connections, queue
from crm_bridge.store.database import Store, sqlalchemy_url
from crm_bridge.store.encryption import Cipher, new_key
from crm_bridge.store.services import services_for
from crm_bridge.testing.handle import EmulatedCrm
from crm_bridge.testing.stories.boundaries import Watch, WatchedAdapter, WatchedStore
from crm_bridge.web import create_app

MakeCrm = Callable[[str], EmulatedCrm]
"""A new emulated CRM, not started, for the connection of this name."""

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
UNDO = timedelta(seconds=20)
MAX_TURNS = 200

_WAITING = {
    "connections": ("paused_until",),
    "work_items": ("wake_at", "not_before", "lease_until"),
    "drafts": ("send_after", "state_since", "looked_at"),
    "events": ("received_at",),
}
"""Whatever waits for a time, by table: time passes when these move into the past."""


@dataclass(kw_only=True)
class ScriptedAssistant:
    """Every proposal is a text of its own. `mood` says how it takes the next call; `seen` is told what it is given."""

    mood: str = "answers"
    calls: int = 0
    timeout_s: float = 5.0
    seen: Callable[[MaskedContext], None] = field(default=lambda _context: None)

    def draft(self, context: MaskedContext) -> Proposal | Abstention:
        self.seen(context)
        mood, self.mood = self.mood, "answers"
        if mood == "abstains":
            return Abstention(reason="unsure", detail="")
        if mood == "is in trouble":
            raise Retry("busy", code="http_503", after=timedelta(seconds=5))
        self.calls += 1
        return Proposal(text=f"Thank you for writing. This is proposal {self.calls}.", language="en")


@dataclass(kw_only=True)
class Company:
    """One CRM and its connection. `undo`: whether approvals can be taken back for a while."""

    name: str
    crm: EmulatedCrm
    known: ConnectionRuntime


@dataclass(kw_only=True)
class Stage:
    """`watch` observes the worker; `store` is the plain one for looking."""

    store: Store
    runtime: Runtime
    companies: Mapping[str, Company]
    assistant: ScriptedAssistant
    watch: Watch
    bridge: Transport
    stories: int = 0

    @property
    def names(self) -> list[str]:
        return list(self.companies)

    def close(self) -> None:
        """Stop the CRMs; what the connections stored stays and is claimed no more."""
        self.sql("update connections set enabled = false where name = any(:names)")
        for company in self.companies.values():
            company.known.adapter.close()
            company.crm.stop()

    # --- the bridge -----------------------------------------------------------------------------------------------

    def post(self, delivery: Delivery) -> int:
        """A delivery to the bridge, as it is; the status it got."""
        url = f"http://127.0.0.1{delivery.target}"
        sent = Outgoing(method=delivery.method, url=url, headers=delivery.headers, body=delivery.body)
        return self.bridge(sent).status

    def work(self) -> None:
        """A worker does what is due now. Raises `Death` where the story's fate says so."""
        outer = self.watch.working, self.watch.lease
        self.watch.working = True
        try:
            for _ in range(MAX_TURNS):
                lease = queue.claim(self.runtime.store)
                if lease is None:
                    return
                self.watch.lease = lease
                work_on(self.runtime, lease)
        finally:
            self.watch.working, self.watch.lease = outer

    def reconcile(self) -> None:
        """One poll of every CRM that can be polled."""
        self.watch.working = True
        try:
            reconcile(self.runtime)
        finally:
            self.watch.working = False

    # --- time -----------------------------------------------------------------------------------------------------

    def end_leases(self) -> None:
        """Whoever held an item is dead or has slept too long."""
        self.sql(
            "update work_items set lease_until = clock_timestamp() - interval '1 millisecond'"
            " where connection = any(:names) and lease_until > clock_timestamp()"
        )

    def pass_time(self, by: timedelta) -> None:
        """Everything that waits has waited so much longer."""
        for table, columns in _WAITING.items():
            moved = ", ".join(f"{column} = {column} - :by" for column in columns)
            owner = "name" if table == "connections" else "connection"
            self.sql(f"update {table} set {moved} where {owner} = any(:names)", by=by)  # noqa: S608 - our own names
        self.sql(
            "update attempts set attempted_at = attempted_at - :by, looked_at = looked_at - :by where draft_id in"
            " (select id from drafts where connection = any(:names))",
            by=by,
        )

    def next_due(self) -> timedelta | None:
        """When something is due again within the hour; None when nothing is."""
        statement = """
            select min(greatest(w.wake_at, w.lease_until, w.not_before, c.paused_until)) - clock_timestamp()
            from work_items w join connections c on c.name = w.connection
            where c.name = any(:names) and c.stopped_at is null
              and w.wake_at < clock_timestamp() + interval '1 hour'
            """
        found: timedelta | None = self.ask(statement)[0][0]
        return found

    # --- looking --------------------------------------------------------------------------------------------------

    def ask(self, statement: str, **values: Any) -> list[Any]:
        """Rows. `:names` are the connections of this stage."""
        every = {"names": self.names, **values}
        return self.store.run(lambda transaction: list(transaction.execute(sa.text(statement), every).all()))

    def sql(self, statement: str, **values: Any) -> None:
        every = {"names": self.names, **values}
        self.store.run(lambda transaction: transaction.execute(sa.text(statement), every))


def open_store(url: str) -> Store:
    """A store for stories only: what a crash of the machine would lose may be lost, and no connection grows old."""
    engine = sa.create_engine(
        sqlalchemy_url(url),
        pool_size=4,
        hide_parameters=True,
        connect_args={"options": "-c timezone=UTC -c statement_timeout=30000 -c synchronous_commit=off"},
    )
    return Store(engine=engine, cipher=Cipher([new_key()]))


def build_stage(store: Store, make_crm: MakeCrm) -> Stage:
    """A bridge with two connections of the same kind: replies of `alpha` leave at once, `beta` can undo."""
    run = uuid.uuid4().hex[:8]
    watch = Watch()
    companies: dict[str, Company] = {}
    for name, undo in (("alpha", timedelta(0)), ("beta", UNDO)):
        connection = f"{name}-{run}"
        crm = make_crm(connection)
        crm.start()
        companies[connection] = Company(name=name, crm=crm, known=_join(store, connection, crm, undo, watch))
    assistant = ScriptedAssistant()
    runtime = Runtime(
        store=WatchedStore(engine=store.engine, cipher=store.cipher, watch=watch),
        connections={connection: company.known for connection, company in companies.items()},
        assistant=assistant,
        detect_language=detect_language,
    )
    bridge = into_wsgi(create_app(runtime))
    for company in companies.values():
        company.crm.connect(bridge)
    made = Stage(
        store=store, runtime=runtime, companies=companies, assistant=assistant, watch=watch, bridge=bridge
    )  # fmt: skip
    made.reconcile()  # from now on
    return made


def _join(store: Store, name: str, crm: EmulatedCrm, undo: timedelta, watch: Watch) -> ConnectionRuntime:
    services = services_for(store, connection=name, public_url=crm.public_url, network=Network())
    adapter = load_adapter(crm.adapter, crm.config, crm.public_url, replace(services, clock=crm.clock))
    remote_id = adapter.remote_id
    store.run(
        lambda transaction: connections.register(
            transaction, name=name, adapter=crm.adapter, remote_id=remote_id, enabled=True
        )
    )
    watched = cast("Adapter", WatchedAdapter(adapter, name, watch))
    policy = ConnectionPolicy(start_from=LONG_AGO, debounce=timedelta(0), undo=undo)
    return ConnectionRuntime(name=name, adapter=watched, policy=policy)
