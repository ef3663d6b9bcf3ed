"""Splits a message into what was newly written and the quoted history under it, for folding on the page only.

Nothing is decided by it: a wrong cut only folds a line too many, which one click unfolds.
"""

from __future__ import annotations

import re

_HEADERS = re.compile(
    r"""^(?:
        >\s?
      | -{2,}\s*(?:Original\ Message|Ursprüngliche\ Nachricht|Mensaje\ original|Message\ d'origine|Forwarded\ message)
      | On\ .{4,120}\ wrote:\s*$
      | Am\ .{4,120}\ schrieb\b.{0,80}:\s*$
      | El\ .{4,120}\ escribió:\s*$
      | Le\ .{4,120}\ a\ écrit\s?:\s*$
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_MAX_LINES = 4000


def split_quoted(text: str) -> tuple[str, str]:
    """`(new, quoted)`; when nothing is left above the quote, the whole text counts as new."""
    lines = text.split("\n", _MAX_LINES)
    for index, line in enumerate(lines):
        if _HEADERS.match(line[:300]):
            new = "\n".join(lines[:index]).rstrip()
            return (new, "\n".join(lines[index:]).strip("\n")) if new else (text, "")
    return text, ""
