"""HTTP in front of the pipeline: webhooks, the panel, probes, problem+json. `create_app` makes the WSGI application."""

from crm_bridge.web.app import create_app

__all__ = ["create_app"]
