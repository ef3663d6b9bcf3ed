"""Where a request finds what the app was made with. One app has one runtime."""

from __future__ import annotations

from flask import Flask, current_app

from crm_bridge.contract import CaseRef
from crm_bridge.pipeline.runtime import ConnectionRuntime, Runtime, UnknownConnection
from crm_bridge.web.problems import Problem

_KEY = "crm_bridge"


def attach(app: Flask, runtime: Runtime) -> None:
    app.extensions[_KEY] = runtime


def current_runtime() -> Runtime:
    runtime: Runtime = current_app.extensions[_KEY]
    return runtime


def panel_connection(name: str) -> ConnectionRuntime:
    """The connection whose panel is asked. Raises `UnknownConnection` also where the CRM has no panel."""
    known = current_runtime().connection(name)
    if not known.adapter.capabilities.panel:
        raise UnknownConnection("this CRM has no panel")
    return known


def usable_id(identity: str, code: str) -> str:
    """An id out of a path as the contract allows it; anything else cannot exist."""
    try:
        return CaseRef(id=identity).id
    except ValueError:
        raise Problem(404, code, "There is nothing of this id.") from None
