"""`CaseEmulator`: an emulated CRM with cases, messages and people, which the contract suite can play as it stands.

It owns what every help desk has: a case with messages, customers and agents who write, notes of ours, webhooks that can
be kept back. A subclass gives the API (`app`) and the webhook, and overrides what its CRM can do beyond (`beyond.py`).
Nothing here goes through an adapter. It satisfies `crm_bridge.testing.handle.EmulatedCrm`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

from crm_bridge.contract import Agent, Author, CaseRef, Message
from crm_bridge.kit.emulation.beyond import CannotYet
from crm_bridge.kit.emulation.command import NOBODY, Wanted, command_line, run
from crm_bridge.kit.emulation.held import HeldWebhooks
from crm_bridge.kit.emulation.records import Record
from crm_bridge.kit.emulation.transport import over_http
from crm_bridge.kit.signing import check_secret, new_secret

CASE, MESSAGE = "case", "message"
BRIDGE_USER: Mapping[str, str] = {"kind": "bridge", "id": "u-api", "name": "API user"}
"""The CRM's user whose credentials the bridge has."""
ADMIN = "Ana Admin"


class CaseEmulator(CannotYet, HeldWebhooks):
    """Cases with messages. `secrets`: `whsec_…`, the first signs; none makes one.

    A case is `{id, subject, status, priority, customer: {id, name, email}, created_at, updated_at, version, by}`, a
    message `{id, case, incoming, public, automatic, author: {kind, id, name}, text, html, sent_at}`.
    """

    adapter: ClassVar[str]

    def __init__(
        self, *, bridge_url: str = NOBODY, connection: str = "demo", secrets: Sequence[str] = (), **more: Any
    ) -> None:
        self.public_url = bridge_url.rstrip("/")
        self.connection = connection
        self.secrets = tuple(secrets) or (new_secret(),)
        for secret in self.secrets:
            check_secret(secret)
        super().__init__(bridge=over_http, **more)

    @classmethod
    def main(cls) -> int:
        """The command line: what `python -m` and `crm-bridge emulate` run."""
        return run(cls._of, command_line(cls.__module__, f"The emulated CRM of the adapter {cls.adapter}."))

    @classmethod
    def _of(cls, wanted: Wanted) -> Self:
        return cls(
            bridge_url=wanted.bridge_url,
            connection=wanted.connection,
            secrets=wanted.secrets,
            data_dir=wanted.data_dir,
            faults_file=wanted.faults_file,
            host=wanted.host,
            port=wanted.port,
        )

    def start(self, *, webhooks: bool = False) -> str:
        """Serve; webhooks are kept unless they are asked for."""
        self._holding = not webhooks
        return super().start(webhooks=webhooks)

    def seed(self) -> int:
        """One example case, in an empty CRM."""
        if self.records.changed_after(CASE, 0, 1):
            return 0
        self.open_case("I cannot sign in", "I forgot my password. What shall I do?")
        return 1

    # --- for routes -----------------------------------------------------------------------------------------------

    def case(self, case: str) -> Record | None:
        """The record of a case, or None."""
        return self.records.get(CASE, case)

    def messages(self, case: str) -> list[Record]:
        """Every message and note of a case, oldest first."""
        return self.records.owned(MESSAGE, case)

    def say(
        self,
        case: str,
        text: str,
        *,
        author: Mapping[str, str],
        public: bool = True,
        html: str | None = None,
        automatic: bool = False,
    ) -> Record:
        """Add a message and tell of it. `BRIDGE_USER` is the author of what comes through the API."""
        record: Record = {
            "id": f"m-{self.records.next_number(MESSAGE)}",
            "case": case,
            "incoming": author["kind"] == "customer",
            "public": public,
            "automatic": automatic,
            "author": dict(author),
            "text": text,
            "html": html,
            "sent_at": self.clock.now().isoformat(),
        }
        with self.records.transaction():
            self.records.put(MESSAGE, record["id"], record, owner=case)
            self.touch(case, by=author["id"], kind="message_added")
        return record

    def touch(self, case: str, *, by: str, kind: str = "case_changed", **changed: Any) -> None:
        """Change a case and tell of it."""
        with self.records.transaction():
            record = self.case(case)
            if record is None:
                raise KeyError("there is no such case")
            record |= {"updated_at": self.clock.now().isoformat(), "version": record["version"] + 1, "by": by}
            self.records.put(CASE, case, record | changed)
            self.outbox.add(self.event(kind, case))

    def event(self, kind: str, case: str) -> dict[str, Any]:
        """What is told of a change; `kind` is one of `EventKind`'s values."""
        number = self.records.next_number("event")
        return {"id": f"e-{number}", "type": kind, "case": case, "at": self.clock.now().isoformat()}

    # --- people ---------------------------------------------------------------------------------------------------

    def agent(self, name: str) -> Agent:
        """Whoever is named works here."""
        return Agent(id=f"agent-{hashlib.sha256(name.encode()).hexdigest()[:8]}", name=name)

    def open_case(self, subject: str, body: str, *, customer: str = "ann@example.org") -> CaseRef:
        """A case with its first message."""
        case, now = str(self.records.next_number(CASE)), self.clock.now().isoformat()
        person = {"id": f"c-{customer}", "name": customer.partition("@")[0].title(), "email": customer}
        record: Record = {"id": case, "subject": subject, "status": "open", "priority": "normal", "customer": person}
        record |= {"created_at": now, "updated_at": now, "version": 0, "by": person["id"]}
        with self.records.transaction():
            self.records.put(CASE, case, record)
            self.say(case, body, author=_customer(record))
        return CaseRef(id=case)

    def customer_writes(self, case: CaseRef, body: str, *, html: str | None = None, automatic: bool = False) -> str:
        """A public message of the customer; its id."""
        said = self.say(case.id, body, author=_customer(self._existing(case)), html=html, automatic=automatic)
        return str(said["id"])

    def agent_writes(self, case: CaseRef, body: str, *, agent: str, public: bool = True) -> str:
        """A message or note of an agent; its id."""
        who = self.agent(agent)
        author = {"kind": "agent", "id": who.id, "name": who.name}
        return str(self.say(case.id, body, author=author, public=public)["id"])

    def close(self, case: CaseRef) -> None:
        """An agent resolves it."""
        self.touch(case.id, by=self.agent(ADMIN).id, kind="case_closed", status="closed")

    def reopen(self, case: CaseRef) -> None:
        """An agent opens it again."""
        self.touch(case.id, by=self.agent(ADMIN).id, kind="case_reopened", status="open")

    def change(self, case: CaseRef) -> None:
        """An agent raises its priority, or lowers it again."""
        priority = "high" if self._existing(case)["priority"] == "normal" else "normal"
        self.touch(case.id, by=self.agent(ADMIN).id, priority=priority)

    # --- truth ----------------------------------------------------------------------------------------------------

    def thread(self, case: CaseRef) -> tuple[Message, ...]:
        """The public messages as the customer has them."""
        return tuple(_message(record) for record in self.messages(case.id) if record["public"])

    def standing(self, case: CaseRef) -> tuple[str, ...]:
        """Our notes; override it where drafts stand elsewhere."""
        ours = (one for one in self.messages(case.id) if one["author"]["kind"] == "bridge" and not one["public"])
        return tuple(str(one["text"]) for one in ours)

    def _existing(self, case: CaseRef) -> Record:
        record = self.case(case.id)
        if record is None:
            raise KeyError("there is no such case")
        return record


def _customer(case: Record) -> Mapping[str, str]:
    return {"kind": "customer", "id": case["customer"]["id"], "name": case["customer"]["name"]}


def _message(record: Record) -> Message:
    author = record["author"]
    return Message(
        id=record["id"],
        thread=record["case"],
        channel="email",
        direction="incoming" if record["incoming"] else "outgoing",
        author=Author(kind=author["kind"], id=author["id"], name=author["name"]),
        public=record["public"],
        automatic=record["automatic"],
        text=record["text"],
        html=record["html"],
        sent_at=datetime.fromisoformat(record["sent_at"]),
    )
