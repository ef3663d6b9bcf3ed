"""`SalesforceCrm`: the emulated org as contract suite, stories and the command line play it: people, truth, trouble.

It owns translations from the words of `crm_bridge.testing.handle` to records, and no rule of the CRM. It satisfies that
Protocol structurally: an emulator knows contract and kit only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Self

from crm_bridge.contract import Agent, Attachment, CaseRef, Message
from crm_bridge.kit.emulation import Record
from crm_bridge.kit.emulation.command import Wanted, command_line, run
from crm_bridge_salesforce.emulator.apex import REASONS, ApexRefused, Decision
from crm_bridge_salesforce.emulator.mailbox import Mailbox
from crm_bridge_salesforce.emulator.merging import merge_cases
from crm_bridge_salesforce.emulator.people import ADMIN
from crm_bridge_salesforce.emulator.rules import CLOSED, DRAFT
from crm_bridge_salesforce.emulator.seeding import seed
from crm_bridge_salesforce.emulator.service import SalesforceService
from crm_bridge_salesforce.emulator.signer import SalesforceSigner
from crm_bridge_salesforce.emulator.threads import messages_of

OTHER = "other"
"""The reason of the list for what is none of it; the comment says what."""
HIDEABLE = (("Case", "Type"), ("Contact", "Phone"))
_STANDING = frozenset({"ready", "accepted", "edited", "handed_over"})


class SalesforceCrm(SalesforceService):
    """An org with people in it. Not started yet."""

    adapter: ClassVar[str] = "salesforce"
    longest_text: int | None = None

    @classmethod
    def main(cls) -> int:
        """The command line: what `python -m` and `crm-bridge emulate` run."""
        parser = command_line("crm_bridge_salesforce.emulator", "An emulated Salesforce org.")
        parser.add_argument("--no-package", action="store_true", help="an org without the package of crm_bridge")
        return run(cls._of, parser)

    @classmethod
    def _of(cls, wanted: Wanted) -> Self:
        return cls(
            bridge_url=wanted.bridge_url,
            connection=wanted.connection,
            secrets=wanted.secrets,
            installed=not wanted.own.no_package,
            data_dir=wanted.data_dir,
            faults_file=wanted.faults_file,
            host=wanted.host,
            port=wanted.port,
        )

    @cached_property
    def mailbox(self) -> Mailbox:
        """The address customers write to."""
        return Mailbox(self.org)

    def start(self, *, webhooks: bool = False) -> str:
        """Serve; webhooks are kept unless they are asked for."""
        self._holding = not webhooks
        return super().start(webhooks=webhooks)

    def seed(self) -> int:
        """The example cases and articles, in an empty org."""
        return seed(self.org)

    # --- people ---------------------------------------------------------------------------------------------------

    def agent(self, name: str) -> Agent:
        """The user of this name."""
        return self.org.people.agent(name)

    def open_case(self, subject: str, body: str, *, customer: str = "ann@example.org") -> CaseRef:
        """A case as Email-to-Case makes it: contact, case, and the mail that came in."""
        return CaseRef(id=self.mailbox.new_case(subject, body, customer)["Id"])

    def customer_writes(self, case: CaseRef, body: str, *, html: str | None = None, automatic: bool = False) -> str:
        """A mail that comes in; its id."""
        headers = "Auto-Submitted: auto-replied\nPrecedence: bulk" if automatic else None
        return str(self.mailbox.came_in(self._case(case), body, HtmlBody=html, Headers=headers)["Id"])

    def customer_attaches(self, case: CaseRef, body: str, files: Sequence[Attachment]) -> str | None:
        """A mail that comes in with files, kept as the product keeps them: documents linked to the mail."""
        return str(self.mailbox.came_in(self._case(case), body, files)["Id"])

    def agent_writes(self, case: CaseRef, body: str, *, agent: str, public: bool = True) -> str:
        """A mail that went out, or an internal comment; its id."""
        user, record = self.org.people.id_of(agent), self._case(case)
        if public:
            return str(self.mailbox.went_out(record, body, user)["Id"])
        values = {"ParentId": record["Id"], "CommentBody": body, "IsPublished": False}
        return str(self._put("CaseComment", values, user)["Id"])

    def close(self, case: CaseRef) -> None:
        """An agent resolves it."""
        self._change(self._case(case), {"Status": CLOSED})

    def reopen(self, case: CaseRef) -> None:
        """An agent opens it again."""
        self._change(self._case(case), {"Status": "Working"})

    def merge(self, case: CaseRef, into: CaseRef) -> bool:
        """An agent merges it into another one."""
        merge_cases(self.org, self._case(case), self._case(into), self.org.people.id_of(ADMIN))
        return True

    def delete(self, case: CaseRef) -> bool:
        """An admin deletes it."""
        self.org.store.delete(self.org.object("Case"), case.id, self.org.people.admin)
        return True

    def change(self, case: CaseRef) -> None:
        """An agent raises its priority, or lowers it again."""
        record = self._case(case)
        self._change(record, {"Priority": "Low" if record["Priority"] == "High" else "High"})

    def edit_in_place(self, case: CaseRef, text: str, agent: str) -> bool:
        """A person writes over the draft's text on its record."""
        draft = self.apex.newest(case.id)
        if draft is None or draft["Decision__c"]:
            return False
        user = self.org.people.id_of(agent)
        self.org.store.change(self.org.object("AI_Draft__c"), draft, {"Body__c": text}, user)
        return True

    def remove_draft(self, case: CaseRef) -> bool:
        """A person deletes the draft's record."""
        draft = self.apex.newest(case.id)
        if draft is None:
            return False
        self.org.store.delete(self.org.object("AI_Draft__c"), draft["Id"], self.org.people.admin)
        return True

    def decide(
        self, case: CaseRef, kind: str, agent: str, *, revision: int, text: str | None = None, reason: str = ""
    ) -> bool:
        """A person decides in the component; False: the controller refused."""
        draft, user = self.apex.newest(case.id), self.org.people.id_of(agent)
        if draft is None:
            return False
        decision = Decision(
            case=case.id,
            draft=draft["Id"],
            revision=revision,
            kind=kind,
            user=user,
            text=text or "",
            answers=self.apex.newest_mail(case.id) or "" if kind == "edit" else "",
            reason=reason if reason in REASONS else OTHER,
            comment=text or reason if kind == "respond" or reason not in REASONS else "",
        )
        try:
            self.apex.decide(decision)
        except ApexRefused:
            return False
        return True

    def send_natively(self, case: CaseRef, agent: str, text: str | None = None) -> str | None:
        """The agent sends their own private mail draft; None when there is none."""
        user = self.org.people.id_of(agent)
        mails = self.org.store.referring("EmailMessage", "ParentId", case.id)
        own = [one for one in mails if one["CreatedById"] == user and one["Status"] == DRAFT and not one["IsDeleted"]]
        if not own:
            return None
        return str(self.mailbox.send(own[-1], text, user)["Id"])

    # --- truth ----------------------------------------------------------------------------------------------------

    def thread(self, case: CaseRef) -> tuple[Message, ...]:
        """The public messages, of the survivor for a merged case."""
        record = self.org.store.get(case.id)
        while record is not None and record.get("MasterRecordId"):
            record = self.org.store.get(record["MasterRecordId"])
        return messages_of(self.org, record) if record is not None else ()

    def standing(self, case: CaseRef) -> tuple[str, ...]:
        """Our internal comments, and the draft that counts."""
        comments = self.org.store.referring("CaseComment", "ParentId", case.id)
        own = [one for one in comments if one["CreatedById"] == self.org.people.integration and not one["IsDeleted"]]
        texts = [str(one["CommentBody"]) for one in own if not one["IsPublished"]]
        draft = self.apex.newest(case.id)
        if draft is not None and draft["Status__c"] in _STANDING:
            texts.append(str(draft["Final_Body__c"] or draft["Body__c"]))
        return tuple(texts)

    def shown(self, case: CaseRef) -> str | None:
        """The state on the case."""
        return self._case(case).get("CRMB_State__c")

    def publish(self, article: str, title: str, body: str, *, deleted: bool = False) -> bool:
        """An article whose URL name this is; False in an org without Knowledge."""
        sobject = self.org.schema.get("Knowledge__kav")
        if sobject is None:
            return False
        with self.records.transaction():
            rows = self.org.store.referring("Knowledge__kav", "UrlName", article)
            known = next((one for one in rows if not one["IsDeleted"]), None)
            values = {"Title": title, "UrlName": article, "Answer__c": body, "PublishStatus": "Online"}
            if known is None:
                known = self.org.store.put_new(sobject, values, self.org.people.admin)
            elif not deleted:
                self.org.store.change(sobject, known, values, self.org.people.admin)
            if deleted:
                self.org.store.delete(sobject, known["Id"], self.org.people.admin)
        return True

    @property
    def signer(self) -> SalesforceSigner:
        """Signs as this CRM does."""
        return SalesforceSigner(secret=self.secrets[0], connection=self.connection)

    # --- trouble --------------------------------------------------------------------------------------------------

    def hide(self, case: CaseRef) -> Sequence[str]:  # noqa: ARG002 - field-level security is the org's, not a case's
        """Take fields away from the integration user; `Object.Field` of each."""
        for sobject, field in HIDEABLE:
            self.org.schema.hide(sobject, field, self.clock.now())
        return tuple(f"{sobject}.{field}" for sobject, field in HIDEABLE)

    def let_index_lag(self, by: timedelta) -> bool:
        """Long transactions: what is new is in lists and searches only `by` later."""
        self.org.index_lag = by
        return True

    # --- inside ---------------------------------------------------------------------------------------------------

    def _case(self, case: CaseRef) -> Record:
        record = self.org.store.live(case.id)
        if record is None:
            raise KeyError("there is no such case")
        return record

    def _change(self, record: Record, values: Mapping[str, Any]) -> None:
        self.org.store.change(self.org.object("Case"), record, values, self.org.people.id_of(ADMIN))

    def _put(self, sobject: str, values: Mapping[str, Any], by: str) -> Record:
        return self.org.store.put_new(self.org.object(sobject), values, by)
