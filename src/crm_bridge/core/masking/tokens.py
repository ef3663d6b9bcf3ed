"""Tokens such as `[EMAIL_1]`: issuing them, and the way back.

The same value gets the same number within a case. Another spelling of it gets a letter as well (`[EMAIL_1B]`), so
that every text comes back exactly as it was. What a person typed that looks like a token becomes a token itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from crm_bridge.core.masking.emails import plain_address
from crm_bridge.core.masking.lookalikes import skeleton
from crm_bridge.core.masking.spans import Kind, Span
from crm_bridge.core.textmatch import fold

_KINDS = "|".join(kind.value for kind in Kind)
_EXACT = re.compile(rf"\[(?:{_KINDS})_[0-9]{{1,7}}[A-Z]{{0,4}}\]")
_ANY = _KINDS.lower()
_NOISE = r"[ \\*`_]{0,3}"
_ALIKE = re.compile(
    rf"[\[(<{{]{{1,2}}{_NOISE}(?:{_ANY})[ \\_\-]{{0,3}}\d{{1,7}}[a-z]{{0,4}}{_NOISE}[\])>}}]{{1,2}}"
    rf"|(?<![^\W_])(?:{_ANY})\\?_\d{{1,7}}[a-z]{{0,4}}(?![^\W_])"
    rf"|\[(?:{_ANY})_\d{{0,7}}"
)


def find_lookalikes(text: str) -> list[Span]:
    """Places in folded text that could be taken for a token of ours, well-formed or mangled."""
    return [Span(Kind.TEXT, *match.span()) for match in _ALIKE.finditer(text)]


class Unmasking:
    """The way back from one masked context. It lives in memory only and its repr shows no value."""

    __slots__ = ("_surfaces",)

    def __init__(self, surfaces: Mapping[str, str]) -> None:
        self._surfaces = dict(surfaces)

    def __repr__(self) -> str:
        return f"Unmasking(tokens={len(self._surfaces)})"

    def __reduce__(self) -> str:
        raise TypeError("Unmasking stays in memory; mask the case again instead")

    def restore(self, text: str) -> str:
        """Every issued token back to what it stood for, in one pass: what was restored is not read again."""
        return _EXACT.sub(lambda match: self._surfaces.get(match.group(), match.group()), text)

    def unresolved(self, text: str) -> tuple[str, ...]:
        """Tokens in an assistant's text, before it is restored, that we never issued or that it mangled."""
        rest = _EXACT.sub(lambda match: "\0" if match.group() in self._surfaces else match.group(), text)
        folded = fold(rest)
        spans = [folded.span(*match.span()) for match in _ALIKE.finditer(skeleton(folded.text))]
        return tuple(dict.fromkeys(rest[start:end] for start, end in spans))


class TokenIssuer:
    """Hands out tokens for one case, in the order values are met."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Kind, str], int] = {}
        self._counts: dict[Kind, int] = {}
        self._variants: dict[tuple[Kind, int], int] = {}
        self._tokens: dict[tuple[Kind, str], str] = {}
        self._surfaces: dict[str, str] = {}

    def issue(self, kind: Kind, surface: str) -> str:
        """The token for exactly this text."""
        token = self._tokens.get((kind, surface))
        if token is None:
            number = self._number(kind, surface)
            variant = self._variants.get((kind, number), 0)
            self._variants[kind, number] = variant + 1
            token = f"[{kind.value}_{number}{_letters(variant)}]"
            self._tokens[kind, surface] = token
            self._surfaces[token] = surface
        return token

    def unmasking(self) -> Unmasking:
        """The way back for everything issued so far."""
        return Unmasking(self._surfaces)

    def _number(self, kind: Kind, surface: str) -> int:
        key = (kind, _canonical(kind, surface))
        if key not in self._numbers:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._numbers[key] = self._counts[kind]
        return self._numbers[key]


_WORD_KINDS = frozenset({Kind.NAME, Kind.ACCOUNT, Kind.ADDRESS})


def _canonical(kind: Kind, surface: str) -> str:
    """What makes two spellings the same value."""
    if kind is Kind.TEXT:
        return surface
    folded = skeleton(fold(surface).text)
    if kind in _WORD_KINDS:
        return " ".join(re.findall(r"[^\W_]+", folded)) or folded
    if kind is Kind.EMAIL:
        return plain_address(folded)
    return "".join(character for character in folded if character.isalnum() or character in ":.") or folded


def _letters(variant: int) -> str:
    """0 -> "", 1 -> "B", 2 -> "C", … 25 -> "Z", 26 -> "BA": the first spelling goes without."""
    letters = ""
    while variant:
        variant, rest = divmod(variant, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
