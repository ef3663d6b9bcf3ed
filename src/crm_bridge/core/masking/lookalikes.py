"""Letters of other scripts that look like Latin ones: one length-keeping spelling, to find what they disguise.

Works on folded text, so only small letters count. Judges nothing: whether a mixture is suspicious is the guard's.
"""

from __future__ import annotations

_LATIN_BY_LOOK: dict[str, str] = {
    # Cyrillic; after the Unicode confusables (UTS 39), letters only, and only those a reader would miss
    "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "һ": "h", "і": "i", "ј": "j", "к": "k", "ӏ": "l", "м": "m",
    "н": "h", "о": "o", "р": "p", "ԛ": "q", "г": "r", "ѕ": "s", "т": "t", "у": "y", "ԝ": "w", "х": "x", "ѵ": "v",
    # Greek
    "α": "a", "β": "b", "ε": "e", "η": "n", "ι": "i", "κ": "k", "μ": "m", "ν": "v", "ο": "o", "ρ": "p", "τ": "t",
    "υ": "u", "χ": "x", "ϲ": "c", "ϳ": "j",
    # Armenian and others
    "օ": "o", "ս": "u", "ո": "n", "հ": "h", "ց": "g", "ɡ": "g", "ɑ": "a", "ᴏ": "o", "ꓲ": "l",
    # Latin letters that no decomposition takes apart
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t", "ɩ": "i",
}  # fmt: skip
_TABLE = str.maketrans(_LATIN_BY_LOOK)
LOOKALIKES = frozenset(_LATIN_BY_LOOK)


def skeleton(folded: str) -> str:
    """What a folded text looks like, character by character: places stay what they were."""
    return folded if folded.isascii() else folded.translate(_TABLE)
