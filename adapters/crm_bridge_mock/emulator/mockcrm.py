"""`MockCrm`: the embedded CRM, put together and under one handle. It joins the parts and owns no rule."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

from crm_bridge.contract import AuthKind
from crm_bridge.kit.emulation import Batch, Emulator, Outgoing, RateLimit, Transport, over_http
from crm_bridge.kit.inbound import path_token
from crm_bridge.kit.signing import check_secret, new_secret, sign_request, sign_webhook
from crm_bridge_mock.emulator.api import api_routes
from crm_bridge_mock.emulator.api_service import Api
from crm_bridge_mock.emulator.app import create_app
from crm_bridge_mock.emulator.decisions import Decisions
from crm_bridge_mock.emulator.desk_api import LOOPBACK, desk_api_routes
from crm_bridge_mock.emulator.drafts import Drafts
from crm_bridge_mock.emulator.gate import Gate
from crm_bridge_mock.emulator.panel import Panel
from crm_bridge_mock.emulator.seeding import put_article, seed
from crm_bridge_mock.emulator.service import Desk
from crm_bridge_mock.emulator.state import CrmState
from crm_bridge_mock.profiles import DEFAULT_PROFILE, PROFILES


class MockCrm(Emulator):
    """One embedded CRM that tells one connection of one bridge.

    `secrets`: `whsec_…`, the first signs and every one verifies; none makes one. `transport` is how the bridge is
    reached (`into_wsgi(app)` for a bridge in this process). `desk` is what agents can do, `state` the records below.
    """

    api = "api"
    agents_page = "/desk/"
    rate_limits = (RateLimit(name="daily", calls=1_000_000, per_s=86_400),)

    def __init__(
        self,
        *,
        bridge_url: str = "http://127.0.0.1:9",
        connection: str = "demo",
        secrets: Sequence[str] = (),
        profile: str = DEFAULT_PROFILE,
        data_dir: Path | None = None,
        transport: Transport = over_http,
        faults_file: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        desk_hosts: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(data_dir=data_dir, transport=transport, faults_file=faults_file, host=host, port=port)
        self.secrets = tuple(secrets) or (new_secret(),)
        for secret in self.secrets:
            check_secret(secret)
        self.profile = PROFILES[profile]
        self.bridge_url = bridge_url.rstrip("/")
        self.connection = connection
        self.state = CrmState(self.records, self.outbox, self.clock, self.profile)
        self.drafts = Drafts(self.state)
        self.gate = Gate(self.records, self.clock, self.profile)
        self.panel = Panel(
            bridge_url=self.bridge_url, connection=connection, secret=self.secrets[0], transport=transport
        )
        self.desk = Desk(self.state, self.drafts, Decisions(self.state, self.drafts, self.panel))
        self._hosts = LOOPBACK | desk_hosts

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the connection on the bridge's side; the mock has to be started."""
        return {"base_url": self.base_url, "webhook_secrets": list(self.secrets), "profile": self.profile.name}

    @cached_property
    def app(self) -> Flask:
        """The WSGI app: API, desk API and pages."""
        api = api_routes(Api(self.state, self.drafts, self.gate), self.secrets, self.gate)
        return create_app(
            desk=self.desk,
            routes=[api, desk_api_routes(self.desk)],
            allowed_hosts=self._hosts,
            session_key=self._session_key(),
        )

    def _session_key(self) -> str:
        kept = self.records.get("session_key", "desk")
        if kept is None:
            kept = {"key": secrets.token_hex(32)}
            with self.records.transaction():
                self.records.put("session_key", "desk", kept)
        return str(kept["key"])

    def webhook(self, batch: Batch) -> Outgoing:
        """An array of events, signed; where this CRM cannot sign, with a secret in the path."""
        body = json.dumps(batch.events).encode()
        url = f"{self.bridge_url}/webhooks/{self.connection}"
        headers = {"Content-Type": "application/json"}
        if self.profile.signs_requests:
            target = urlsplit(url).path
            headers |= sign_request(self.secrets[0], method="POST", target=target, at=datetime.now(UTC), body=body)
        elif self.profile.capabilities.delivery_auth.kind is AuthKind.SIGNED:
            headers |= sign_webhook(self.secrets[0], message_id=batch.id, at=datetime.now(UTC), body=body)
        else:
            url += f"/{path_token(self.secrets[0])}"
        return Outgoing(method="POST", url=url, headers=headers, body=body)

    def expire_tokens(self) -> bool:
        """Refuse every token given out so far; False in a profile without tokens."""
        return self.gate.expire()

    def seed(self) -> int:
        """Load the example cases and articles into an empty CRM; how many cases."""
        return seed(self.state)

    def put_article(self, article: dict[str, Any]) -> None:
        """Publish or change an article: {id, title, body, language, url?, deleted?}."""
        put_article(self.state, article)

    def point_at(self, bridge_url: str) -> None:
        """The bridge lives elsewhere from now on (its port was not known before)."""
        self.bridge_url = bridge_url.rstrip("/")
        self.panel.point_at(self.bridge_url)
