"""A web app over a pretend pipeline and an adapter with real signatures: what the web layer itself does."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from flask import Flask

from crm_bridge.contract import Agent, Delivery, Response, VerificationFailed, VerifiedDelivery
from crm_bridge.kit.parsing import parse_json
from crm_bridge.kit.signing import new_secret, sign_request, sign_webhook, verify_request, verify_webhook
from crm_bridge.pipeline.runtime import UnknownConnection
from crm_bridge.telemetry import configure_logging
from crm_bridge.web import create_app

SECRET = new_secret()


class SignedAdapter:
    """Verifies webhooks and panel requests as the embedded CRM does; believes nothing else."""

    capabilities = SimpleNamespace(panel=True)
    signed_body = True
    trusting = False

    def verify(self, delivery: Delivery) -> VerifiedDelivery:
        if self.trusting:
            pass
        elif delivery.header("webhook-id") is not None:
            verify_webhook(delivery, [SECRET])
        else:
            verify_request(delivery, [SECRET])
        return VerifiedDelivery(delivery=delivery, signed_body=self.signed_body)

    def identify(self, verified: VerifiedDelivery) -> Agent:
        query = parse_qs(urlsplit(verified.delivery.target).query)
        if self.trusting:
            return Agent(id="a-1", name="Demo Agent")
        if "agent_id" not in query:
            raise VerificationFailed("no_agent")
        return Agent(id=query["agent_id"][0], name="Demo Agent")


class View:
    def __init__(self, case: str) -> None:
        self.case = case

    def to_json(self) -> dict[str, Any]:
        state = {"kind": "ready", "sentence": "A draft is ready.", "sequence": 1, "revision": 1}
        return {"case": self.case, "sequence": 1, "state": state, "draft": None, "new_messages": []}


@dataclass
class Stage:
    """The app, what its pipeline was asked, and an error it should raise instead of answering."""

    app: Flask
    adapter: SignedAdapter
    logs: io.StringIO
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    fails_with: Exception | None = None

    def ask(self, *what: Any) -> None:
        self.asked.append(what)
        if self.fails_with is not None:
            raise self.fails_with

    @property
    def client(self) -> Any:
        return self.app.test_client()

    def webhook(self, body: bytes, *, path: str = "/webhooks/demo", **kwargs: Any) -> Any:
        headers = sign_webhook(SECRET, message_id="msg_1", at=datetime.now(UTC), body=body)
        return self.client.post(path, data=body, headers=headers, content_type="application/json", **kwargs)

    def panel(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        target = f"/panel/demo/{path}?agent_id=a-1"
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = sign_request(SECRET, method=method, target=target, at=datetime.now(UTC), body=data)
        kind = "application/json" if body is not None else None
        return self.client.open(
            target, method=method, data=data, headers={**signed, **(headers or {})}, content_type=kind
        )


def keep_process_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `configure_logging` changes for the whole process is put back after the test."""
    for owner, name in ((sys, "excepthook"), (threading, "excepthook"), (logging, "raiseExceptions")):
        monkeypatch.setattr(owner, name, getattr(owner, name))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    keep_process_state(monkeypatch)
    adapter = SignedAdapter()
    connections = {"demo": SimpleNamespace(name="demo", adapter=adapter)}

    def connection(name: str) -> Any:
        if name not in connections:
            raise UnknownConnection("no such connection")
        return connections[name]

    runtime: Any = SimpleNamespace(connections=connections, connection=connection, store=None)
    logs = io.StringIO()
    logger = logging.getLogger()
    before = (logger.handlers[:], logger.level)
    configure_logging("json", stream=logs)
    made = Stage(app=create_app(runtime), adapter=adapter, logs=logs)

    def receive(runtime: Any, name: str, delivery: Delivery) -> Response:
        runtime.connection(name).adapter.verify(delivery)
        parse_json(delivery.body)
        made.ask("receive", name, delivery)
        return Response(status=200, body=b'{"ok": true}')

    def panel_view(runtime: Any, name: str, case: str, agent: Agent) -> View:
        made.ask("panel_view", name, case, agent)
        return View(case)

    def decide(runtime: Any, name: str, draft: str, request: Any, agent: Agent) -> View:
        made.ask("decide", name, draft, request, agent)
        return View("c-1")

    def undo(
        runtime: Any,
        name: str,
        draft: str,
        agent: Agent,
        *,
        revision: int | None = None,
        request_key: str | None = None,
    ) -> View:
        made.ask("undo", name, draft, revision, agent)
        return View("c-1")

    def settle(
        runtime: Any, name: str, draft: str, sent: bool, agent: Agent, *, request_key: str | None = None
    ) -> View:
        made.ask("settle", name, draft, sent, agent)
        return View("c-1")

    monkeypatch.setattr("crm_bridge.web.webhooks.receive", receive)
    for fake in (panel_view, decide, undo, settle):
        monkeypatch.setattr(f"crm_bridge.web.panel.{fake.__name__}", fake)
    yield made
    logger.handlers[:], logger.level = before[0], before[1]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
