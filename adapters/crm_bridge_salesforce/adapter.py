"""The adapter of Salesforce Service Cloud: joins reading, writing, webhooks and the doctor, and owns nothing else.

The CRM decides and the agent sends: a draft is a record that the package's component shows on the case page, what was
decided is read from it, and what went out from the case's mails. Without the package a draft is an internal comment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from crm_bridge.contract import (
    CONTRACT_VERSION,
    Adapter,
    Agent,
    ApprovedReply,
    Articles,
    CaseContext,
    CaseRef,
    Changes,
    Delivery,
    Diagnosis,
    Draft,
    DraftRef,
    Event,
    FindResult,
    Fingerprint,
    Found,
    Merged,
    NotACase,
    PanelState,
    Permanent,
    Receipt,
    Ref,
    RemoteDraft,
    Resolution,
    Response,
    SendMarker,
    SentRef,
    Services,
    Step,
    Unknown,
    Unsupported,
    VerificationFailed,
    VerifiedDelivery,
    Visibility,
)
from crm_bridge_salesforce import articles, webhooks
from crm_bridge_salesforce.auth import check_key
from crm_bridge_salesforce.capabilities import APP, COMMENTS, DECLARED
from crm_bridge_salesforce.client import SalesforceClient
from crm_bridge_salesforce.doctor import Doctor
from crm_bridge_salesforce.ids import COMMENT, is_id
from crm_bridge_salesforce.learned import Schema
from crm_bridge_salesforce.noting import NoteWriter
from crm_bridge_salesforce.reading import Reader
from crm_bridge_salesforce.schemas import SalesforceConfig, checked
from crm_bridge_salesforce.writing import RecordWriter

__all__ = ["DECLARED", "SalesforceAdapter", "build"]

LOOK_AGAIN = timedelta(seconds=30)
LOOKS_WORTH_IT = timedelta(minutes=5)
"""A reply that cannot be seen this long after it was handed over will not be found by looking either."""


def build(config: Mapping[str, Any], services: Services) -> SalesforceAdapter:
    """The entry point. Raises `InvalidConfig` with the path inside the connection's table."""
    known = checked(config)
    check_key(known)
    return SalesforceAdapter(known, services)


