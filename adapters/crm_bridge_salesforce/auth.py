"""Access tokens: the three ways to get one, and whose they are.

`client_credentials` and `jwt` ask the token endpoint; `token` was given one and cannot get another. Who waits for whom
is the kit's `TokenProvider`. The assertion is made with PyJWT and not by `simple_salesforce.SalesforceLogin`: that one
hard-wires `https://{domain}.salesforce.com` as endpoint and audience, sets no deadline, and quotes what came back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt

from crm_bridge.contract import InvalidConfig, OutboundError, Permanent, Reauthenticate, Services, Token
from crm_bridge.kit.http import Answer, Effect, HttpClient
from crm_bridge.kit.tokens import TokenProvider, bearer, refused_grant
from crm_bridge_salesforce import ids
from crm_bridge_salesforce.refusals import JUDGED, refusal
from crm_bridge_salesforce.schemas import SalesforceConfig

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
ASSERTION_LIVES = timedelta(minutes=3)
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_REFUSALS = frozenset(
    {
        "invalid_grant", "invalid_client", "invalid_client_id", "invalid_client_credentials", "unauthorized_client",
        "access_denied", "inactive_user", "inactive_org", "unsupported_grant_type", "invalid_app_access",
        "invalid_request", "org_locked",
    }
)  # fmt: skip
"""`error` of the token endpoint that an admin has to look into."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Whose token it is: org and user, both in the full spelling; empty where nobody said."""

    organization: str = ""
    user: str = ""


def identity_of(token: Token) -> Identity:
    """What was kept beside a token."""
    try:
        known = json.loads(token.extra or "{}")
        return Identity(organization=str(known.get("organization", "")), user=str(known.get("user", "")))
    except (ValueError, AttributeError):
        return Identity()


class Login:
    """Gets tokens for one connection."""

    def __init__(self, config: SalesforceConfig, services: Services) -> None:
        self._config = config
        self._services = services
        self._http = HttpClient(config.token_url, total_s=config.timeout_s, network=services.network)
        self._org = HttpClient(config.base_url, total_s=config.timeout_s, network=services.network)
        self.tokens = TokenProvider(services, self._fetch)

    def close(self) -> None:
        """Release connections."""
        self._http.close()
        self._org.close()

    def _fetch(self, stored: Token | None) -> Token:
        return _GRANTS[self._config.auth](self, stored)

    # --- the grants -----------------------------------------------------------------------------------------------

    def _client_credentials(self, _stored: Token | None) -> Token:
        config = self._config
        form = {"grant_type": "client_credentials", "client_id": config.client_id}
        return self._granted({**form, "client_secret": config.client_secret})

    def _jwt(self, _stored: Token | None) -> Token:
        config = self._config
        ends = self._services.clock.now() + ASSERTION_LIVES
        claims = {"iss": config.client_id, "sub": config.username, "aud": config.audience, "exp": int(ends.timestamp())}
        try:
            assertion = jwt.encode(claims, config.private_key, algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Reauthenticate("the private key cannot sign (RS256)", code="unusable_key") from None
        return self._granted({"grant_type": _JWT_GRANT, "assertion": assertion})

    def _given(self, stored: Token | None) -> Token:
        token = Token(value=self._config.access_token)
        if stored is not None and stored.value == token.value:
            raise Reauthenticate("the configured access_token is refused; there is no way to renew it", code="ended")
        return Token(value=token.value, extra=_kept(self._looked_up(token)))

    def _granted(self, form: Mapping[str, str]) -> Token:
        answer = self._http.call("token", "POST", TOKEN_PATH, form=form, effect=Effect.IDEMPOTENT, accept=JUDGED)
        if answer.status != 200:
            raise _refused(answer)
        document = _object(answer)
        value, instance = document.get("access_token"), document.get("instance_url")
        if not isinstance(value, str) or not value.isprintable() or not value:
            raise Permanent("token: no access_token in the answer", code="unexpected_answer")
        self._check_instance(instance)
        return Token(value=value, extra=_kept(self._checked(_identity(document.get("id")))))

    def _looked_up(self, token: Token) -> Identity:
        """Whose a given token is: the list of resources names the identity."""
        path = f"/services/data/v{self._config.api_version}/"
        headers = bearer(token)
        answer = self._org.call("identity", "GET", path, effect=Effect.READ, headers=headers, accept=JUDGED)
        if answer.status != 200:
            raise refusal("identity", answer.status, _lenient(answer)) or _refused(answer)
        return self._checked(_identity(_object(answer).get("identity")))

    # --- checks ---------------------------------------------------------------------------------------------------

    def _check_instance(self, instance: object) -> None:
        """The token is used at the configured address only; one for another org's is none of ours."""
        ours = urlsplit(self._config.base_url).hostname
        if instance is not None and urlsplit(str(instance)[:500]).hostname != ours:
            raise Reauthenticate(
                "the token is for another instance: set base_url to the My Domain address", code="other_instance"
            )

    def _checked(self, found: Identity) -> Identity:
        if found.organization and not ids.same(found.organization, self._config.organization_id):
            raise Reauthenticate("the credentials belong to another org than organization_id", code="other_org")
        return found


_GRANTS: Mapping[str, Callable[[Login, Token | None], Token]] = {
    "client_credentials": Login._client_credentials,
    "jwt": Login._jwt,
    "token": Login._given,
}


def _identity(url: object) -> Identity:
    """`https://login.salesforce.com/id/<organization>/<user>`"""
    parts = str(url or "").rstrip("/").split("/")[-2:]
    if len(parts) == 2 and ids.is_id(parts[0], ids.ORGANIZATION) and ids.is_id(parts[1]):
        return Identity(organization=ids.full(parts[0]), user=ids.full(parts[1]))
    return Identity()


def _kept(identity: Identity) -> str:
    return json.dumps(asdict(identity))


def _refused(answer: Answer) -> OutboundError:
    """`{error, error_description}` of OAuth, or the list of errors of the API."""
    body = _lenient(answer)
    error = body.get("error") if isinstance(body, dict) else None
    judged = refusal("token", answer.status, body) or Permanent("token: refused", code=f"http_{answer.status}")
    return refused_grant(Permanent("", code=str(error))) if error in _REFUSALS else judged


def _lenient(answer: Answer) -> Any:
    try:
        return answer.json()
    except OutboundError:
        return None


def _object(answer: Answer) -> dict[str, Any]:
    document = answer.json()
    if not isinstance(document, dict):
        raise Permanent(f"{answer.operation}: not an object", code="unexpected_answer")
    return dict(document)


def check_key(config: SalesforceConfig) -> None:
    """Raises `InvalidConfig` when the private key can sign nothing."""
    if config.auth != "jwt":
        return
    try:
        jwt.encode({}, config.private_key, algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError):
        raise InvalidConfig("private_key", "an RSA private key as PEM, without a passphrase") from None
