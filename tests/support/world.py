"""A whole bridge and a whole embedded CRM in one process, for tests: real PostgreSQL, real HTTP to the CRM.

Time is not simulated; debounce and undo are zero unless a test says otherwise, and nothing sleeps: `settle` works
until nothing is due.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_bridge.assistants import Abstention, Assistant, Proposal, build_assistant, detect_language
from crm_bridge.contract import Agent, DecisionKind, Network
from crm_bridge.core.masking import MaskedContext
from crm_bridge.core.policy import ConnectionPolicy
from crm_bridge.kit.emulation import Outgoing, Reply, Transport, into_wsgi
from crm_bridge.pipeline.decide import DecisionRequest, decide, settle, undo
from crm_bridge.pipeline.panel import PanelView, panel_view
from crm_bridge.pipeline.reconcile import reconcile, sync_articles
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime
from crm_bridge.pipeline.work import drain
from crm_bridge.registry import load_adapter
from crm_bridge.store import connections, drafts, inbox
from crm_bridge.store.database import Store
from crm_bridge.store.drafts import DraftRow
from crm_bridge.store.services import services_for
from crm_bridge.web import create_app
from crm_bridge_mock.emulator import MockCrm

ANA = Agent(id="agent-ana", name="Ana Agent")
BEN = Agent(id="agent-ben", name="Ben Agent")
_AT_REST = (
    "update work_items set wake_at = null, lease_token = null, lease_until = null, not_before = null,"
    " decided_at = null",
    "update events set outcome = 'ignored', reason = 'tidied', handled_at = now() where handled_at is null",
    "update connections set paused_until = null, pauses = 0, stopped_at = null, stopped_by = null",
)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def policy(**changes: Any) -> ConnectionPolicy:
    """No debounce, no undo window, no caps."""
    return replace(ConnectionPolicy(start_from=LONG_AGO, debounce=timedelta(0), undo=timedelta(0)), **changes)


@dataclass(kw_only=True)
class ScriptedAssistant:
    """Answers what a test says; counts its calls and keeps what it was given."""

    answer: Callable[[MaskedContext], Proposal | Abstention] | None = None
    before: Callable[[MaskedContext], None] | None = None
    seen: list[MaskedContext] = field(default_factory=list)
    timeout_s: float = 5.0

    def draft(self, context: MaskedContext) -> Proposal | Abstention:
        self.seen.append(context)
        if self.before is not None:
            self.before(context)
        if self.answer is not None:
            return self.answer(context)
        return Proposal(text=f"Thank you for writing. This is proposal {len(self.seen)}.", language="en")


@dataclass(kw_only=True)
class Wire:
    """How the CRMs reach the bridge: known only once the bridge is built on them."""

    send: Transport | None = None

    def __call__(self, outgoing: Outgoing) -> Reply:
        assert self.send is not None
        return self.send(outgoing)


@dataclass(kw_only=True)
class World:
    """One bridge and the CRMs it is connected to; `crm` is the first one."""

    runtime: Runtime
    crms: Mapping[str, MockCrm]
    assistant: ScriptedAssistant

    @property
    def crm(self) -> MockCrm:
        return next(iter(self.crms.values()))

    @property
    def name(self) -> str:
        return next(iter(self.crms))

    # --- the customer and the CRM -------------------------------------------------------------------------------

    def open_case(self, body: str = "How do I reset my password?", *, subject: str = "Password", **more: Any) -> str:
        payload = {
            "subject": subject,
            "body": body,
            "customer": {"name": "Carla Customer", "email": "carla@example.com"},
        }
        status, made = self.crm.desk.create_case({**payload, **more}, ANA.name)
        assert status == 201, made
        return str(made["id"])

    def customer_writes(self, case: str, body: str) -> str:
        return self._message(case, {"author": "customer", "body": body, "public": True})

    def agent_writes(self, case: str, body: str, *, public: bool = True) -> str:
        return self._message(case, {"author": "agent", "body": body, "public": public})

    def _message(self, case: str, payload: dict[str, Any]) -> str:
        status, made = self.crm.desk.add_message(case, payload, ANA.name)
        assert status == 201, made
        return str(made["id"])

    def thread(self, case: str) -> list[tuple[str, str]]:
        """(author, body) of the public messages, oldest first."""
        found = self.crm.desk.case(case, ANA.name)
        assert found is not None
        return [(message["author"], message["body"]) for message in found["messages"] if message["public"]]

    def shown(self, case: str) -> dict[str, Any]:
        found = self.crm.desk.case(case, ANA.name)
        assert found is not None
        return found

    # --- the bridge ---------------------------------------------------------------------------------------------

    def work(self) -> int:
        """Deliver what the CRM has to say and do what is due now."""
        for crm in self.crms.values():
            crm.deliver()
        return drain(self.runtime)

    def settle(self, *, horizon_s: float = 15.0, within_s: float = 180.0) -> None:
        """Work until nothing is under way or due before the horizon, however long it takes up to a bound."""
        ends = time.monotonic() + within_s
        while True:
            self.work()
            wait = 0.0 if self._told_more() else self._next_due_s()
            if wait is None or wait > horizon_s:
                return
            assert time.monotonic() < ends, "the bridge did not come to rest"
            if wait > 0:
                time.sleep(min(wait, 0.05))

    def _told_more(self) -> bool:
        """What happened while we worked is still to be delivered."""
        return any(crm.outbox.pending() for crm in self.crms.values())

    def _next_due_s(self) -> float | None:
        """Seconds until the next item is due within the hour; None when there is none."""
        statement = sa.text(
            """
            select extract(epoch from min(greatest(
                w.wake_at, coalesce(w.lease_until, 'epoch'), coalesce(w.not_before, 'epoch'),
                coalesce(c.paused_until, 'epoch'))) - clock_timestamp())
            from work_items w join connections c on c.name = w.connection
            where w.wake_at < clock_timestamp() + interval '1 hour' and c.stopped_at is null
            """
        )
        found = self.runtime.store.run(lambda connection: connection.execute(statement).scalar_one())
        return None if found is None else max(0.0, float(found))

    def seed(self) -> None:
        """The example cases and articles of the demo."""
        self.crm.seed()
        self.sync_articles()

    def reconcile(self) -> None:
        reconcile(self.runtime)

    def sync_articles(self) -> None:
        sync_articles(self.runtime)

    def with_policy(self, **changes: Any) -> World:
        """The same bridge and CRMs under another policy."""
        joined = {
            name: replace(known, policy=replace(known.policy, **changes))
            for name, known in self.runtime.connections.items()
        }
        return replace(self, runtime=replace(self.runtime, connections=joined))

    def tidy(self) -> None:
        """Forget faults, patches' leftovers and work that is still due, so that the next test finds rest."""
        for crm in self.crms.values():
            crm.faults.clear()
            crm.deliver()
        self.assistant.answer = self.assistant.before = None
        self.assistant.seen.clear()
        self.runtime.assistant_watch.answered()

        def work(transaction: sa.Connection) -> None:
            for statement in _AT_REST:
                transaction.execute(sa.text(statement))

        self.runtime.store.run(work)

    # --- looking ------------------------------------------------------------------------------------------------

    def view(self, case: str) -> PanelView:
        return panel_view(self.runtime, self.name, case, ANA)

    def draft(self, case: str) -> DraftRow:
        found = self.view(case).draft
        assert found is not None
        return found

    def drafts(self, case: str) -> list[DraftRow]:
        """All drafts of a case, oldest first."""

        def work(transaction: sa.Connection) -> list[DraftRow]:
            ids = transaction.execute(
                sa.text(
                    "select d.id from drafts d join cases c on c.id = d.case_id"
                    " where c.ref = :ref and c.connection = :name order by d.created_at, d.revision"
                ),
                {"ref": case, "name": self.name},
            ).scalars()
            rows = [drafts.get(transaction, self.runtime.store.cipher, draft_id) for draft_id in ids.all()]
            return [row for row in rows if row is not None]

        return self.runtime.store.run(work)

    def events(self, case: str) -> list[tuple[str, str]]:
        """(outcome, reason) of every event of a case, in the order they came."""
        found = self.sql(
            "select e.outcome, e.reason from events e join work_items w on w.id = e.item_id"
            " where w.ref_id = :ref and w.connection = :name order by e.id",
            ref=case,
            name=self.name,
        )
        return [(row.outcome, row.reason) for row in found]

    def decisions(self, case: str) -> list[tuple[str, str, str, bool]]:
        """(kind, agent, source, late) of what was said about a case, oldest first."""
        found = self.sql(
            "select d.kind, d.agent_name, d.source, d.late from decisions d join cases c on c.id = d.case_id"
            " where c.ref = :ref and c.connection = :name order by d.id",
            ref=case,
            name=self.name,
        )
        return [(row.kind, row.agent_name, row.source, row.late) for row in found]

    def replies(self, case: str) -> list[str]:
        """Bodies of the replies the bridge sent, oldest first."""
        return [message["body"] for message in self.shown(case)["messages"] if message["by_assistant"]]

    def states(self, case: str) -> list[str]:
        """States of all drafts of a case, oldest first."""
        return [draft.state.value for draft in self.drafts(case)]

    def wake_now(self, case: str) -> None:
        """Let the waiting of a case be over."""
        self.sql_do(
            "update work_items set wake_at = clock_timestamp(), not_before = null, lease_until = null,"
            " lease_token = null where ref_id = :ref and connection = :name",
            ref=case,
            name=self.name,
        )

    def sql_do(self, statement: str, **values: Any) -> None:
        self.runtime.store.run(lambda transaction: transaction.execute(sa.text(statement), values))

    def balance(self) -> inbox.Balance:
        return self.runtime.store.run(lambda transaction: inbox.balance(transaction, self.name))

    def sql(self, statement: str, **values: Any) -> Any:
        return self.runtime.store.run(lambda transaction: transaction.execute(sa.text(statement), values).all())

    def status(self, name: str | None = None) -> connections.ConnectionStatus:
        found = self.runtime.store.run(lambda transaction: connections.status(transaction, name or self.name))
        assert found is not None
        return found

    # --- agents -------------------------------------------------------------------------------------------------

    def decide(
        self, case: str, kind: str, *, agent: Agent = ANA, draft: DraftRow | None = None, **more: Any
    ) -> PanelView:
        draft = draft or self.draft(case)
        request = DecisionRequest(kind=DecisionKind(kind), revision=more.pop("revision", draft.revision), **more)
        return decide(self.runtime, self.name, draft.id, request, agent)

    def undo(self, case: str, *, agent: Agent = ANA) -> PanelView:
        return undo(self.runtime, self.name, self.draft(case).id, agent)

    def settle_reply(self, case: str, *, sent: bool, agent: Agent = ANA) -> PanelView:
        return settle(self.runtime, self.name, self.draft(case).id, sent, agent)


