"""Puts the web application together: routes, problems, headers, the OpenAPI document. Holds no logic of a route."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from typing import Any

from flask import Flask, Response, current_app
from flask_smorest import Api, Blueprint

from crm_bridge.pipeline.runtime import Runtime
from crm_bridge.settings import load_settings
from crm_bridge.telemetry import configure_logging
from crm_bridge.web import headers, health, panel, problems, runtimes, webhooks
from crm_bridge.web.deliveries import MAX_BODY_BYTES
from crm_bridge.web.documented import answers, route

description = Blueprint("description", __name__, url_prefix="/api/v1", description="This document")


class _Api(Api):  # type: ignore[misc]  # flask-smorest is untyped
    """flask-smorest without its own error format: `problems` is the only one."""

    ERROR_SCHEMA = problems.ProblemSchema

    def _register_error_handlers(self) -> None:
        """Nothing: `problems.register` does it."""


@route(
    description,
    "GET",
    "/openapi.json",
    summary="OpenAPI 3.1",
    responses=answers({200: {"type": "object"}}, ()),
)
def openapi() -> Response:
    return Response(current_app.extensions["crm_bridge_openapi"], content_type="application/json")


def create_app(runtime: Runtime | None = None) -> Flask:
    """The WSGI application. Without `runtime` one is built from the configuration (`InvalidConfig` stops the start)."""
    if runtime is None:
        # Imported here: who brings a runtime needs no configuration, no database and no adapter.
        from crm_bridge.bootstrap import bootstrap

        settings = load_settings(None, os.environ)
        configure_logging(settings.log_format)
        runtime = bootstrap(settings)
    app = Flask("crm_bridge.web", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES + 1,
        PROVIDE_AUTOMATIC_OPTIONS=False,
        API_TITLE="crm_bridge",
        API_VERSION=version("crm-bridge"),
        OPENAPI_VERSION="3.1.0",
    )
    # A redirect would make a sender repeat a signed request at an address it did not sign.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    runtimes.attach(app, runtime)
    health.attach(app)
    headers.register(app)
    api = _Api(app)
    for blueprint in (webhooks.blueprint, panel.blueprint, health.blueprint, description):
        api.register_blueprint(blueprint)
    problems.register(app)
    app.extensions["crm_bridge_openapi"] = json.dumps(_documented(api))
    return app


def _documented(api: _Api) -> dict[str, Any]:
    """The document without flask-smorest's stock answers, none of which this app gives."""
    document: dict[str, Any] = api.spec.to_dict()
    for unused in ("responses", "parameters", "headers"):
        document.get("components", {}).pop(unused, None)
    for path in document["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                operation["responses"].pop("default", None)
    return document
