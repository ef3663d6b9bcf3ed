"""What an answer that arrived whole does not hold: turned into an error of the contract, quoting nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crm_bridge.contract import Ambiguous, Permanent


@contextmanager
def usable(operation: str, error_class: type[Permanent | Ambiguous] = Permanent) -> Iterator[None]:
    """Around the code that reads a document: what it lacks becomes `error_class` (`Ambiguous` after an effect)."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise error_class(f"{operation}: {type(error).__name__} in the document", code="unexpected_answer") from None
