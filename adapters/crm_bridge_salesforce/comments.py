"""A draft as an internal case comment: its header, its parts, and the mark by which we know it again. Pure.

A comment takes 4,000 bytes and has no field for a key, so a long draft stands in several, and each ends in a mark made
of the key. 128 bits are not found by accident; one that a customer copies is in no comment of ours.
"""

from __future__ import annotations

import hashlib
import re

from crm_bridge.contract import Draft, Permanent

MAX_BYTES = 3_800
"""Of one part, header and mark included: some room is left below what the API takes."""
MAX_PARTS = 10

_OURS = re.compile(r"\[draft ([0-9a-f]{32})(?: [0-9]{1,2}/[0-9]{1,2})?\]\s*\Z")


def mark(key: str) -> str:
    """What the key looks like in a comment."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def is_ours(text: str) -> bool:
    """Whether a comment is (part of) a draft of ours."""
    return _OURS.search(text) is not None


def has_mark(text: str, key: str) -> bool:
    """Whether this key wrote it."""
    found = _OURS.search(text)
    return found is not None and found[1] == mark(key)


def parts(draft: Draft, key: str) -> list[str]:
    """The comments a draft becomes. Raises `Permanent` for one that would be more than `MAX_PARTS`."""
    header = f"Suggested reply to {draft.answers}, written by a program. Read it before you use it."
    room = MAX_BYTES - len(header.encode()) - 80
    pieces = list(_pieces(draft.text.strip(), room))
    if len(pieces) > MAX_PARTS:
        raise Permanent("a draft too long for case comments", code="too_long")
    count = len(pieces)
    numbers = [f" {number}/{count}" if count > 1 else "" for number in range(1, count + 1)]
    return [
        f"{header}\n\n{piece}\n\n[draft {mark(key)}{number}]" for piece, number in zip(pieces, numbers, strict=True)
    ]


def text_of(comment: str) -> str:
    """The draft's text in one comment, without header and mark."""
    body = _OURS.sub("", comment).strip()
    return body.partition("\n\n")[2] if body.startswith("Suggested reply to ") else body


def _pieces(text: str, room: int) -> list[str]:
    """Cut at the end of a line where there is one, else anywhere between characters."""
    found, rest = [], text
    while len(rest.encode()) > room:
        head = rest.encode()[:room].decode("utf-8", "ignore")
        at = head.rfind("\n")
        cut = at if at > len(head) // 2 else len(head)
        found.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip("\n")
    return [*found, rest]
