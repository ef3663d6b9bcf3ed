"""The one tree of errors of the contract.

An error names what the caller must do, never where it came from::

    BridgeError
    ├── VerificationFailed      a delivery is not what it claims: answer 401, store nothing
    ├── InvalidDelivery         verified, but its bytes are no payload of this CRM: answer 400
    ├── InvalidConfig           the configuration is wrong: stop the start, say where
    └── OutboundError           a call to a CRM or an assistant did not do what was asked
        ├── Retry(after)        the connection is in trouble (429, 5xx, network): pause *it*
        ├── Reauthenticate      credentials are refused: pause the connection, tell an admin
        ├── Permanent(code)     this case cannot succeed as asked; trying again is no help
        ├── Conflict            something newer or human stands there: read again, write nothing
        ├── Unsupported         the CRM or its edition cannot do this at all
        └── Ambiguous           it may or may not have happened: read back before anything else

`Retry` and `Reauthenticate` are facts about the connection and pause it; only the others count against the case.
`Retry` is only ever raised when it is certain that the call had no effect, or the call is idempotent.
"""

from __future__ import annotations

from datetime import timedelta


class BridgeError(Exception):
    """Root of every error the bridge raises on purpose."""


class VerificationFailed(BridgeError):
    """The only thing `Adapter.verify` and `Adapter.identify` raise, whatever the bytes.

    `reason` is a short snake_case name for logs and counters; it never holds anything of the delivery.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InvalidDelivery(BridgeError):
    """A verified delivery whose body cannot be parsed. The text says what to do and quotes nothing of it."""


class InvalidConfig(BridgeError):
    """A setting is wrong. `path` is its full dotted path, `expected` what should stand there."""

    def __init__(self, path: str, expected: str, origin: str = "") -> None:
        where = f" (from {origin})" if origin else ""
        super().__init__(f"{path}{where}: {expected}")
        self.path = path
        self.expected = expected
        self.origin = origin


class OutboundError(BridgeError):
    """A call that left the bridge failed. `code` is a short stable name, safe for logs."""

    def __init__(self, detail: str, *, code: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Retry(OutboundError):
    """The connection is in trouble; pause it for `after`. Certain to have had no effect, or idempotent."""

    def __init__(self, detail: str, *, code: str, after: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(detail, code=code)
        self.after = after


class Reauthenticate(OutboundError):
    """The credentials are refused. Pauses the connection until they work again."""


class Permanent(OutboundError):
    """This case cannot succeed as asked (gone, forbidden, refused by a rule of the CRM)."""


class Conflict(OutboundError):
    """What stands in the CRM is not what we believed. Nothing was written; read again."""


class Unsupported(OutboundError):
    """The CRM, its edition or the adapter cannot do this at all."""


class Ambiguous(OutboundError):
    """The call may have had its effect. Never repeated before it was read back."""
