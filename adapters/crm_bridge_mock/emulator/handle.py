"""`MockHandle`: the embedded CRM as contract suite and stories play it, with its people, its truth and its webhooks.

It owns translations from the words of `crm_bridge.testing.handle` to the desk and the records, and no rule of a CRM. It
satisfies that Protocol structurally: an emulator knows contract and kit only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from crm_bridge.contract import Agent, Attachment, Author, CaseRef, Message
from crm_bridge.kit.emulation import HeldWebhooks, Outgoing, Record, Reply, Unreachable
from crm_bridge_mock.emulator.drafts import LIVE, fingerprint
from crm_bridge_mock.emulator.mockcrm import MockCrm
from crm_bridge_mock.emulator.problems import Answer
from crm_bridge_mock.emulator.signer import MockSigner
from crm_bridge_mock.profiles import DEFAULT_PROFILE

ADMIN = "Demo Agent"
"""Who closes, merges and deletes."""

HIDEABLE = ("account", "phone")
_STANDING = frozenset({LIVE, "superseded"})


class MockHandle(HeldWebhooks, MockCrm):
    """An embedded CRM without a bridge: webhooks are held until `connect` and `release`. Not started yet."""

    adapter = "mock"

    def __init__(self, *, profile: str = DEFAULT_PROFILE, **more: Any) -> None:
        super().__init__(bridge=_no_bridge, profile=profile, **more)

    @property
    def public_url(self) -> str:
        """Where it believes the bridge to be."""
        return self.bridge_url

    @property
    def longest_text(self) -> int | None:
        """Where its API cuts texts."""
        return self.profile.longest_text

    def start(self, *, webhooks: bool = False) -> str:
        """Serve. With `webhooks` it also tells the bridge in the background, once webhooks are released."""
        return super().start(webhooks=webhooks)

    # --- people ---------------------------------------------------------------------------------------------------

    def agent(self, name: str) -> Agent:
        """The agent of this name; whoever comes is known from then on."""
        known = self.state.agent(name)
        return Agent(id=known["id"], name=known["name"])

    def open_case(self, subject: str, body: str, *, customer: str = "ann@example.org", **more: Any) -> CaseRef:
        """A new case with its first message; `more` are further fields of the desk's API."""
        person = {"name": customer.partition("@")[0].title(), "email": customer, "phone": "+1 202 555 0143"}
        payload = {"subject": subject, "body": body, "customer": {**person, "account": "A-7"}, **more}
        return CaseRef(id=_done(self.desk.create_case(payload, ADMIN))["id"])

    def customer_writes(self, case: CaseRef, body: str, *, html: str | None = None, automatic: bool = False) -> str:
        """A public message of the customer; its id."""
        wanted = {"author": "customer", "body": body, "html": html, "automatic": automatic}
        return str(_done(self.desk.add_message(case.id, wanted, ADMIN))["id"])

    def customer_attaches(self, case: CaseRef, body: str, files: Sequence[Attachment]) -> str | None:
        """A public message of the customer with files; its id."""
        listed = [{"name": one.name, "type": one.type, "size": one.size} for one in files]
        wanted = {"author": "customer", "body": body, "attachments": listed}
        return str(_done(self.desk.add_message(case.id, wanted, ADMIN))["id"])

    def agent_writes(self, case: CaseRef, body: str, *, agent: str, public: bool = True) -> str:
        """A message of an agent; its id."""
        wanted = {"author": "agent", "body": body, "public": public}
        return str(_done(self.desk.add_message(case.id, wanted, agent))["id"])

    def close(self, case: CaseRef) -> None:
        """Resolve it."""
        _done(self.desk.close(case.id, ADMIN))

    def reopen(self, case: CaseRef) -> None:
        """Open it again."""
        _done(self.desk.reopen(case.id, ADMIN))

    def merge(self, case: CaseRef, into: CaseRef) -> bool:
        """Merge it into another one."""
        return self.desk.merge(case.id, into.id)[0] < 400

    def delete(self, case: CaseRef) -> bool:
        """Delete it for good."""
        return self.desk.delete(case.id)[0] < 400

    def change(self, case: CaseRef) -> None:
        """Raise its priority, or lower it again."""
        with self.records.transaction():
            record = self._record(case)
            record["priority"] = "normal" if record["priority"] == "high" else "high"
            self.state.touch(record, by=self.agent(ADMIN).id)
            self.state.emit("case.updated", record)

    def edit_in_place(self, case: CaseRef, text: str, agent: str) -> bool:
        """Write over the draft without deciding."""
        return self.desk.edit_in_place(case.id, {"text": text}, agent)[0] < 400

    def remove_draft(self, case: CaseRef) -> bool:
        """Take the draft away, as a person can in the CRM itself."""
        with self.records.transaction():
            record = self._record(case)
            draft = self.drafts.current(record)
            if draft is None or draft["withdrawn"]:
                return False
            self.drafts.withdraw(draft, fingerprint(draft["text"]))
            self.state.touch(record, by=self.agent(ADMIN).id)
            self.state.emit("draft.changed", record)
            return True

    def decide(
        self, case: CaseRef, kind: str, agent: str, *, revision: int, text: str | None = None, reason: str = ""
    ) -> bool:
        """Decide on the draft: here, or at the bridge's panel where the bridge decides. False: refused."""
        wanted = {"revision": revision, "text": text, "reason": reason}
        return self.desk.draft_action(case.id, kind, wanted, agent)[0] < 400

    def send_natively(self, case: CaseRef, agent: str, text: str | None = None) -> str | None:
        """Send the agent's own mail draft; the message's id, None when there is no such draft."""
        status, _ = self.desk.draft_action(case.id, "send", {"text": text}, agent)
        return None if status >= 400 else str(self.state.public_messages(self._home(case))[-1]["id"])

    # --- truth ----------------------------------------------------------------------------------------------------

    def thread(self, case: CaseRef) -> tuple[Message, ...]:
        """The public messages as the customer has them, oldest first."""
        return tuple(_message(record) for record in self.state.public_messages(self._home(case)))

    def standing(self, case: CaseRef) -> tuple[str, ...]:
        """The draft that stands there, or our notes where this CRM only has notes."""
        record = self._record(case)
        if not self.profile.capabilities.target.readable:
            own = [item for item in self.state.messages(self._home(case)) if not item["public"] and item["key"]]
            return tuple(str(item["body"]) for item in own)
        draft = self.drafts.current(record)
        stands = draft is not None and not draft["withdrawn"] and self.drafts.status(draft) in _STANDING
        return (str(draft["text"]),) if draft is not None and stands else ()

    def shown(self, case: CaseRef) -> str | None:
        """The kind of the panel state on the case."""
        state = self._record(case)["state"]
        return str(state["kind"]) if state else None

    def publish(self, article: str, title: str, body: str, *, deleted: bool = False) -> bool:
        """Publish, change or delete an article."""
        self.put_article({"id": article, "title": title, "body": body, "language": "en", "deleted": deleted})
        return True

    @property
    def signer(self) -> MockSigner:
        """Signs as this CRM does."""
        return MockSigner(secret=self.secrets[0], profile=self.profile.name, connection=self.connection)

    # --- trouble --------------------------------------------------------------------------------------------------

    def hide(self, case: CaseRef) -> Sequence[str]:
        """The bridge may not read some fields of the customer any more."""
        self.state.hide(case.id, HIDEABLE)
        return HIDEABLE

    def let_index_lag(self, by: timedelta) -> bool:
        """What is new is listed and found `by` later."""
        self.state.index_lag = by
        return True

    def expire_tokens(self) -> bool:
        """Every token given out so far is refused from now on."""
        return self.gate.expire()

    def can_be_held(self, outgoing: Outgoing) -> bool:
        """Webhooks are; calls of the panel always reach the bridge."""
        return urlsplit(outgoing.url).path.startswith(f"{urlsplit(self.bridge_url).path}/webhooks/")

    # --- inside ---------------------------------------------------------------------------------------------------

    def _record(self, case: CaseRef) -> Record:
        record = self.state.case(case.id)
        if record is None:
            raise KeyError("there is no such case")
        return record

    def _home(self, case: CaseRef) -> str:
        record = self._record(case)
        return self._home(CaseRef(id=record["merged_into"])) if record["merged_into"] else case.id


def _done(answer: Answer) -> Mapping[str, Any]:
    status, document = answer
    if status >= 400:
        raise RuntimeError(f"the embedded CRM refused: {document.get('code')}")
    return document


def _message(record: Mapping[str, Any]) -> Message:
    """A message as it stands in the records: nothing of it went through the adapter."""
    author = record["author"]
    return Message(
        id=record["id"],
        thread=record["thread"],
        channel=record["channel"],
        direction=record["direction"],
        author=Author(kind=author["kind"], id=author["id"], name=author["name"]),
        public=record["public"],
        automatic=bool(record["headers"]),
        text=record["body"],
        html=record["html"],
        sent_at=datetime.fromisoformat(record["sent_at"]),
        key=record["key"],
    )


def _no_bridge(_outgoing: Outgoing) -> Reply:
    raise Unreachable("no bridge is connected")
