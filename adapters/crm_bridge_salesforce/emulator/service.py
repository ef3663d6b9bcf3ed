"""`SalesforceService`: an emulated org as a service: its API, limits and refusals, and what it tells the bridge."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from flask import Flask

from crm_bridge.kit.emulation import (
    Batch,
    HeldWebhooks,
    HttpAnswer,
    Outgoing,
    RateLimit,
    Reply,
    Unreachable,
    Usage,
    WebhookSender,
    over_http,
)
from crm_bridge.kit.emulation.answers import Environ
from crm_bridge.kit.emulation.disturbance import Disturbance
from crm_bridge.kit.emulation.rates import RateLimits
from crm_bridge.kit.inbound import path_token
from crm_bridge.kit.signing import check_secret, new_secret
from crm_bridge_salesforce.emulator.apex import Apex, signed
from crm_bridge_salesforce.emulator.desk import desk_pages, lightning_links
from crm_bridge_salesforce.emulator.errors import Refused, session_ended
from crm_bridge_salesforce.emulator.org import DAILY_REQUESTS, Org
from crm_bridge_salesforce.emulator.outbound import MessageQueue, envelope, is_acknowledged
from crm_bridge_salesforce.emulator.rest.app import FREE, create_app
from crm_bridge_salesforce.emulator.rest.wire import refusal
from crm_bridge_salesforce.emulator.sessions import App
from crm_bridge_salesforce.emulator.store import Written

NOBODY = "http://127.0.0.1:9"
CLIENT_ID = "3MVG9emulated.client"
TOTAL, CONCURRENT = "TotalRequests", "ConcurrentRequests"
DAY_S = 86_400.0
API_PATHS = ("/services/", "/id/")
_REFUSALS: Mapping[int, tuple[str, str]] = {
    400: ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
    403: ("INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id"),
    404: ("NOT_FOUND", "The requested resource does not exist"),
    412: ("PRECONDITION_FAILED", "A precondition in the request headers was not satisfied."),
    503: ("SERVER_UNAVAILABLE", "The server is temporarily unavailable"),
}
_SENTENCES = {CONCURRENT: "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}


class SalesforceService(HeldWebhooks):
    """One org that tells one connection of one bridge. Webhooks are held until they are asked for.

    `secrets`: `whsec_…`, the first is in the path. `apex_secret`: signs the callouts of the package. `installed`:
    whether the package is. `requests_a_day`: the org's allowance. `page_rows`: no page of a query is longer.
    """

    events_per_webhook: ClassVar[int] = 100
    agents_page: ClassVar[str] = "/desk/"

    def __init__(
        self,
        *,
        bridge_url: str = NOBODY,
        connection: str = "demo",
        secrets: Sequence[str] = (),
        apex_secret: str = "",
        installed: bool = True,
        requests_a_day: int = DAILY_REQUESTS,
        page_rows: int | None = None,
        **more: Any,
    ) -> None:
        self.public_url = bridge_url.rstrip("/")
        self.connection = connection
        self.secrets = tuple(secrets) or (new_secret(),)
        for secret in self.secrets:
            check_secret(secret)
        super().__init__(bridge=over_http, **more)
        self.apex_secret = apex_secret or self._kept_secret("apex")
        self.client = App(client_id=CLIENT_ID, client_secret=self._kept_secret("client"))
        with self.records.transaction():
            self.org = Org(self.records, self.clock, self.client, installed=installed)
        self.org.requests_a_day = requests_a_day
        if page_rows is not None:
            self.org.pages.rows = page_rows
        self.apex = Apex(self.org, self._call_out)
        self.integration_tells = False
        self._queue = MessageQueue(self.records, batch_size=self.events_per_webhook)
        self.outbox = self._queue
        self.sender = WebhookSender(
            self._queue, self.webhook, self.transport, faults=self.faults, takes=self.takes, forge=self.forged
        )
        self.org.store.on_written = self._on_written

    @cached_property
    def app(self) -> Flask:
        """The WSGI app: the API, and the agents' pages."""
        app = create_app(self.org, lambda: self.base_url)
        app.secret_key = self._kept_secret("desk")
        app.register_blueprint(desk_pages(self.org, self.apex, host=self._address[0]))
        app.register_blueprint(lightning_links())
        return app

    def operation(self, environ: Environ) -> str | None:
        """What the REST API is asked for; the agents' pages are no calls."""
        named = super().operation(environ)
        return named if str(environ.get("PATH_INFO", "")).startswith(API_PATHS) else None

    @property
    def config(self) -> Mapping[str, Any]:
        """The connection's table; it has to be started."""
        return {
            "base_url": self.base_url,
            "auth": "client_credentials",
            "client_id": self.client.client_id,
            "client_secret": self.client.client_secret,
            "organization_id": self.org.people.organization_id,
            "webhook_secrets": list(self.secrets),
            "apex_secrets": [self.apex_secret],
        }

    def expire_tokens(self) -> bool:
        """Refuse every token given out so far."""
        self.org.sessions.end_all()
        return True

    # --- limits and refusals --------------------------------------------------------------------------------------

    @cached_property
    def disturbed(self) -> Disturbance:
        """The app behind the org's daily allowance and its faults."""
        endpoints = (rule.endpoint for rule in self.app.url_map.iter_rules())
        operations = frozenset(one for one in endpoints if "." not in one) - FREE  # a blueprint's are pages
        daily = RateLimit(name=TOTAL, calls=self.org.requests_a_day, per_s=DAY_S, operations=operations)
        rates = RateLimits([daily], self.clock.now)
        return Disturbance(self, rates, self._counter, pause=self._stopping.wait)

    def limit_headers(self, usages: Sequence[Usage]) -> dict[str, str]:
        """`Sforce-Limit-Info`."""
        self.org.requests_used = max(usage.used for usage in usages)
        return self._limit_info

    def limit_exceeded(self, usage: Usage) -> HttpAnswer:
        """403, without a word of when to come again."""
        name = CONCURRENT if usage.limit.name == CONCURRENT else TOTAL
        detail = _SENTENCES.get(name, "TotalRequests Limit exceeded.")
        return refusal(Refused(403, "REQUEST_LIMIT_EXCEEDED", detail)).with_headers(self._limit_info)

    def refusal(self, status: int, code: str) -> HttpAnswer:  # noqa: ARG002 - this CRM has codes of its own
        """An error array, as every error of this API is."""
        if status == 401:
            refused = session_ended()
        else:
            name, detail = _REFUSALS.get(status, ("UNKNOWN_EXCEPTION", "An unexpected error occurred."))
            refused = Refused(status, name, detail)
        return refusal(refused).with_headers(self._limit_info)

    @property
    def _limit_info(self) -> dict[str, str]:
        return {"Sforce-Limit-Info": f"api-usage={self.org.requests_used}/{self.org.requests_a_day}"}

    # --- what it tells --------------------------------------------------------------------------------------------

    @property
    def webhook_path(self) -> str:
        """Where outbound messages go: the secret is the last part."""
        return f"/webhooks/{self.connection}/{path_token(self.secrets[0])}"

    def webhook(self, batch: Batch) -> Outgoing:
        """An outbound message."""
        organization = self.org.people.organization_id
        body = envelope(batch.events, self.org.store, organization=organization, base_url=self.base_url)
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
        return Outgoing(method="POST", url=f"{self.public_url}{self.webhook_path}", headers=headers, body=body)

    def takes(self, reply: Reply) -> bool:
        """Only `Ack` means taken; what is held back for a test is."""
        return self._holding or is_acknowledged(reply)

    def _on_written(self, written: Written) -> None:
        """The integration user has no right to send outbound messages, or every draft would be news."""
        if self.integration_tells or written.by != self.org.people.integration:
            self._queue.notify(written)

    def _call_out(self, document: Mapping[str, Any]) -> None:
        """The callout of the package, once: a queueable has no second try."""
        body, headers = signed(document, self.apex_secret, int(time.time()))
        url = f"{self.public_url}/webhooks/{self.connection}"
        outgoing = Outgoing(method="POST", url=url, headers=headers, body=body)
        self.sender.captured.append(outgoing)
        try:
            self.transport(outgoing)
        except Unreachable:
            return  # nobody hears of it until the bridge reconciles

    def _kept_secret(self, name: str) -> str:
        """The same after a restart."""
        with self.records.transaction():
            kept = self.records.get("secret", name) or {"secret": new_secret()}
            self.records.put("secret", name, kept)
        return str(kept["secret"])
