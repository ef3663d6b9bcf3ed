"""Who may call `/api`: signatures always, and access tokens that end in the profile that has them.

It owns tokens, not what an operation does. Tokens are records: they survive a restart like everything.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from crm_bridge.kit.emulation import EmulatorClock, RecordStore
from crm_bridge_mock.profiles import Profile

LIFETIME = timedelta(hours=1)
TOKEN_OPERATION = "token"  # noqa: S105 - the name of an operation


class Gate:
    """Tokens of one emulated CRM; usable from several threads."""

    def __init__(self, records: RecordStore, clock: EmulatorClock, profile: Profile) -> None:
        self._records = records
        self._clock = clock
        self._profile = profile

    def issue(self) -> dict[str, Any]:
        """A fresh token: {access_token, expires_in}."""
        value = secrets.token_urlsafe(24)
        ends = (self._clock.now() + LIFETIME).isoformat()
        with self._records.transaction():
            self._records.put("token", value, {"id": value, "ends": ends})
        return {"access_token": value, "expires_in": int(LIFETIME.total_seconds())}

    def admits(self, operation: str, authorization: str | None) -> bool:
        """Whether a call may pass with this header; where tokens are not asked for, every one."""
        if not self._profile.tokens or operation == TOKEN_OPERATION:
            return True
        kind, _, value = (authorization or "").partition(" ")
        token = self._records.get("token", value) if kind == "Bearer" and value else None
        return token is not None and self._clock.now().isoformat() < token["ends"]

    def expire(self) -> bool:
        """Refuse every token given out so far; False where there are none."""
        with self._records.transaction():
            for token in self._records.owned("token"):
                self._records.delete("token", token["id"])
        return self._profile.tokens
