"""Card numbers (13 to 19 digits, Luhn) however they are spaced, and the security codes near them.

Works on folded text: digits of any script are ASCII there and invisible characters are gone. Recall comes first
(PCI DSS 3.4); what keeps order numbers out is length, grouping, and the ranges the card brands use.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

from crm_bridge.core.masking.spans import Kind, Span, merged

_SEPARATORS = r"(?:[\s\-./_|,:;*>~+\u2022\u00b7\u2219'\"=\[\](){}\\#]{0,4}|&nbsp;|&#160;)"
_COMMON = re.compile(r"[\s\-./_|,:;*>~+]*\Z")
"""Between these, digits are one number however they are grouped; between others only where the groups are a card's."""

_RUN = re.compile(rf"\d(?:{_SEPARATORS}\d){{12,}}")
_GROUP = re.compile(r"\d+")
_ORDER_BEFORE = re.compile(
    r"(?:order|bestell|auftrag|pedido|commande|tracking|sendung|env[ií]o|colis|imei|\bean\b|gtin|isbn|invoice"
    r"|rechnung|factura|facture|ticket|\bcase\b|serial|serien|article|artikel|sku)[^\d\n]{0,20}\Z"
)

# Prefix range -> lengths, from the brands' published ranges (ISO/IEC 7812 lists as of 2026).
_BRANDS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (4, 4, frozenset({13, 16, 18, 19})),
    (51, 55, frozenset({16})),
    (2221, 2720, frozenset({16})),
    (34, 34, frozenset({15})),
    (37, 37, frozenset({15})),
    (300, 305, frozenset({14, 16})),
    (36, 36, frozenset({14, 16})),
    (38, 39, frozenset({14, 16})),
    (3528, 3589, frozenset({16, 17, 18, 19})),
    (6011, 6011, frozenset({16, 17, 18, 19})),
    (644, 659, frozenset({16, 17, 18, 19})),
    (62, 62, frozenset({14, 15, 16, 17, 18, 19})),
    (81, 82, frozenset({16, 17, 18, 19})),
    (50, 50, frozenset(range(13, 20))),
    (56, 69, frozenset(range(13, 20))),
    (2200, 2204, frozenset({16, 17, 18, 19})),
    (9792, 9792, frozenset({16})),
    (1, 1, frozenset({15})),
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def find_cards(text: str) -> list[Span]:
    """Card numbers in folded text."""
    found: list[Span] = []
    for run in _RUN.finditer(text):
        found.extend(_cards_in_run(text, run.start(), run.end()))
    return found


def _cards_in_run(text: str, start: int, end: int) -> Iterator[Span]:
    groups = [match.span() for match in _GROUP.finditer(text, start, end)]
    labelled_as_order = bool(_ORDER_BEFORE.search(text, max(0, start - 40), start))
    # From every group on, also inside a card already found: a year before a card may look like its beginning.
    for index in range(len(groups)):
        last = _longest_card(text, groups, index, labelled_as_order)
        if last is not None:
            yield Span(Kind.CARD, groups[index][0], groups[last][1])


def _longest_card(text: str, groups: list[tuple[int, int]], first: int, labelled_as_order: bool) -> int | None:
    """The last group of the longest card that begins with group `first`, or None."""
    digits, best = "", None
    # The two sums of ISO/IEC 7812-1: with the last digit as it is, and with it doubled. A further digit swaps them.
    straight = doubled = 0
    for index in range(first, len(groups)):
        group = text[slice(*groups[index])]
        if len(digits) + len(group) > 19:
            break
        for digit in map(int, group):
            straight, doubled = doubled + digit, straight + _DOUBLED[digit]
        digits += group
        if len(digits) >= 13 and straight % 10 == 0:
            shape = _shape(text, groups[first : index + 1])
            shaped = len(shape) == 1 or _card_shaped(shape)
            known = _branded(digits) and (shaped or _commonly_written(text, groups[first : index + 1]))
            if known or (shaped and not labelled_as_order):
                best = index
    return best


def _commonly_written(text: str, groups: list[tuple[int, int]]) -> bool:
    return all(_COMMON.match(text, before, start) for (_, before), (start, _) in pairwise(groups))