class SalesforceAdapter:
    """One connection to one org."""

    contract = CONTRACT_VERSION

    def __init__(self, config: SalesforceConfig, services: Services) -> None:
        self.capabilities = DECLARED[COMMENTS if config.target == "comment" else APP]
        self.remote_id = config.organization_id
        self._config = config
        self._services = services
        self._client = SalesforceClient(config, services)
        self._schema = Schema(self._client, services.cache)
        self._records = RecordWriter(self._client, self._schema, services.clock)
        self._notes = NoteWriter(self._client)
        self._reader = Reader(self._client, self._schema, services, base_url=config.base_url, seen=self._records.seen)

    # --- pure -----------------------------------------------------------------------------------------------------

    def verify(self, delivery: Delivery) -> VerifiedDelivery:
        return webhooks.verify(
            delivery,
            path_tokens=self._config.path_tokens,
            apex_secrets=self._config.apex_secrets,
            public_url=self._services.public_url,
        )

    def parse(self, verified: VerifiedDelivery) -> Sequence[Event]:
        return webhooks.parse(verified, organization=self._config.organization_id)

    def acknowledge(self, delivery: Delivery, receipt: Receipt | None) -> Response:
        return webhooks.acknowledge(delivery, receipt)

    def identify(self, verified: VerifiedDelivery) -> Agent:  # noqa: ARG002 - the contract's names
        raise VerificationFailed("no_panel")  # the component decides in Salesforce itself, and calls the bridge never

    # --- reading --------------------------------------------------------------------------------------------------

    def resolve(self, ref: Ref) -> Resolution:
        return self._reader.resolve(ref)

    def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
        return self._reader.case(case)

    def changed_since(self, cursor: str | None) -> Changes:
        return self._reader.changed(cursor)

    def list_articles(self, cursor: str | None) -> Articles:
        self._check_share()
        return articles.read_page(self._client, self._schema.learned(), cursor)

    def read_draft(self, ref: DraftRef) -> RemoteDraft | None:
        if not self.capabilities.target.readable:
            raise Unsupported("comments are not read back as drafts", code="not_readable")
        return self._notes.read(ref) if is_id(ref.id, COMMENT) else self._records.read(ref)

    def may_see(self, agent: Agent, case: CaseRef) -> Visibility:  # noqa: ARG002 - the contract's names
        return Visibility.CANNOT_TELL  # the component asks Salesforce itself, as the agent

    # --- writing --------------------------------------------------------------------------------------------------

    def write_draft(self, case: CaseRef, draft: Draft, key: str, replaces: Fingerprint | None) -> DraftRef:
        self._check_share()
        if self._config.target == "comment":
            return self._notes.write(case, draft, key)
        if self._schema.learned().has_app:
            return self._records.write(case, draft, key, replaces)
        if self._config.target == "record":
            raise Unsupported("the package is not installed in this org", code="app_not_installed")
        return self._notes.write(case, draft, key)

    def withdraw_draft(self, ref: DraftRef, replaces: Fingerprint) -> None:
        if not self.capabilities.target.withdrawable or is_id(ref.id, COMMENT):
            raise Unsupported("comments are not taken away", code="not_withdrawable")
        self._records.withdraw(ref, replaces)

    def show(self, case: CaseRef, state: PanelState, key: str) -> None:  # noqa: ARG002 - the sequence is the key here
        if not self.capabilities.target.shows_states:
            raise Unsupported("comments cannot show states", code="shows_no_states")
        self._records.show(case, state)

    def send_reply(self, reply: ApprovedReply, key: str) -> SentRef:  # noqa: ARG002 - the contract's names
        raise Unsupported("replies are sent by agents in Salesforce", code="does_not_send")

    def find_reply(self, reply: ApprovedReply, key: str, attempted_at: datetime) -> FindResult:  # noqa: ARG002
        """What was not there when the approver looked and has our text is ours; its absence proves nothing."""
        if self.capabilities.send_marker is SendMarker.NONE:
            return Unknown(reason="no_marker")
        context = self.read_case(reply.case)
        if not isinstance(context, CaseContext):
            return Unknown(reason="case_gone")
        for one in reversed(context.public_messages):
            if one.direction == "outgoing" and one.id not in reply.seen and _same(one.text, reply.text):
                return Found(ref=SentRef(id=one.id, sent_at=one.sent_at))
        worth_it = self._services.clock.now() - attempted_at < LOOKS_WORTH_IT
        return Unknown(reason="not_seen", look_again_after=LOOK_AGAIN if worth_it else None)

    # --- operating ------------------------------------------------------------------------------------------------

    def diagnose(self) -> Iterable[Diagnosis]:
        return Doctor(self._config, self._client, self._schema).diagnose()

    def provision(self, plan: bool) -> Iterable[Step]:  # noqa: ARG002 - nothing of it is ours to do
        return Doctor(self._config, self._client, self._schema).provision()

    def close(self) -> None:
        self._client.close()

    def _check_share(self) -> None:
        """Drafting stops before the org's daily calls are used up; observing goes on.

        `Permanent` and not `Retry`: that would pause the whole connection, and nobody would see what agents send.
        """
        usage = self._client.usage
        if usage is not None and usage.share >= self._config.max_daily_share:
            raise Permanent("the share of the org's daily calls is used up", code="daily_share_used")


def _same(ours: str, theirs: str) -> bool:
    """Equal but for white space."""
    return " ".join(ours.split()) == " ".join(theirs.split())


def app_values(config: Mapping[str, Any]) -> Mapping[str, str]:
    """What of a connection's table stands in the files of `crm_app`. Raises `InvalidConfig`."""
    known = checked(config)
    return {"path_token": known.path_tokens[0], "integration_username": known.username}


_: Callable[[Mapping[str, Any], Services], Adapter] = build
