"""Carries the requests of the openai SDK over the bridge's own bounded client. Needs the extra `ai`.

The SDK's client would follow redirects, read proxies and headers from the environment, and bound single reads only.
Here a rule lives once: deadline, size, host, proxy and the meaning of failures are those of `kit.http`.
"""

from __future__ import annotations

import httpx2

from crm_bridge.contract import Permanent
from crm_bridge.kit.http import Effect, HttpClient


class BoundedTransport(httpx2.BaseTransport):
    """Sends a request's method, path and body; headers are ours alone, so nothing of the environment leaves."""

    def __init__(self, client: HttpClient, base_url: str) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises the errors of the contract; the SDK wraps them as the cause of its own."""
        url = str(request.url)
        if not url.startswith(f"{self._base_url}/"):
            raise Permanent("a request must stay below base_url", code="unsafe_path")
        answer = self._client.call(
            "assistant_draft",
            request.method,
            url.removeprefix(self._base_url),
            effect=Effect.IDEMPOTENT,
            body=request.read(),
            headers={"Content-Type": "application/json"},
            total_s=_total_s(request),
        )
        return httpx2.Response(
            answer.status, headers={"content-type": "application/json"}, content=answer.body, request=request
        )


def _total_s(request: httpx2.Request) -> float | None:
    """The SDK's `timeout` of this call, which means the whole of it here."""
    timeout = request.extensions.get("timeout") or {}
    read_s = timeout.get("read")
    return float(read_s) if read_s else None
