"""Calls to the API of the embedded CRM: one method per operation, documents in and out. The only I/O of the adapter.

It owns paths, signatures and which failures are answers; what a document means is `mapping.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from crm_bridge.contract import Conflict, Permanent, Reauthenticate, Retry, Services, Token
from crm_bridge.kit.http import Answer, Effect, HttpClient
from crm_bridge.kit.signing import sign_request
from crm_bridge_mock.schemas import MockConfig

MAX_PAGES = 40
"""So many pages of older messages are read at most, 50 messages each."""

TOKEN = "access"  # noqa: S105 - the name it is kept under

Document = dict[str, Any]


class MockClient:
    """The API of one embedded CRM."""

    def __init__(self, config: MockConfig, services: Services) -> None:
        secret = config.webhook_secrets[0]
        self._tokens = services.tokens if config.profile.tokens else None
        self._clock = services.clock
        self._http = HttpClient(
            config.base_url,
            total_s=config.timeout_s,
            network=services.network,
            may_start=services.may_start,
            sign=lambda method, target, body: sign_request(
                secret, method=method, target=target, at=datetime.now(UTC), body=body
            ),
        )

    def close(self) -> None:
        """Release connections."""
        self._http.close()

    def health(self) -> Document:
        """{ok, time, profile}"""
        return _document(self._read("health", "health"))

    def read_case(self, case: str) -> Document | None:
        """{case, messages, older, draft, duplicates} with every message, or {merged_into}; None when it is gone."""
        answer = self._read("read_case", f"cases/{_segment(case)}", accept={404})
        if answer.status == 404:
            return None
        document = _document(answer)
        for _ in range(MAX_PAGES):
            if document.get("older") is None:
                break
            page = self._read("read_messages", f"cases/{_segment(case)}/messages", params={"before": document["older"]})
            earlier = _document(page)
            document["messages"] = [*_list(earlier, "messages"), *_list(document, "messages")]
            document["older"] = earlier.get("older")
        return document

    def resolve(self, kind: str, ref: str) -> Document:
        """{status: case|merged|not_yet|not_a_case, …}"""
        return _document(self._read("resolve", f"resolve/{_segment(kind)}/{_segment(ref)}"))

    def changes(self, cursor: str | None) -> Document:
        """{items: [{case, version, by}], cursor, more}"""
        return _document(self._read("changes", "changes", params={"cursor": cursor or ""}))

    def articles(self, cursor: str | None) -> Document:
        """{items: [article], cursor, more}"""
        return _document(self._read("articles", "articles", params={"cursor": cursor or ""}))

    def read_draft(self, draft: str) -> Document | None:
        """{id, revision, status, text, fingerprint, decision, changed_at}; None when it is gone."""
        answer = self._read("read_draft", f"drafts/{_segment(draft)}", accept={404})
        return None if answer.status == 404 else _document(answer)

    def write_draft(self, case: str, body: Document) -> Document:
        """{id, fingerprint}"""
        path = f"cases/{_segment(case)}/draft"
        return _document(self._call("write_draft", "PUT", _api(path), json=body, effect=Effect.IDEMPOTENT))

    def withdraw_draft(self, draft: str, body: Document) -> None:
        """Fine when it is gone already."""
        path = f"drafts/{_segment(draft)}"
        self._call("withdraw_draft", "DELETE", _api(path), json=body, effect=Effect.IDEMPOTENT, accept={404})

    def show(self, case: str, body: Document) -> None:
        """Older sequences change nothing over there."""
        self._call("show", "PUT", _api(f"cases/{_segment(case)}/state"), json=body, effect=Effect.IDEMPOTENT)

    def send(self, case: str, body: Document) -> Any:
        """{id, sent_at}, unchecked: what is wrong with it comes too late to be a refusal."""
        path = f"cases/{_segment(case)}/replies"
        return self._call("send_reply", "POST", _api(path), json=body, effect=Effect.ONCE).json()

    def find_reply(self, case: str, body: Document) -> Document | None:
        """{found: {id, sent_at} | null}; null fences off attempts that began before. None when the case is gone."""
        path = f"cases/{_segment(case)}/find"
        answer = self._call("find_reply", "POST", _api(path), json=body, effect=Effect.IDEMPOTENT, accept={404})
        return None if answer.status == 404 else _document(answer)

    def _read(
        self, operation: str, path: str, *, params: Mapping[str, Any] | None = None, accept: Collection[int] = ()
    ) -> Answer:
        try:
            return self._call(operation, "GET", _api(path), params=params, effect=Effect.READ, accept=accept)
        except Conflict as error:
            raise Permanent(error.detail, code=error.code) from None  # a read has nothing to conflict with

    # --- access tokens --------------------------------------------------------------------------------------------

    def _call(self, operation: str, method: str, path: str, **more: Any) -> Answer:
        """One call; with a fresh token and once more where the CRM says that the token ended."""
        if self._tokens is None:
            return self._http.call(operation, method, path, **more)
        token = self._tokens.get(TOKEN) or self._tokens.refresh(TOKEN, None, self._fetch)
        try:
            return self._http.call(operation, method, path, headers=_bearer(token), **more)
        except Reauthenticate:
            fresh = self._tokens.refresh(TOKEN, token, self._fetch)
            return self._http.call(operation, method, path, headers=_bearer(fresh), **more)

    def _fetch(self, _stored: Token | None) -> Token:
        document = _document(self._http.call("token", "POST", _api("token"), effect=Effect.IDEMPOTENT))
        value, lifetime_s = document.get("access_token"), document.get("expires_in")
        if not isinstance(value, str) or not isinstance(lifetime_s, int):
            raise Retry("token: not the document this CRM promised", code="unexpected_answer")
        return Token(value=value, expires_at=self._clock.now() + timedelta(seconds=lifetime_s))


def _bearer(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.value}"}


def _api(path: str) -> str:
    return f"api/{path}"


def _segment(text: str) -> str:
    """An id as one path segment: whatever it holds, it names nothing else."""
    if text in (".", ".."):
        raise Permanent("an id cannot be a dot segment", code="unusable_id")
    return quote(text, safe="")


def _document(answer: Answer) -> Document:
    document = answer.json()
    if not isinstance(document, dict):
        raise Permanent(f"{answer.operation}: not the document this CRM promised", code="unexpected_answer")
    return dict(document)


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    found = document.get(name)
    return found if isinstance(found, list) else []
