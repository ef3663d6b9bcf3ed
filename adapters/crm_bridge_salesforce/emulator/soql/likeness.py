"""LIKE, in time that grows with the text and not with the wildcards. It knows nothing of rows."""

from __future__ import annotations

import re
from collections.abc import Callable

_PART = re.compile(r"\\[\\_%]|[_%]|[^\\_%]+")


def like(pattern: str) -> Callable[[str], bool]:
    """Whether a text fits a pattern: `%` is anything, `_` one letter, escaped they are themselves. Any case fits."""
    pieces = [[]]  # type: list[list[str]]
    for part in _PART.findall(pattern):
        if part == "%":
            pieces.append([])
        else:
            plain = part[1:] if len(part) == 2 and part[0] == "\\" else part
            pieces[-1].append("." if part == "_" else re.escape(plain))
    found = [re.compile("".join(one), re.IGNORECASE | re.DOTALL) for one in pieces]
    if len(found) == 1:
        return lambda text: found[0].fullmatch(text) is not None
    first, *middle, last = found
    ends = re.compile(f"(?:{last.pattern})\\Z", re.IGNORECASE | re.DOTALL)

    def fits(text: str) -> bool:
        at = first.match(text)
        for piece in middle:
            # The leftmost place leaves most room for the rest.
            at = piece.search(text, at.end()) if at is not None else None
        return at is not None and ends.search(text, at.end()) is not None

    return fits
