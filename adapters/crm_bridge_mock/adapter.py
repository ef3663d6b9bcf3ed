"""The adapter of the embedded CRM: joins client, webhooks and mapping to the contract, and owns nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from crm_bridge.contract import (
    CONTRACT_VERSION,
    MAY_WRITE,
    Adapter,
    Agent,
    Ambiguous,
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
    ForeignRef,
    Found,
    Merged,
    NotACase,
    PanelState,
    ProvenAbsent,
    Receipt,
    Ref,
    RemoteDraft,
    Resolution,
    Response,
    SendMarker,
    Sends,
    SentRef,
    Services,
    Step,
    Unknown,
    Unsupported,
    VerifiedDelivery,
    Visibility,
)
from crm_bridge.kit.http import usable
from crm_bridge.kit.inbound import agent_of
from crm_bridge_mock import mapping, webhooks
from crm_bridge_mock.client import MockClient
from crm_bridge_mock.profiles import PROFILES
from crm_bridge_mock.schemas import MockConfig, checked

LOOK_AGAIN = timedelta(seconds=10)
LOOKS_WORTH_IT = timedelta(minutes=2)
"""A reply that cannot be seen this long after its attempt will not be found by looking either."""


DECLARED = MappingProxyType({name: profile.capabilities for name, profile in PROFILES.items()})
"""What each profile declares, for who asks without a connection."""


def build(config: Mapping[str, Any], services: Services) -> MockAdapter:
    """The entry point. Raises `InvalidConfig` with the path inside the connection's table."""
    return MockAdapter(checked(config), services)


