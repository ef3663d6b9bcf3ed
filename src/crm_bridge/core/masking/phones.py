"""Phone numbers in running text, without calling every number one.

A number is a phone number when it is written internationally, written the way one of the served countries writes
them and valid there, or introduced as one. Order numbers such as 2026-004512, dates and versions are none of those.
Works on folded text; `phonenumbers` judges candidates only, it never searches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers

from crm_bridge.core.masking.spans import Kind, Span

MAX_JUDGED = 300
"""Candidates of one text that are judged; in a text with more of them, the rest are believed."""

_SEP = r"[ \t.\-/()\[\]_|\u00b7\u2022]{0,3}"
_INTERNATIONAL = re.compile(rf"(?<![\w+])[(\[]?\+[(\[ ]?\d(?:{_SEP}\d){{6,14}}(?!\d)")
_DOUBLE_ZERO = re.compile(rf"(?<![\w\-./#])00[1-9](?:{_SEP}\d){{7,13}}(?![\d\w])")
_TRUNK_ZERO = re.compile(rf"(?<![\w\-./#])[(\[]?0[1-9](?:{_SEP}\d){{7,10}}(?![\d\w])")
_NORTH_AMERICAN = re.compile(
    r"(?<![\w\-./#])(?:1[ .\-])?(?:[(\[][2-9]\d{2}[)\]][ .\-/]?|[2-9]\d{2}[ .\-/])\d{3}[ .\-]\d{4}(?![\d\w]|[\-/]\d)"
)
_NINE_DIGITS = re.compile(
    r"(?<![\w\-./#])[5-9]\d{2}(?:[ .\-]\d{3}[ .\-]\d{3}|[ .\-]\d{2}[ .\-]\d{2}[ .\-]\d{2})(?![\d\w]|[\-/]\d)"
)
_LABELLED = re.compile(
    r"(?<![a-z])(?:tel(?:efon(?:o|nummer)?|ephone)?|phone|mobile?|cell(?:phone)?|fax|whatsapp|handy(?:nummer)?"
    r"|movil|portable|call|ring|anruf(?:en)?|ruf(?:nummer|en)?|llam\w{1,6}|appel\w{1,4}|sms|durchwahl)"
    r"(?:[ ]?(?:number|nummer|no|nr|num|numero|is|ist|es|est|me|us|mich|uns|unter|back|on|at|al|el|le|au|my|our"
    r"|mein|meine|mi|mon|lautet)(?![a-z]))*[\s.:#=\-]{0,4}"
    rf"(\+?\(?\d(?:{_SEP}\d){{4,14}})(?!\d)"
)
_DATE = re.compile(
    r"\(?(?:(?:19|20)\d{2}[\-./ ]\d{1,2}[\-./ ]\d{1,2}|\d{1,2}[\-./ ]\d{1,2}[\-./ ](?:19|20)\d{2})(?!\d)"
)
_NO_PHONE = re.compile(rf"{_DATE.pattern}|(?:19|20)\d{{2}}[\-/]\d{{4,8}}\Z")
_ORDER_BEFORE = re.compile(
    r"(?:order|bestell\w*|auftrag\w*|pedido|commande|tracking|sendung\w*|invoice|rechnung\w*|factura|facture|ticket"
    r"|case|fall|caso|vorgang\w*|serial|kundennummer|customer|ref(?:erence|erenz|erencia)?|article|artikel\w*|sku)"
    r"[ ]?(?:number|nummer|no|nr|num|numero|n°|id)?[\s.:#=\-]{0,4}\Z"
)

_PATTERNS: tuple[tuple[re.Pattern[str], tuple[str | None, ...]], ...] = (
    (_INTERNATIONAL, (None,)),
    (_DOUBLE_ZERO, (None,)),
    (_TRUNK_ZERO, ("DE", "GB", "FR", "AT", "CH", "NL", "BE", "SE", "IT", "AU")),
    (_NORTH_AMERICAN, ("US",)),
    (_NINE_DIGITS, ("ES", "PT", "PL", "CZ")),
)
"""How a number is written -> where it has to be valid; None = it says its country itself."""


def find_phones(text: str) -> list[Span]:
    """Phone numbers in folded text."""
    return [Span(Kind.PHONE, start, end) for start, end in _candidates(text)]


def _candidates(text: str) -> Iterator[tuple[int, int]]:
    judged = 0
    for pattern, regions in _PATTERNS:
        for match in pattern.finditer(text):
            judged += 1
            end = len(match.group()) if judged > MAX_JUDGED else _end_of_number(match.group(), regions)
            if end and not (_is_ordered(text, match.start()) and pattern is not _INTERNATIONAL):
                yield match.start(), match.start() + end
    for match in _LABELLED.finditer(text):
        if not _NO_PHONE.match(match.group(1)):
            yield match.span(1)


def _end_of_number(written: str, regions: tuple[str | None, ...]) -> int:
    """Where the number in a candidate ends, 0 for none: what follows it after a space may be another number."""
    if _DATE.match(written):
        return 0
    ends = [match.end() for match in re.finditer(r"\d+", written)]
    return next((end for end in reversed(ends[-4:]) if _is_number(written[:end], regions)), 0)


def _is_ordered(text: str, start: int) -> bool:
    return _ORDER_BEFORE.search(text, max(0, start - 40), start) is not None


def _is_number(written: str, regions: tuple[str | None, ...]) -> bool:
    digits = "".join(character for character in written if character.isdigit())
    if written.startswith("00"):
        # Zero-padded order numbers begin like this too: without separators North America is not believed.
        return not (written.isdigit() and digits[2] == "1") and _parses("+" + digits[2:], None)
    if regions == (None,):
        return _parses("+" + digits, None)
    return any(_parses(digits, region) for region in regions)


def _parses(digits: str, region: str | None) -> bool:
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return False
    # A plus sign says it is a phone number: one that is merely possible is believed.
    judge = phonenumbers.is_possible_number if region is None else phonenumbers.is_valid_number
    return bool(judge(number))
