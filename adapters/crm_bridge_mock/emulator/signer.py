"""`MockSigner`: webhooks and panel calls exactly as the embedded CRM signs them, for bodies a test chooses.

It owns no rule of signing (that is `crm_bridge.kit`), only which profile signs what.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from crm_bridge.contract import Agent, AuthKind, Delivery
from crm_bridge.kit.emulation import StandardSigner
from crm_bridge.kit.inbound import path_token
from crm_bridge_mock.profiles import PROFILES


@dataclass(frozen=True, kw_only=True)
class MockSigner(StandardSigner):
    """Signs for one connection of one profile."""

    profile: str

    @property
    def security_headers(self) -> tuple[str, ...]:
        """None where the secret stands in the path."""
        return super().security_headers if self._signs else ()

    @property
    def time_header(self) -> str | None:
        """Where the signed time stands."""
        return super().time_header if self._signs else None

    def sign(self, body: bytes, *, at: datetime | None = None) -> Delivery:
        """A webhook made and received `at`."""
        if self._signs:
            return super().sign(body, at=at)
        return self.delivery(
            f"/webhooks/{self.connection}/{path_token(self.secret)}", {}, body, at or datetime.now(UTC)
        )

    def sign_panel(self, agent: Agent, body: bytes = b"{}", *, at: datetime | None = None) -> Delivery | None:
        """A decision of this agent; None where the profile has no panel."""
        return super().sign_panel(agent, body, at=at) if PROFILES[self.profile].capabilities.panel else None

    @property
    def _signs(self) -> bool:
        return PROFILES[self.profile].capabilities.delivery_auth.kind is AuthKind.SIGNED
