"""`MockSigner`: webhooks and panel calls exactly as the embedded CRM signs them, for bodies a test chooses.

It owns no rule of signing (that is `crm_bridge.kit.signing`); it satisfies `crm_bridge.testing.handle.Signer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from crm_bridge.contract import Agent, AuthKind, Delivery
from crm_bridge.kit.signing import TOLERANCE, new_secret, sign_request, sign_webhook
from crm_bridge_mock.profiles import PROFILES
from crm_bridge_mock.webhooks import path_token


@dataclass(frozen=True, kw_only=True)
class MockSigner:
    """Signs for one connection of one profile."""

    secret: str
    profile: str
    connection: str = "demo"
    tolerance: timedelta = TOLERANCE

    @property
    def security_headers(self) -> tuple[str, ...]:
        """None where the secret stands in the path."""
        return ("webhook-id", "webhook-timestamp", "webhook-signature") if self._signs else ()

    @property
    def time_header(self) -> str | None:
        """Where the signed time stands."""
        return "webhook-timestamp" if self._signs else None

    def sign(self, body: bytes, *, at: datetime | None = None) -> Delivery:
        """A webhook made and received `at`."""
        moment = at or datetime.now(UTC)
        target, headers = f"/webhooks/{self.connection}", {"Content-Type": "application/json"}
        if self._signs:
            headers |= sign_webhook(self.secret, message_id="msg_contract", at=moment, body=body)
        else:
            target += f"/{path_token(self.secret)}"
        return Delivery(method="POST", target=target, headers=headers, body=body, received_at=moment)

    def sign_panel(self, agent: Agent, body: bytes = b"{}", *, at: datetime | None = None) -> Delivery | None:
        """A decision of this agent; None where the profile has no panel."""
        if not PROFILES[self.profile].capabilities.panel:
            return None
        moment = at or datetime.now(UTC)
        query = urlencode({"agent_id": agent.id, "agent_name": agent.name}, quote_via=quote)
        target = f"/panel/{self.connection}/drafts/d-1/decision?{query}"
        headers = sign_request(self.secret, method="POST", target=target, at=moment, body=body)
        return Delivery(method="POST", target=target, headers=headers, body=body, received_at=moment)

    def renewed(self) -> MockSigner:
        """The same with a fresh secret."""
        return replace(self, secret=new_secret())

    def configured(self, config: Mapping[str, Any], *older: MockSigner) -> dict[str, Any]:
        """The table with these secrets."""
        return {**config, "webhook_secrets": [self.secret, *(one.secret for one in older)]}

    @property
    def _signs(self) -> bool:
        return PROFILES[self.profile].capabilities.delivery_auth.kind is AuthKind.SIGNED
