"""The one error of the embedded server."""

from __future__ import annotations


class EmbeddedDatabaseError(RuntimeError):
    """The embedded server cannot be used. The text says what is wrong and what to do; it is meant for people."""
