"""Comparing texts: what makes two texts the same, how far apart they are, and folding that keeps positions.

Pure and bounded: every function is linear in its input except `similarity`, whose input is capped.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

EDITED_FROM = 0.70
"""From this similarity on a text counts as our text, edited; below it is another one."""

MAX_COMPARED_CHARS = 20_000
"""Longer texts are compared up to here; what follows counts as equal or as wholly different."""


class Likeness(StrEnum):
    """How a text relates to the one we wrote."""

    SAME = "same"
    EDITED = "edited"
    OTHER = "other"


_QUOTES = {ord(mark): "'" for mark in "\u2018\u2019\u201a\u201b\u02bc\u00b4"} | {
    ord(mark): '"' for mark in "\u201c\u201d\u201e\u201f\u00ab\u00bb"
}
_DASHES = {ord(mark): "-" for mark in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"}
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<=[\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\x7f])"
)
_SIGNATURE = re.compile(r"^(?:--|__+)[ \t]*$", re.MULTILINE)


def hidden_characters(text: str) -> tuple[str, ...]:
    """Characters a reader cannot see: controls, direction overrides, zero-width, tags. Joiners of scripts stay."""
    return tuple(_HIDDEN.findall(text))


def visible(text: str) -> str:
    """The text without what a reader cannot see."""
    return _HIDDEN.sub("", text)


def normalise(text: str) -> str:
    """The text as CRMs may hand it back: one form of quotes, dashes, spaces and line ends. Case is kept."""
    shown = visible(text.replace("\r\n", "\n").replace("\r", "\n"))
    folded = unicodedata.normalize("NFKC", shown.translate(_QUOTES).translate(_DASHES))
    return " ".join(folded.split())


def similarity(a: str, b: str) -> float:
    """1 - normalised Levenshtein distance of the normalised texts, 0.0 to 1.0. Two empty texts are equal."""
    left, right = normalise(a), normalise(b)
    longest = max(len(left), len(right))
    if left == right:
        return 1.0
    head = _distance(left[:MAX_COMPARED_CHARS], right[:MAX_COMPARED_CHARS])
    left_tail, right_tail = left[MAX_COMPARED_CHARS:], right[MAX_COMPARED_CHARS:]
    tail = 0 if left_tail == right_tail else max(len(left_tail), len(right_tail))
    return max(0.0, 1.0 - (head + tail) / longest)


def likeness(ours: str, theirs: str) -> Likeness:
    """What became of our text. A signature or a quoted history a mail client put under it is not an edit."""
    said = normalise(ours)
    if not said:
        return Likeness.OTHER if normalise(theirs) else Likeness.SAME
    candidates = {theirs, _without_quoted_tail(theirs), _SIGNATURE.split(theirs, maxsplit=1)[0]}
    if any(normalise(candidate) == said for candidate in candidates):
        return Likeness.SAME
    best = max(similarity(ours, candidate) for candidate in candidates)
    return Likeness.EDITED if best >= EDITED_FROM else Likeness.OTHER


def _without_quoted_tail(text: str) -> str:
    lines = text.splitlines()
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith(">")):
        lines.pop()
    return "\n".join(lines)


def _distance(a: str, b: str) -> int:
    """Levenshtein distance, bit-parallel (Myers 1999, Hyyrö 2003): one step per character of `b`."""
    if not a or not b:
        return len(a) + len(b)
    places: dict[str, int] = {}
    for index, character in enumerate(a):
        places[character] = places.get(character, 0) | (1 << index)
    all_ones, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    up, down, score = all_ones, 0, len(a)
    for character in b:
        equal = places.get(character, 0)
        vertical = equal | down
        horizontal = (((equal & up) + up) ^ up) | equal
        plus = down | (~(horizontal | up) & all_ones)
        minus = up & horizontal
        score += bool(plus & last) - bool(minus & last)
        plus, minus = ((plus << 1) | 1) & all_ones, (minus << 1) & all_ones
        up = minus | (~(vertical | plus) & all_ones)
        down = plus & vertical
    return score


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in one spelling (case, accents, width, digits, invisible characters), with the way back.

    `origin[i]` is the place in the original that `text[i]` came from; `length` is the original's.
    """

    text: str
    origin: tuple[int, ...] | range
    length: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The part of the original behind `text[start:end]`, with the invisible characters that follow it."""
        first, last = self.origin[start], self.origin[end - 1]
        following = self.origin[end] if end < len(self.origin) else self.length
        return first, max(following, last + 1)


def fold(text: str) -> Folded:
    """One spelling of a text: `Müller`, `MULLER` and fullwidth or Arabic digits become comparable."""
    if text.isascii():
        return Folded(text.lower(), range(len(text)), len(text))
    pieces: list[str] = []
    origin: list[int] = []
    for index, character in enumerate(text):
        folded = _fold_character(character)
        pieces.append(folded)
        origin.extend([index] * len(folded))
    return Folded("".join(pieces), tuple(origin), len(text))


@lru_cache(maxsize=8192)
def _fold_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cf", "Mn", "Me"}:
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Zs":
        return " "
    if category in {"Zl", "Zp"}:
        return "\n"
    plain = character.translate(_QUOTES).translate(_DASHES)
    spread = unicodedata.normalize("NFKD", plain).casefold()
    return "".join(part for part in spread if unicodedata.category(part) not in {"Mn", "Me", "Cf"})
