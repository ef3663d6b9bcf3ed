"""`MockSigner`: webhooks and panel calls exactly as the embedded CRM signs them, for bodies a test chooses.

It owns no rule of signing (that is `crm_bridge.kit`), only which profile signs what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from crm_bridge.contract import Agent, Delivery
from crm_bridge.kit.emulation import StandardSigner
from crm_bridge.kit.inbound import path_token
from crm_bridge.kit.signing import sign_request
from crm_bridge_mock.profiles import PROFILES


class _Proof(StrEnum):
    """Where a webhook's proof stands."""

    WEBHOOK = "webhook"
    REQUEST = "request"
    PATH = "path"


_HEADERS: Mapping[_Proof, tuple[str, ...]] = {
    _Proof.WEBHOOK: ("webhook-id", "webhook-timestamp", "webhook-signature"),
    _Proof.REQUEST: ("crm-timestamp", "crm-signature"),
    _Proof.PATH: (),
}


@dataclass(frozen=True, kw_only=True)
class MockSigner(StandardSigner):
    """Signs for one connection of one profile."""

    profile: str

    @property
    def security_headers(self) -> tuple[str, ...]:
        """None where the secret stands in the path."""
        return _HEADERS[self._proof]

    @property
    def time_header(self) -> str | None:
        """Where the signed time stands."""
        return next((name for name in self.security_headers if name.endswith("timestamp")), None)

    def sign(self, body: bytes, *, at: datetime | None = None) -> Delivery:
        """A webhook made and received `at`."""
        if self._proof is _Proof.WEBHOOK:
            return super().sign(body, at=at)
        moment, target = at or datetime.now(UTC), f"/webhooks/{self.connection}"
        if self._proof is _Proof.PATH:
            return self.delivery(f"{target}/{path_token(self.secret)}", {}, body, moment)
        headers = sign_request(self.secret, method="POST", target=target, at=moment, body=body)
        return self.delivery(target, headers, body, moment)

    def sign_panel(self, agent: Agent, body: bytes = b"{}", *, at: datetime | None = None) -> Delivery | None:
        """A decision of this agent; None where the profile has no panel."""
        return super().sign_panel(agent, body, at=at) if PROFILES[self.profile].capabilities.panel else None

    @property
    def _proof(self) -> _Proof:
        profile = PROFILES[self.profile]
        if profile.capabilities.delivery_auth.is_hint:
            return _Proof.PATH
        return _Proof.REQUEST if profile.signs_requests else _Proof.WEBHOOK