class MockAdapter:
    """One connection to an embedded CRM, of any profile."""

    contract = CONTRACT_VERSION
    remote_id = ""

    def __init__(self, config: MockConfig, services: Services) -> None:
        self.capabilities = config.profile.capabilities
        self._config = config
        self._services = services
        self._client = MockClient(config, services)

    # --- pure -----------------------------------------------------------------------------------------------------

    def verify(self, delivery: Delivery) -> VerifiedDelivery:
        auth = self.capabilities.delivery_auth
        return webhooks.verify(delivery, self._config.webhook_secrets, auth=auth, public_url=self._services.public_url)

    def parse(self, verified: VerifiedDelivery) -> Sequence[Event]:
        return webhooks.parse(verified)

    def acknowledge(self, delivery: Delivery, receipt: Receipt | None) -> Response:
        return webhooks.acknowledge(delivery, receipt)

    def identify(self, verified: VerifiedDelivery) -> Agent:
        return agent_of(verified)

    # --- reading --------------------------------------------------------------------------------------------------

    def resolve(self, ref: Ref) -> Resolution:
        kind = ref.kind if isinstance(ref, ForeignRef) else "case"
        if kind == webhooks.NO_REF:
            return NotACase(reason="names_no_case")
        with usable("resolve"):
            return mapping.resolution(self._client.resolve(kind, ref.id))

    def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
        document = self._client.read_case(case.id)
        if document is None:
            return NotACase(reason="gone")
        with usable("read_case"):
            if document.get("merged_into"):
                return Merged(into=CaseRef(id=document["merged_into"]))
            return mapping.case_context(
                document, base_url=self._config.base_url, observed_at=self._services.clock.now()
            )

    def changed_since(self, cursor: str | None) -> Changes:
        with usable("changed_since"):
            return mapping.changes(self._client.changes(cursor))

    def list_articles(self, cursor: str | None) -> Articles:
        with usable("list_articles"):
            return mapping.articles(self._client.articles(cursor))

    def read_draft(self, ref: DraftRef) -> RemoteDraft | None:
        if not self.capabilities.target.readable:
            raise Unsupported("notes cannot be read back as drafts", code="not_readable")
        document = self._client.read_draft(ref.id)
        with usable("read_draft"):
            return mapping.remote_draft(document) if document is not None else None

    def may_see(self, agent: Agent, case: CaseRef) -> Visibility:  # noqa: ARG002 - the contract's names
        return Visibility.YES  # every agent of this CRM sees every case, and only this CRM can sign for one

    # --- writing --------------------------------------------------------------------------------------------------

    def write_draft(self, case: CaseRef, draft: Draft, key: str, replaces: Fingerprint | None) -> DraftRef:
        text = draft.text if self.capabilities.target.readable else mapping.as_note(draft)
        document = self._client.write_draft(case.id, mapping.draft_body(draft, key, replaces, text=text))
        with usable("write_draft"):
            return mapping.draft_ref(document)

    def withdraw_draft(self, ref: DraftRef, replaces: Fingerprint) -> None:
        if not self.capabilities.target.withdrawable:
            raise Unsupported("notes cannot be taken away", code="not_withdrawable")
        self._client.withdraw_draft(ref.id, {"replaces": replaces.value})

    def show(self, case: CaseRef, state: PanelState, key: str) -> None:  # noqa: ARG002 - the sequence is the key here
        if not self.capabilities.target.shows_states:
            raise Unsupported("this CRM cannot show states", code="shows_no_states")
        self._client.show(case.id, mapping.state_body(state))

    def send_reply(self, reply: ApprovedReply, key: str) -> SentRef:
        if self.capabilities.sends is not Sends.BRIDGE:
            raise Unsupported("replies are sent by people in this CRM", code="does_not_send")
        document = self._client.send(reply.case.id, mapping.reply_body(reply, key, datetime.now(UTC)))
        with usable("send_reply", Ambiguous):
            return mapping.sent_ref(document)

    def find_reply(self, reply: ApprovedReply, key: str, attempted_at: datetime) -> FindResult:
        return _FINDERS[self.capabilities.send_marker](self, reply, key, attempted_at)

    # --- operating ------------------------------------------------------------------------------------------------

    def diagnose(self) -> Iterable[Diagnosis]:
        found = self._client.health()
        profile = str(found.get("profile"))
        yield Diagnosis(check="reachable", status="ok", detail="The embedded CRM answers and accepts our signature.")
        same = profile == self._config.profile.name
        yield Diagnosis(
            check="profile",
            status="ok" if same else "failed",
            detail=f"It plays {profile!r}, configured is {self._config.profile.name!r}.",
            action="" if same else "Set the connection's profile to what the CRM plays.",
        )
        yield Diagnosis(
            check=MAY_WRITE, status="ok", detail="Whoever has the shared secret may write drafts and replies."
        )

    def provision(self, plan: bool) -> Iterable[Step]:  # noqa: ARG002 - there is nothing to plan
        return (Step(name="webhooks", status="present", detail="The embedded CRM was started with our address."),)

    def close(self) -> None:
        self._client.close()

    # --- finding a reply again ------------------------------------------------------------------------------------

    def _find_by_key(self, reply: ApprovedReply, key: str, _attempted_at: datetime) -> FindResult:
        asked_at = datetime.now(UTC).isoformat(timespec="microseconds")
        document = self._client.find_reply(reply.case.id, {"key": key, "asked_at": asked_at})
        if document is None:
            return Unknown(reason="case_gone")
        with usable("find_reply"):
            found = document["found"]
            return Found(ref=mapping.sent_ref(found)) if found else ProvenAbsent()

    def _find_by_text(self, reply: ApprovedReply, _key: str, attempted_at: datetime) -> FindResult:
        """What was not there when the approver looked and has our text is ours; its absence proves nothing."""
        context = self.read_case(reply.case)
        if not isinstance(context, CaseContext):
            return Unknown(reason="case_gone")
        # The oldest one: with anything newer than what was seen, ours would have been refused.
        for one in context.public_messages:
            if one.direction == "outgoing" and one.id not in reply.seen and mapping.same_text(one.text, reply.text):
                return Found(ref=SentRef(id=one.id, sent_at=one.sent_at))
        return self._not_seen(attempted_at)

    def _find_by_mark(self, reply: ApprovedReply, key: str, attempted_at: datetime) -> FindResult:
        """The message that bears our key, also in the case it was merged into; its absence proves nothing."""
        context = self.read_case(reply.case)
        if isinstance(context, Merged):
            context = self.read_case(context.into)
        if not isinstance(context, CaseContext):
            return Unknown(reason="case_gone")
        for one in context.public_messages:
            if one.key == key:
                return Found(ref=SentRef(id=one.id, sent_at=one.sent_at))
        return self._not_seen(attempted_at)

    def _not_seen(self, attempted_at: datetime) -> Unknown:
        worth_it = self._services.clock.now() - attempted_at < LOOKS_WORTH_IT
        return Unknown(reason="not_seen", look_again_after=LOOK_AGAIN if worth_it else None)

    def _cannot_find(self, _reply: ApprovedReply, _key: str, _attempted_at: datetime) -> FindResult:
        return Unknown(reason="no_marker")


_FINDERS: Mapping[SendMarker, Callable[[MockAdapter, ApprovedReply, str, datetime], FindResult]] = {
    SendMarker.KEY: MockAdapter._find_by_key,
    SendMarker.METADATA: MockAdapter._find_by_mark,
    SendMarker.TEXT_MATCH: MockAdapter._find_by_text,
    SendMarker.NONE: MockAdapter._cannot_find,
}

_: Callable[[Mapping[str, Any], Services], Adapter] = build
