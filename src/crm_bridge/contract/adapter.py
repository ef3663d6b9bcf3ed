"""The one Protocol an adapter implements. Pure methods do no I/O; the others are bounded and name their errors.

An adapter is built by `build(config, services) -> Adapter` and found by its name through the entry-point group
`crm_bridge.adapters`. It must be usable from several threads at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from crm_bridge.contract.capabilities import Capabilities
from crm_bridge.contract.case import Articles, CaseContext, Changes, Merged, NotACase, Resolution
from crm_bridge.contract.delivery import CaseRef, Delivery, Event, Receipt, Ref, Response, VerifiedDelivery
from crm_bridge.contract.draft import Agent, Draft, DraftRef, Fingerprint, RemoteDraft
from crm_bridge.contract.operating import Diagnosis, Step, Visibility
from crm_bridge.contract.panel import PanelState
from crm_bridge.contract.reply import ApprovedReply, FindResult, SentRef
from crm_bridge.contract.services import Services

CONTRACT_VERSION = 1


@runtime_checkable
class Adapter(Protocol):
    """One CRM product, scoped to one connection.

    Every method with I/O may raise any `OutboundError`; reads never raise `Ambiguous` or `Conflict`.
    """

    contract: int
    capabilities: Capabilities
    remote_id: str
    """The org, portal or account this connection belongs to; pinned by the store. Empty = the CRM has none."""

    # --- pure -----------------------------------------------------------------------------------------------

    def verify(self, delivery: Delivery) -> VerifiedDelivery:
        """Prove who sent it. Raises `VerificationFailed` and nothing else, whatever the bytes."""

    def parse(self, verified: VerifiedDelivery) -> Sequence[Event]:
        """What it says. Unknown kinds are kept as `UNKNOWN`. Raises `InvalidDelivery` and nothing else."""

    def acknowledge(self, delivery: Delivery, receipt: Receipt | None) -> Response:
        """What this CRM wants to hear; `receipt` is None for a handshake that carries no events."""

    def identify(self, verified: VerifiedDelivery) -> Agent:
        """The agent behind a panel request, from signed parts only. Raises `VerificationFailed`."""

    # --- reading --------------------------------------------------------------------------------------------

    def resolve(self, ref: Ref) -> Resolution:
        """Which case a ref belongs to."""

    def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
        """The case as it is now; `Merged` when it lives on elsewhere, `NotACase` when it is gone."""

    def changed_since(self, cursor: str | None) -> Changes:
        """What changed after a cursor; None = from now on. The safety net under every webhook."""

    def list_articles(self, cursor: str | None) -> Articles:
        """Knowledge articles changed after a cursor; None = all of them."""

    def read_draft(self, ref: DraftRef) -> RemoteDraft | None:
        """What stands there now, or None when it is gone."""

    def may_see(self, agent: Agent, case: CaseRef) -> Visibility:
        """Whether the CRM lets this agent see this case."""

    # --- writing --------------------------------------------------------------------------------------------

    def write_draft(self, case: CaseRef, draft: Draft, key: str, replaces: Fingerprint | None) -> DraftRef:
        """Put the draft where the agent sees it. Idempotent by `key`: the same key again brings what it wrote, whatever
        `replaces` says.

        `replaces` is what we believe stands there (None: nothing of ours). `Conflict` when it is something else.
        """

    def withdraw_draft(self, ref: DraftRef, replaces: Fingerprint) -> None:
        """Take our draft away again. `Conflict` when a person changed it; fine when it is gone already."""

    def show(self, case: CaseRef, state: PanelState, key: str) -> None:
        """Show a state, where the target can carry one. Idempotent; older sequences change nothing."""

    def send_reply(self, reply: ApprovedReply, key: str) -> SentRef:
        """Send once. Re-reads first: `Conflict` if a public message outside `reply.seen` stands there.

        Raises `Ambiguous` whenever it may have gone out; `Retry` only when it certainly did not.
        """

    def find_reply(self, reply: ApprovedReply, key: str, attempted_at: datetime) -> FindResult:
        """What became of an attempt. `ProvenAbsent` only when it cannot arrive any more either."""

    # --- operating ------------------------------------------------------------------------------------------

    def diagnose(self) -> Iterable[Diagnosis]:
        """Look at credentials, permissions, limits and clock; never changes anything."""

    def provision(self, plan: bool) -> Iterable[Step]:
        """What the CRM needs, idempotent; with `plan` only said."""

    def close(self) -> None:
        """Release connections. Calls after this are errors."""


class AdapterFactory(Protocol):
    """What an entry point of the group `crm_bridge.adapters` points to."""

    def __call__(self, config: Mapping[str, Any], services: Services) -> Adapter:
        """Raises `InvalidConfig` with the path inside the connection's table."""
