"""Two ways in that need no scheme of the CRM: a token in the path of its webhooks, and calls of a panel you deploy.

Owns what is looked at and how an agent is named there; what is signed is `signing.py`. Both use the same secrets
(`whsec_…`), of which every one is tried. Pure, and `VerificationFailed` is the only thing raised, whatever the bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from crm_bridge.contract import Agent, Delivery, VerificationFailed, VerifiedDelivery
from crm_bridge.contract.value import MAX_ID_LENGTH
from crm_bridge.kit.signing import check_secret, verify_request

_PANEL = re.compile(r"/panel/[a-z0-9][a-z0-9-]*/")
_TOKEN = re.compile(r"/webhooks/[a-z0-9-]+/([0-9a-f]{64})(?:\?.*)?", re.DOTALL)
_PANEL_CALL = "panel:"
_AGENT_FIELDS = ("agent_id", "agent_name")
MAX_QUERY_FIELDS = 20


def path_token(secret: str) -> str:
    """The last part of a webhook's path: 64 hex digits made of a secret, which itself never stands in a URL."""
    return hmac.new(check_secret(secret), b"crm-bridge: path of webhooks", hashlib.sha256).hexdigest()


def verify_path_token(delivery: Delivery, secrets: Sequence[str], *, public_url: str) -> VerifiedDelivery:
    """A hint from somebody who knows the path. Nothing of its body is proven."""
    found = _TOKEN.fullmatch(_below(public_url, delivery))
    if found is None:
        raise VerificationFailed("no_path_token")
    given = found[1].encode()
    matches = [hmac.compare_digest(path_token(secret).encode(), given) for secret in secrets]
    if not any(matches):
        raise VerificationFailed("wrong_path_token")
    return VerifiedDelivery(delivery=delivery, signed_body=False)


def is_panel_call(delivery: Delivery, *, public_url: str) -> bool:
    """Whether it came to one of the bridge's panel routes."""
    return _PANEL.match(_below(public_url, delivery)) is not None


def verify_panel_call(delivery: Delivery, secrets: Sequence[str]) -> VerifiedDelivery:
    """A call signed with `sign_request` over method, target, time and body."""
    verify_request(delivery, secrets)
    signature = hashlib.sha256((delivery.header("crm-signature") or "").encode()).hexdigest()
    return VerifiedDelivery(delivery=delivery, signed_body=True, delivery_id=f"{_PANEL_CALL}{signature}")


def agent_of(verified: VerifiedDelivery) -> Agent:
    """The agent named by `agent_id` and `agent_name` in the signed query of a panel call."""
    # Only what was verified as a panel call covers its target, and the agent stands there.
    if not (verified.delivery_id or "").startswith(_PANEL_CALL):
        raise VerificationFailed("not_a_panel_call")
    query = verified.delivery.target.partition("?")[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS, errors="strict")
    except ValueError:
        raise VerificationFailed("malformed_query") from None
    given = {name: [value for key, value in pairs if key == name] for name in _AGENT_FIELDS}
    if not all(len(values) == 1 and usable_id(values[0]) for values in given.values()):
        raise VerificationFailed("no_agent")
    return Agent(id=given["agent_id"][0], name=given["agent_name"][0])


def agent_query(agent: Agent) -> str:
    """How the caller names the agent."""
    return urlencode({"agent_id": agent.id, "agent_name": agent.name}, quote_via=quote)


def usable_id(value: object) -> bool:
    """Whether something that came in can stand for an id of a value of the contract."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and value.isprintable()


def _below(public_url: str, delivery: Delivery) -> str:
    """The target without the path of the public URL, below which our routes lie."""
    return delivery.target.removeprefix(urlsplit(public_url).path.rstrip("/"))
