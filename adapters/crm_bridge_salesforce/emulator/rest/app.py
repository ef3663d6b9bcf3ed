"""The web application of the emulated org: routes, who calls, and errors that are always documents."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator

from flask import Flask, Response, g, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge.kit.emulation.answers import Environ
from crm_bridge_salesforce.emulator.errors import Refused, method_not_allowed, not_found, session_ended
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest.actions import Actions
from crm_bridge_salesforce.emulator.rest.appearance import Appearance
from crm_bridge_salesforce.emulator.rest.auth import Auth
from crm_bridge_salesforce.emulator.rest.collections import Collections
from crm_bridge_salesforce.emulator.rest.composite import Composite
from crm_bridge_salesforce.emulator.rest.keys import Keys, SeveralFound
from crm_bridge_salesforce.emulator.rest.queries import Queries
from crm_bridge_salesforce.emulator.rest.resources import NEWEST, OLDEST, Resources
from crm_bridge_salesforce.emulator.rest.sobjects import SObjects
from crm_bridge_salesforce.emulator.rest.tree import Trees
from crm_bridge_salesforce.emulator.rest.wire import Route, answer, refusal

FREE = frozenset({"token", "introspect", "revoke", "versions"})
"""Operations that need no access token and count against no limit."""
IDENTITY = "identity"
_VERSION = re.compile(r"v(\d{1,3})\.0")
_log = logging.getLogger(__name__)


class ApiResponse(Response):
    """Keeps the time of the last change in a 304, as the product does."""

    def get_wsgi_headers(self, environ: Environ) -> Headers:
        headers = super().get_wsgi_headers(environ)
        if self.status_code == 304 and "Last-Modified" in self.headers:
            headers["Last-Modified"] = self.headers["Last-Modified"]
        return headers


def create_app(org: Org, base_url: Callable[[], str]) -> Flask:
    """The app; `base_url` is where it is reached once it is served."""
    app = Flask(__name__, static_folder=None)
    app.response_class = ApiResponse
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    sobjects = SObjects(org)
    resources = Resources(org, sobjects)
    auth = Auth(org, base_url)
    for route in _routes(org, app, sobjects, resources):
        rule = f"/services/data/<version>{route.rule}"
        app.add_url_rule(rule, route.name, _versioned(route.view), methods=[route.method])
    app.add_url_rule("/services/data", "versions", resources.versions)
    app.add_url_rule("/id/<organization>/<user>", IDENTITY, resources.identity)
    for name, view in (("token", auth.token), ("introspect", auth.introspect), ("revoke", auth.revoke)):
        app.add_url_rule(f"/services/oauth2/{name}", name, view, methods=["POST"])
    app.before_request(lambda: _admit(org))
    app.register_error_handler(Refused, refusal)
    app.register_error_handler(SeveralFound, lambda several: answer(300, several.urls))
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _broken)
    return app


def _routes(org: Org, app: Flask, sobjects: SObjects, resources: Resources) -> Iterator[Route]:
    keys = Keys(org, sobjects)
    yield from sobjects.routes
    yield from Appearance(org, sobjects).routes
    yield from keys.routes
    yield from Queries(org).routes
    yield from Collections(org, sobjects, keys).routes
    yield from Composite(org, app).routes
    yield from Trees(org, sobjects).routes
    yield from Actions(org).routes
    yield from resources.routes


def _versioned(view: Callable[..., HttpAnswer]) -> Callable[..., HttpAnswer]:
    def called(version: str, **arguments: str) -> HttpAnswer:
        found = _VERSION.fullmatch(version)
        if found is None or int(found[1]) > NEWEST:
            raise not_found()
        if int(found[1]) < OLDEST:
            raise Refused(410, "UNSUPPORTED_API_VERSION", f"API version {found[1]}.0 is not supported")
        g.version = version
        return view(**arguments)

    return called


def _admit(org: Org) -> None:
    """Who calls. Raises `Refused` where nobody may."""
    if request.endpoint is None or request.endpoint in FREE or request.blueprint is not None:
        return  # blueprints are pages for people, with a door of their own
    given = request.headers.get("Authorization", "")
    kind, _, token = given.partition(" ")
    if not given and request.endpoint == IDENTITY:
        kind, token = "bearer", request.args.get("oauth_token", "")
    if given and kind.lower() not in ("bearer", "oauth"):
        raise Refused(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
    user = org.sessions.user_of(token.strip())
    if user is None:
        raise session_ended()
    g.caller = user


def _refused(error: HTTPException) -> HttpAnswer:
    if isinstance(error, MethodNotAllowed):
        return refusal(method_not_allowed(request.method, list(error.valid_methods or ())))
    if error.code == 404 or error.code is None or error.code < 400:
        return refusal(not_found())
    return refusal(Refused(error.code, "UNKNOWN_EXCEPTION", error.name))


def _broken(error: Exception) -> HttpAnswer:
    """The edge of the process: a mistake of ours, named in the log without what was sent."""
    _log.error("emulator_request_failed", extra={"error": type(error).__name__, "endpoint": request.endpoint})
    return refusal(Refused(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."))