def make_world(
    store: Store,
    *,
    profiles: Mapping[str, str] | None = None,
    assistant: ScriptedAssistant | None = None,
    offline: bool = False,
    policies: Mapping[str, ConnectionPolicy] | None = None,
) -> World:
    """Build and start everything. `profiles`: connection name -> profile of its CRM."""
    scripted = assistant or ScriptedAssistant()
    answering: Assistant = build_assistant({"kind": "offline"}, Network()) if offline else scripted
    wire = Wire()
    crms: dict[str, MockCrm] = {}
    joined: dict[str, ConnectionRuntime] = {}
    for name, profile in (profiles or {"demo": "native"}).items():
        crm = MockCrm(connection=name, profile=profile, transport=wire)
        crm.start(webhooks=False)
        crms[name] = crm
        joined[name] = _join(store, name, crm, (policies or {}).get(name, policy()))
    runtime = Runtime(
        store=store,
        connections=joined,
        assistant=answering,
        detect_language=detect_language,
    )
    wire.send = into_wsgi(create_app(runtime))
    return World(runtime=runtime, crms=crms, assistant=scripted)


def _join(store: Store, name: str, crm: MockCrm, wanted: ConnectionPolicy) -> ConnectionRuntime:
    services = services_for(store, connection=name, public_url="http://127.0.0.1", network=Network())
    adapter = load_adapter("mock", crm.config, "http://127.0.0.1", services)
    store.run(
        lambda transaction: connections.register(
            transaction, name=name, adapter="mock", remote_id=adapter.remote_id, enabled=True
        )
    )
    return ConnectionRuntime(name=name, adapter=adapter, policy=wanted)
