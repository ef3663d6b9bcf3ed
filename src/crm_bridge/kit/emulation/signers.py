"""`StandardSigner`: deliveries as a CRM signs them that follows Standard Webhooks, for bodies a test chooses.

It owns no rule of signing (`crm_bridge.kit.signing`). A CRM with a scheme of its own overrides `sign` and what says
where the proof stands. It satisfies `crm_bridge.testing.handle.Signer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from crm_bridge.contract import Agent, Delivery
from crm_bridge.kit.inbound import agent_query
from crm_bridge.kit.signing import TOLERANCE, new_secret, sign_request, sign_webhook


@dataclass(frozen=True, kw_only=True)
class StandardSigner:
    """Signs for one connection. `setting`: the key of its table under which the secrets stand, a list."""

    secret: str = field(repr=False)
    connection: str = "demo"
    setting: str = "webhook_secrets"
    tolerance: timedelta = TOLERANCE

    @property
    def security_headers(self) -> tuple[str, ...]:
        """The headers the proof rests on; () where it stands in the path."""
        return ("webhook-id", "webhook-timestamp", "webhook-signature")

    @property
    def time_header(self) -> str | None:
        """Where the signed time stands; None where no time is covered."""
        return "webhook-timestamp"

    def sign(self, body: bytes, *, at: datetime | None = None) -> Delivery:
        """A webhook made and received `at` (now)."""
        moment = at or datetime.now(UTC)
        headers = sign_webhook(self.secret, message_id="msg_contract", at=moment, body=body)
        return self.delivery(f"/webhooks/{self.connection}", headers, body, moment)

    def sign_panel(self, agent: Agent, body: bytes = b"{}", *, at: datetime | None = None) -> Delivery | None:
        """A decision of this agent, signed as `crm_bridge.kit.inbound` verifies it; None where there is no panel."""
        moment = at or datetime.now(UTC)
        target = f"/panel/{self.connection}/drafts/d-1/decision?{agent_query(agent)}"
        headers = sign_request(self.secret, method="POST", target=target, at=moment, body=body)
        return self.delivery(target, headers, body, moment)

    def renewed(self) -> Self:
        """The same with a fresh secret."""
        return replace(self, secret=new_secret())

    def configured(self, config: Mapping[str, Any], *older: StandardSigner) -> dict[str, Any]:
        """The connection's table with this secret first and those of `older` after it."""
        return {**config, self.setting: [self.secret, *(one.secret for one in older)]}

    def delivery(self, target: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Delivery:
        """A POST of JSON."""
        given = {"Content-Type": "application/json", **headers}
        return Delivery(method="POST", target=target, headers=given, body=body, received_at=at)
