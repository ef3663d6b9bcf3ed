"""A ticket system in little code, to show what is left to an author of an emulator: routes and payloads.

It is told by webhooks with a shared signature, has OAuth tokens that rotate, two limits with headers of its own, errors
of its own form, notes, and replies that are sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from flask import Flask, request

from crm_bridge.kit.emulation import (
    Batch,
    Emulator,
    HttpAnswer,
    Outgoing,
    RateLimit,
    TokenEndpoint,
    Usage,
    json_answer,
)
from crm_bridge.kit.signing import new_secret, sign_webhook

CLIENT = {"client_id": "bridge", "client_secret": "s3cret"}


class Tickets(Emulator):
    """Tickets with comments, under `/v2`."""

    rate_limits = (
        RateLimit(name="burst", calls=20, per_s=10),
        RateLimit(name="daily", calls=1000, per_s=86_400),
    )

    def __init__(self, *, bridge_url: str = "http://127.0.0.1:9", **more: Any) -> None:
        super().__init__(**more)
        self.bridge_url = bridge_url
        self.secret = new_secret()
        clients = {CLIENT["client_id"]: CLIENT["client_secret"]}
        self.tokens = TokenEndpoint(self.records, self.clock, clients=clients, expires_s=600)

    @cached_property
    def app(self) -> Flask:
        app = Flask(__name__)
        app.add_url_rule("/v2/token", "token", self._token, methods=["POST"])
        app.add_url_rule("/v2/tickets/<ticket>", "read_ticket", self._read)
        app.add_url_rule("/v2/tickets/<ticket>/comments", "comment", self._comment, methods=["POST"])
        app.add_url_rule("/v2/changes", "changes", self._changes)
        return app

    # --- routes ---------------------------------------------------------------------------------------------------

    def _token(self) -> HttpAnswer:
        assert self.tokens is not None
        return self.tokens.answer(request.form, request.headers.get("Authorization", ""))

    def _read(self, ticket: str) -> HttpAnswer:
        found = self.records.get("ticket", ticket)
        if found is None:
            return self.refusal(404, "no_such_ticket")
        return json_answer(200, {**found, "comments": self.records.owned("comment", ticket)})

    def _comment(self, ticket: str) -> HttpAnswer:
        found = self.records.get("ticket", ticket)
        if found is None:
            return self.refusal(404, "no_such_ticket")
        comment = self.say(ticket, str(request.get_json()["text"]), by="bridge")
        return json_answer(201, comment)

    def _changes(self) -> HttpAnswer:
        changed = self.records.changed_after("ticket", int(request.args.get("after", 0)), 50)
        items = [{"ticket": ticket["id"], "sequence": sequence} for sequence, ticket in changed]
        return json_answer(200, {"items": items})

    # --- people ---------------------------------------------------------------------------------------------------

    def open(self, subject: str) -> str:
        """A new ticket; its id."""
        ticket = f"T-{self.records.next_number('ticket')}"
        with self.records.transaction():
            self.records.put("ticket", ticket, {"id": ticket, "subject": subject})
            self.outbox.add({"ticket": ticket, "kind": "opened"})
        return ticket

    def say(self, ticket: str, text: str, *, by: str) -> dict[str, Any]:
        """A comment on a ticket."""
        number = self.records.next_number("comment")
        comment = {"id": number, "by": by, "text": text, "at": self.clock.now().isoformat()}
        with self.records.transaction():
            self.records.put("comment", str(number), comment, owner=ticket)
            self.outbox.add({"ticket": ticket, "kind": "commented"})
        return comment

    # --- forms ----------------------------------------------------------------------------------------------------

    def webhook(self, batch: Batch) -> Outgoing:
        body = json.dumps({"events": batch.events}).encode()
        headers = sign_webhook(self.secret, message_id=batch.id, at=datetime.now(UTC), body=body)
        return Outgoing(method="POST", url=f"{self.bridge_url}/webhooks/tickets", headers=headers, body=body)

    def refusal(self, status: int, code: str) -> HttpAnswer:
        return json_answer(status, {"ok": False, "why": code})

    def limit_headers(self, usages: Sequence[Usage]) -> dict[str, str]:
        return {f"X-Left-{usage.limit.name.title()}": str(usage.remaining) for usage in usages}

    def limit_exceeded(self, usage: Usage) -> HttpAnswer:
        answer = json_answer(429, {"ok": False, "why": "slow_down", "policy": usage.limit.name})
        return answer.with_headers({"Retry-After": str(usage.retry_after_s)})

    @property
    def config(self) -> Mapping[str, Any]:
        return {"base_url": self.base_url, "webhook_secrets": [self.secret], **CLIENT}
