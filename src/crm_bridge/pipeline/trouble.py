"""Trouble of the assistant is not trouble of the CRM: it pauses no connection, the case waits."""

from __future__ import annotations

from datetime import timedelta

from crm_bridge.contract import OutboundError, Retry


class AssistantTrouble(Exception):
    """The assistant cannot answer now. `after`: how long the case waits at least."""

    def __init__(self, cause: OutboundError) -> None:
        super().__init__(cause.code)
        self.cause = cause
        self.after = cause.after if isinstance(cause, Retry) else timedelta(seconds=30)
