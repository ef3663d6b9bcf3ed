"""The one way out: bounded HTTP calls whose failures name what the caller must do.

Split by reason to change: `target` (what may be called), `connection` (deadlines down to the socket), `session` (what a
session may not do), `judge` (what a failure means), `repeat` (what is tried again at once), `request` (what goes out),
`answer` (what came back), `meaning` (what it lacks), `client` (the call itself).
"""

from crm_bridge.kit.http.answer import Answer
from crm_bridge.kit.http.client import HttpClient
from crm_bridge.kit.http.judge import Effect
from crm_bridge.kit.http.meaning import usable
from crm_bridge.kit.http.repeat import repeated
from crm_bridge.kit.http.request import Sign
from crm_bridge.kit.http.session import BoundedSession
from crm_bridge.kit.http.target import join_path

__all__ = ["Answer", "BoundedSession", "Effect", "HttpClient", "Sign", "join_path", "repeated", "usable"]