def _shape(text: str, groups: list[tuple[int, int]]) -> list[int]:
    """Lengths of the groups; a line break inside a number is wrapping, not grouping."""
    lengths = [groups[0][1] - groups[0][0]]
    for (_, before), (start, end) in pairwise(groups):
        if "\n" in text[before:start]:
            lengths[-1] += end - start
        else:
            lengths.append(end - start)
    return lengths


def _card_shaped(shape: list[int]) -> bool:
    fours = all(length == 4 for length in shape[:-1]) and 1 <= shape[-1] <= 4
    return fours or shape in ([4, 6, 5], [4, 6, 4]) or all(length == 1 for length in shape)


def _lengths_by_prefix() -> list[frozenset[int]]:
    """Lengths of card numbers for each of their first four digits."""
    lengths: list[frozenset[int]] = [frozenset()] * 10_000
    for low, high, of_brand in _BRANDS:
        scale = 10 ** (4 - len(str(low)))
        for prefix in range(low * scale, (high + 1) * scale):
            lengths[prefix] |= of_brand
    return lengths


_LENGTHS = _lengths_by_prefix()


def _branded(digits: str) -> bool:
    return len(digits) in _LENGTHS[int(digits[:4])]


_CODE_WORDS = (
    r"(?:cvv2?|cvc2?|cv2|csc|cid|security\s+(?:code|number)|card\s+code|verification\s+(?:code|value)"
    r"|kartenpr(?:u|ue)f(?:nummer|ziffer|code)|pr(?:u|ue)f(?:nummer|ziffer)|sicherheits(?:code|nummer)"
    r"|codigo\s+(?:de\s+)?(?:seguridad|verificacion)|cryptogramme|code\s+(?:de\s+)?(?:securite|verification))"
)
_DIGITS = r"(?<!\d)\d(?:[ .\-]?\d){2,3}(?!\d)"
_CODE_AFTER_WORD = re.compile(rf"(?<![a-z]){_CODE_WORDS}(?![a-z])[^\d]{{0,25}}?({_DIGITS})")
_CODE_BEFORE_WORD = re.compile(rf"({_DIGITS})[^\d]{{0,20}}?(?<![a-z]){_CODE_WORDS}(?![a-z])")
_EXPIRY = re.compile(r"(?<!\d)(?:0?[1-9]|1[0-2])\s?[/\-.]\s?(?:20)?\d{2}(?!\d)")
_BARE_CODE = re.compile(r"(?<![\d.,/\-])\d{3,4}(?![\d/\-]|[.,]\d|\s?(?:%|eur|usd|gbp|chf|\$|€|£))")
_NEAR = 48
"""Characters before and after a card in which a lone group of 3 or 4 digits is taken for its security code."""


def find_codes(text: str, cards: list[Span]) -> list[Span]:
    """Security codes: named ones anywhere, lone ones right after a card."""
    found = [match.span(1) for match in _CODE_AFTER_WORD.finditer(text)]
    taken = merged(cards)
    for index, card in enumerate(taken):
        found += _codes_beside(text, card, taken[index + 1].start if index + 1 < len(taken) else len(text))
    starts = [card.start for card in taken]
    return [Span(Kind.CVV, *place) for place in found if not _overlaps(place, taken, starts)]


def _codes_beside(text: str, card: Span, next_card: int) -> Iterator[tuple[int, int]]:
    yield from (match.span(1) for match in _CODE_BEFORE_WORD.finditer(text, max(0, card.start - _NEAR), card.start))
    after = min(len(text), card.end + _NEAR, next_card)
    yield from (match.span(1) for match in _CODE_BEFORE_WORD.finditer(text, card.end, after))
    expiries = [match.span() for match in _EXPIRY.finditer(text, card.end, after)]
    for match in _BARE_CODE.finditer(text, card.end, after):
        if not any(start <= match.start() < end for start, end in expiries):
            yield match.span()


def _overlaps(place: tuple[int, int], taken: list[Span], starts: list[int]) -> bool:
    """Whether a place lies in one of the spans, which are in order and apart."""
    before = bisect_left(starts, place[1])
    return before > 0 and taken[before - 1].end > place[0]
