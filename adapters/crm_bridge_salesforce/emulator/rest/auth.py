"""`/services/oauth2`: tokens over HTTP. Which are granted is `sessions.py`'s."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from urllib.parse import unquote

from flask import request

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest.wire import answer, empty
from crm_bridge_salesforce.emulator.sessions import NotGranted

MAX_FORM = 20


class Auth:
    """The operations, on one org."""

    def __init__(self, org: Org, base_url: Callable[[], str]) -> None:
        self._org = org
        self._base_url = base_url

    def token(self) -> HttpAnswer:
        """An access token, without a word of how long it is good."""
        form = self._form()
        try:
            token, user = self._org.sessions.grant(form, self._base_url())
        except NotGranted as refused:
            return answer(400, {"error": refused.code, "error_description": refused.sentence})
        issued = str(int(time.time() * 1000))
        document = {"access_token": token, "signature": base64.b64encode(token[-32:].encode()).decode()}
        document |= {"scope": "api id", "instance_url": self._base_url(), "token_type": "Bearer", "issued_at": issued}
        document["id"] = f"{self._base_url()}/id/{self._org.people.organization_id}/{user}"
        return answer(200, document)

    def introspect(self) -> HttpAnswer:
        """Whether a token is good, and whose it is."""
        user = self._org.sessions.user_of(self._form().get("token", ""))
        if user is None:
            return answer(200, {"active": False})
        name = (self._org.store.live(user) or {}).get("Username")
        return answer(200, {"active": True, "token_type": "access_token", "scope": "api id", "sub": name})

    def revoke(self) -> HttpAnswer:
        """The end of a token."""
        if self._org.sessions.end(self._form().get("token", "")):
            return empty(200)
        return answer(400, {"error": "unsupported_token_type", "error_description": "this token type is not supported"})

    def _form(self) -> dict[str, str]:
        given = {**request.args.to_dict(), **request.form.to_dict()}
        form = dict(list(given.items())[:MAX_FORM])
        return form | _basic(request.headers.get("Authorization", ""))


def _basic(authorization: str) -> dict[str, str]:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return {}
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return {}
    return {"client_id": unquote(name), "client_secret": unquote(secret)}
