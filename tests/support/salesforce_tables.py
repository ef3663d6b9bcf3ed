"""Made-up connections to Salesforce and requests from it, for tests: values only, nothing that runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from crm_bridge.contract import Delivery

ORGANIZATION = "00DWx0000000001MAA"
PATH_TOKEN = "3f1c9a5be27d4c60a8f2b7d914e0c356"
APEX_SECRET = "an apex secret of some length"


def table(**changes: Any) -> dict[str, Any]:
    """A connection's table; nobody answers at its address."""
    return {
        "base_url": "http://127.0.0.1:9",
        "organization_id": ORGANIZATION,
        "client_id": "client",
        "client_secret": "a client secret",
        "webhook_secrets": [PATH_TOKEN],
        "apex_secrets": [APEX_SECRET],
        **changes,
    }


def delivery(
    body: bytes, *, target: str = f"/webhooks/sf/{PATH_TOKEN}", at: datetime | None = None, **headers: str
) -> Delivery:
    """A request as the web layer gives it; header names with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Delivery(method="POST", target=target, headers=named, body=body, received_at=at or datetime.now(UTC))
