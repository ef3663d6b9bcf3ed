"""Clients of a running bridge, as its users have them: the desk's JSON API, the panel, and a CRM's signed webhooks."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import requests

from crm_bridge.kit.signing import sign_request, sign_webhook

TIMEOUT_S = 30.0
PATIENCE_S = 90.0

Case = dict[str, Any]


class DeskClient:
    """An agent and the customers of the embedded CRM."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, body: Any = None, *, agent: str = "Demo Agent") -> requests.Response:
        """One request of an agent, on a connection of its own."""
        headers = {"X-Desk-Agent": agent}
        return requests.request(method, f"{self.url}/desk/api{path}", json=body, headers=headers, timeout=TIMEOUT_S)

    def new_case(self, body: str = "I forgot my password, how do I reset it?", *, subject: str = "Help") -> str:
        """A case of a customer nobody knows yet; its id."""
        customer = {"name": "Zoe Tester", "email": f"zoe-{uuid.uuid4().hex[:12]}@example.com"}
        made = self.call("POST", "/cases", {"subject": subject, "body": body, "customer": customer})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def write(self, case: str, body: str, *, author: str = "customer", public: bool = True) -> str:
        """A message on the case; its id."""
        made = self.call("POST", f"/cases/{case}/messages", {"author": author, "body": body, "public": public})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def cases(self) -> list[Case]:
        found: list[Case] = self.call("GET", "/cases").json()
        return found

    def case(self, case: str) -> Case:
        found = self.call("GET", f"/cases/{case}")
        assert found.status_code == 200, found.text
        return dict(found.json())

    def decide(self, case: str, action: str, *, agent: str = "Demo Agent", **body: Any) -> requests.Response:
        """accept, edit, reject, respond, undo or resolve."""
        return self.call("POST", f"/cases/{case}/draft/{action}", body, agent=agent)

    def decide_fine(self, case: str, action: str, **body: Any) -> Case:
        """The same, which has to be taken."""
        answer = self.decide(case, action, **body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    # --- waiting ----------------------------------------------------------------------------------------------

    def drafted(self, case: str, *, after: int = 0) -> Case:
        """The case, once a draft of a later revision than `after` waits for an agent."""

        def ready(found: Case) -> bool:
            draft = found["draft"]
            return (
                draft is not None
                and draft["status"] == "written"
                and draft["revision"] > after
                and found["state"]["kind"] == "ready"
            )

        return self.until(case, ready, "has a draft")

    def reaches(self, case: str, kind: str) -> Case:
        """The case, once its state is of this kind."""
        return self.until(case, lambda found: found["state"]["kind"] == kind, f"is {kind}")

    def until(self, case: str, wanted: Callable[[Case], bool], what: str, *, within_s: float = PATIENCE_S) -> Case:
        ends = time.monotonic() + within_s
        while True:
            found = self.case(case)
            if wanted(found):
                return found
            brief = (found["state"], {**(found["draft"] or {}), "text": "…"})
            assert time.monotonic() < ends, f"case {case} never {what}: {brief}"
            time.sleep(0.05)


def replies(case: Case) -> list[str]:
    """What the customer got."""
    return [message["body"] for message in case["messages"] if message["author"] == "agent" and message["public"]]


class PanelClient:
    """The UI inside a CRM: panel requests signed with the CRM's secret."""

    def __init__(self, url: str, connection: str, secret: str) -> None:
        self._url, self._connection, self._secret = url, connection, secret

    def decide(self, draft: str, agent: str = "Demo Agent", **body: Any) -> requests.Response:
        """The decision of a draft, past the desk."""
        query = f"agent_id={quote(agent)}&agent_name={quote(agent)}"
        target = f"/panel/{self._connection}/drafts/{quote(draft)}/decision?{query}"
        data = json.dumps(body).encode()
        signed = sign_request(self._secret, method="POST", target=target, at=datetime.now(UTC), body=data)
        headers = {"Content-Type": "application/json", **signed}
        return requests.post(self._url + target, data=data, headers=headers, timeout=TIMEOUT_S)


def event(case: str, *, kind: str = "message.created", identity: str | None = None) -> dict[str, str]:
    """An event as the embedded CRM tells it."""
    identity = identity or f"evt_{uuid.uuid4().hex}"
    return {"id": identity, "type": kind, "occurred_at": datetime.now(UTC).isoformat(), "case": case}


def signed_webhook(
    secret: str, events: Sequence[dict[str, str]] | bytes, *, late: timedelta = timedelta()
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a delivery, signed now or `late` ago."""
    body = events if isinstance(events, bytes) else json.dumps(list(events)).encode()
    identity = f"msg_{uuid.uuid4().hex}"
    signed = sign_webhook(secret, message_id=identity, at=datetime.now(UTC) - late, body=body)
    return body, {"Content-Type": "application/json", **signed}
