"""Amounts of money and percentages in a draft, held against what the company said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from crm_bridge.core.guard.grounds import Grounds, Remark, Said

_UNITS: dict[str, tuple[str, ...]] = {
    "EUR": ("€", "eur", "euro", "euros"),
    "USD": ("us$", "usd", "$", "dollar", "dollars", "dolar", "dolares", "bucks"),
    "GBP": ("£", "gbp", "pound", "pounds", "pfund", "libra", "libras", "livre", "livres", "quid"),
    "CHF": ("chf", "franken", "franc", "francs", "franco", "francos"),
    "JPY": ("¥", "jpy", "yen"),
    "INR": ("₹", "inr", "rupee", "rupees", "rupien"),
    "PLN": ("pln", "zloty"),
    "SEK": ("sek",),
    "NOK": ("nok",),
    "DKK": ("dkk",),
    "cent": ("cent", "cents", "centimos", "centimes"),
    "%": ("%", "percent", "prozent", "por ciento", "pour cent"),
}
_UNIT_OF = {alias: unit for unit, aliases in _UNITS.items() for alias in aliases}
_ALIASES = "|".join(re.escape(alias) for alias in sorted(_UNIT_OF, key=len, reverse=True))
_NUMBER = r"\d{1,3}(?:[.,' ]\d{3}){1,4}(?:[.,]\d{1,2})?(?!\d)|\d{1,12}(?:[.,]\d{1,2})?(?![\d])"
_BEFORE = re.compile(rf"(?<![^\W_])({_ALIASES})[ ]?({_NUMBER})")
_AFTER = re.compile(rf"(?<![\w.,\-])({_NUMBER})(?:,-|,--|\.-)?[ ]?({_ALIASES})(?![^\W_])")
_WORDED = re.compile(rf"(?<![^\W_])([a-z]+)(?:[ \-]([a-z]+))?[ ]({_ALIASES})(?![^\W_])")

_NUMBER_WORDS: dict[int, tuple[str, ...]] = {
    5: ("five", "funf", "cinco", "cinq"),
    10: ("ten", "zehn", "diez", "dix"),
    15: ("fifteen", "funfzehn", "quince", "quinze"),
    20: ("twenty", "zwanzig", "veinte", "vingt"),
    25: ("funfundzwanzig", "veinticinco"),
    30: ("thirty", "dreissig", "treinta", "trente"),
    40: ("forty", "vierzig", "cuarenta", "quarante"),
    50: ("fifty", "funfzig", "cincuenta", "cinquante"),
    60: ("sixty", "sechzig", "sesenta", "soixante"),
    70: ("seventy", "siebzig", "setenta"),
    80: ("eighty", "achtzig", "ochenta"),
    90: ("ninety", "neunzig", "noventa"),
    100: ("hundred", "hundert", "einhundert", "cien", "ciento", "cent"),
    200: ("zweihundert", "doscientos"),
    500: ("funfhundert", "quinientos"),
    1000: ("thousand", "tausend", "eintausend", "mil", "mille"),
}
_VALUE_OF = {word: value for value, spelled in _NUMBER_WORDS.items() for word in spelled}

Amount = tuple[Decimal, str]


def check_amounts(reply: Said, grounds: Grounds) -> Iterator[Remark]:
    """Amounts the company never named; one that the customer named is only pointed out."""
    company = set(dict(amounts_in(grounds.company.folded)))
    customer = set(dict(amounts_in(grounds.customer.folded)))
    for amount, written in dict(amounts_in(reply.folded)).items():
        if amount in company:
            continue
        if amount in customer:
            yield Remark("amount_echoed", "only the customer named this amount", written)
        else:
            yield Remark("amount_not_found", "this amount is in no source and in no message", written)


def amounts_in(folded: str) -> Iterator[tuple[Amount, str]]:
    """Amounts of a folded text as (value, unit), each with how it is written there."""
    for match in _BEFORE.finditer(folded):
        yield (_value(match.group(2)), _UNIT_OF[match.group(1)]), match.group()
    for match in _AFTER.finditer(folded):
        amount = (_value(match.group(1)), _UNIT_OF[match.group(2)])
        if amount != (Decimal(100), "%"):  # "100 % sure" is a manner of speaking
            yield amount, match.group()
    for match in _WORDED.finditer(folded):
        first, second, unit = match.groups()
        spelled = _VALUE_OF.get(second or first)
        if spelled is not None:
            factor = _VALUE_OF.get(first, 1) if second and spelled >= 100 else 1
            yield (Decimal(spelled * factor), _UNIT_OF[unit]), match.group()


def _value(written: str) -> Decimal:
    """`1.234,50`, `1,234.50`, `1 234,5` and `1234.5`: one or two digits after the last mark are a fraction."""
    whole, mark, fraction = re.sub(r"[' ]", "", written), "", ""
    last = max(whole.rfind("."), whole.rfind(","))
    if last >= 0 and len(whole) - last - 1 <= 2:
        whole, mark, fraction = whole[:last], ".", whole[last + 1 :]
    return Decimal(re.sub(r"[.,]", "", whole) + mark + fraction).normalize()
