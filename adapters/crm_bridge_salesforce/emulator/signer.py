"""`SalesforceSigner`: outbound messages as this CRM sends them, for bodies a test chooses. Their proof is the path."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from crm_bridge.contract import Agent, Delivery
from crm_bridge.kit.emulation import StandardSigner
from crm_bridge.kit.inbound import path_token


@dataclass(frozen=True, kw_only=True)
class SalesforceSigner(StandardSigner):
    """For one connection."""

    @property
    def security_headers(self) -> tuple[str, ...]:
        """None: the secret stands in the path."""
        return ()

    @property
    def time_header(self) -> str | None:
        """No time is covered."""
        return None

    def sign(self, body: bytes, *, at: datetime | None = None) -> Delivery:
        """A message with this body."""
        return Delivery(
            method="POST",
            target=f"/webhooks/{self.connection}/{path_token(self.secret)}",
            headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'},
            body=body,
            received_at=at or datetime.now(UTC),
        )

    def sign_panel(self, agent: Agent, body: bytes = b"{}", *, at: datetime | None = None) -> Delivery | None:  # noqa: ARG002 - the Protocol's
        """None: agents decide in the CRM."""
        return None
