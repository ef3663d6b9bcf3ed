"""What the CRM knows of the customer, as patterns over folded text.

No tool without a model finds names in a text; the case record has them. Names, their parts, e-mail, phone, account
and personal fields of the requester and of every customer who wrote are looked for as whole words, without case,
accents, width or script (a Cyrillic a in a Latin name). Agents keep their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import phonenumbers

from crm_bridge.contract import CaseContext
from crm_bridge.core.masking.lookalikes import skeleton
from crm_bridge.core.masking.spans import Kind, Span
from crm_bridge.core.textmatch import fold

MAX_VALUES = 300
"""More values than this are not looked for; the requester's come first."""

_MAX_VALUE_CHARS = 200

_TITLES = (
    "mr mrs ms miss mx dr prof sir herr frau fraulein sr sra srta don dona senor senora m mme mlle monsieur madame"
)
_PARTICLES = "von van der den de del della di da do dos das la le les el los du des bin ibn al und and y e jr ii iii"
_NO_NAME_PARTS = frozenset(f"{_TITLES} {_PARTICLES}".split())
_LEGAL_FORMS = re.compile(
    r"[\s,]+(?:gmbh(?: & co\.? kgaa?)?|ag|kg|ohg|ug|inc\.?|incorporated|llc|l\.l\.c\.|ltd\.?|limited|plc|corp\.?"
    r"|s\.?a\.?|s\.?l\.?u?\.?|sarl|sas|b\.?v\.?|n\.?v\.?|s\.?r\.?l\.?|co\.?)\Z"
)
_PERSONAL_FIELDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"street|address|strasse|anschrift|direccion|adresse|passport|birth|geburt"), Kind.ADDRESS),
    (re.compile(r"phone|mobile|telefon|handy"), Kind.PHONE),
    (re.compile(r"e-?mail"), Kind.EMAIL),
    (re.compile(r"(?:first|last|full|contact|customer|kunden|sur)_?name"), Kind.NAME),
    (re.compile(r"(?:customer|kunden|client|tax|vat|contact)_?(?:id|number|nummer|no)\b"), Kind.ID),
)


@dataclass(frozen=True, slots=True)
class Known:
    """Compiled patterns of one case. Holds personal data, so its repr shows none."""

    patterns: tuple[tuple[Kind, re.Pattern[str]], ...]

    def __repr__(self) -> str:
        return f"Known(patterns={len(self.patterns)})"

    def find(self, text: str) -> Iterator[Span]:
        """Known values in the skeleton of a folded text. Spans may overlap."""
        for kind, pattern in self.patterns:
            for match in pattern.finditer(text):
                yield Span(kind, *match.span())


def known_of(context: CaseContext) -> Known:
    """Everything the case says of its customers."""
    values = dict.fromkeys(_values(context))
    groups: dict[tuple[Kind, bool], list[str]] = {}
    for kind, value in list(values)[:MAX_VALUES]:
        for pattern, whole in _patterns(kind, value[:_MAX_VALUE_CHARS]):
            groups.setdefault((kind, whole), []).append(pattern)
    return Known(tuple((kind, re.compile("|".join(_longest_first(group)))) for (kind, _), group in groups.items()))


def _longest_first(patterns: Iterable[str]) -> list[str]:
    return sorted(dict.fromkeys(patterns), key=lambda pattern: (-len(pattern), pattern))


def _values(context: CaseContext) -> Iterator[tuple[Kind, str]]:
    requester = context.requester
    if requester is not None:
        yield Kind.NAME, requester.name
        yield Kind.EMAIL, requester.email
        yield Kind.PHONE, requester.phone
        yield Kind.ACCOUNT, requester.account
        if len(requester.id) >= 5:  # "1" or "a7" stand in every other sentence
            yield Kind.ID, requester.id
    for message in context.messages:
        if message.author.kind == "customer":
            yield Kind.NAME, message.author.name
    for item in context.fields:
        label = fold(f"{item.name} {item.label}").text
        for words, kind in _PERSONAL_FIELDS:
            if words.search(label) and len(item.value.strip()) >= 4:
                yield kind, item.value


_LOGIN = re.compile(r"(?=.{6,64}\Z)(?=.*[\d._])[a-z][a-z\d._\-]*[a-z\d]")


def _patterns(kind: Kind, value: str) -> Iterator[tuple[str, bool]]:
    """(pattern, whether it is the whole value): parts are sought apart, so that overlaps are not lost."""
    folded = skeleton(fold(value).text).strip()
    if not folded:
        return
    if kind is Kind.NAME and "@" not in folded:
        yield from _name_patterns(folded)
        for spelled in _transliterated(value):
            yield from _name_patterns(spelled)
    elif kind is Kind.PHONE:
        yield from ((pattern, True) for pattern in _phone_patterns(folded))
    elif kind is Kind.ACCOUNT:
        yield _phrase(folded), True
        short = _LEGAL_FORMS.sub("", folded)
        if len(short) >= 3 and short != folded:
            yield _phrase(short), False
    elif kind is Kind.EMAIL or "@" in folded:
        yield re.escape(folded), True
        local = folded.partition("@")[0]
        if _LOGIN.fullmatch(local):  # "robin.meadow" or "rmeadow84" is somebody, "office" is a word
            yield _whole(re.escape(local), local[0], local[-1]), False
    else:
        yield _phrase(folded), True


def _name_patterns(folded: str) -> Iterator[tuple[str, bool]]:
    words = [word for word in re.split(r"[\s,.;()\"]+", folded) if word]
    if not words or len("".join(words)) < 2:
        return
    yield _whole(r"[\W_]{0,3}".join(map(re.escape, words)), words[0][0], words[-1][-1]), True
    for word in words:
        for part in {word, *re.split(r"[-']", word)}:
            if len(part) >= (2 if part == word else 3) and part not in _NO_NAME_PARTS:
                yield _whole(re.escape(part), part[0], part[-1]), False


_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "å": "aa", "ø": "oe", "æ": "ae"}
)


def _transliterated(value: str) -> Iterator[str]:
    """`Müller` also signs as `Mueller`."""
    spelled = value.translate(_UMLAUTS)
    if spelled != value:
        yield skeleton(fold(spelled).text).strip()


def _phrase(folded: str) -> str:
    words = folded.split()
    return _whole(r"\s{1,3}".join(map(re.escape, words)), words[0][0], words[-1][-1])


def _whole(pattern: str, first: str, last: str) -> str:
    """Whole words only, where the script separates words at all."""
    before = r"(?<![^\W_])" if _separates_words(first) else ""
    after = r"(?![^\W_])" if _separates_words(last) else ""
    return f"{before}{pattern}{after}"


def _separates_words(character: str) -> bool:
    """Not so in Chinese, Japanese (U+3040 on) and Thai to Khmer (U+0E00 to U+0FFF, U+1780 to U+17FF)."""
    place = ord(character)
    unseparated = 0x3040 <= place <= 0xA4CF or 0xF900 <= place <= 0xFAFF or place >= 0x20000
    return character.isalnum() and not (unseparated or 0x0E00 <= place <= 0x0FFF or 0x1780 <= place <= 0x17FF)


_BETWEEN = r"[\s.\-/()]{0,3}"


def _phone_patterns(folded: str) -> Iterator[str]:
    digits = "".join(character for character in folded if character.isdigit())
    if len(digits) < 5:
        if len(digits) >= 3:
            yield rf"(?<!\d){re.escape(digits)}(?!\d)"
        return
    country, national = _parsed(folded, digits)
    spaced = _BETWEEN.join(national)
    lead = rf"(?:(?:\+|00)?{_BETWEEN}{_BETWEEN.join(country)}{_BETWEEN})?" if country else ""
    yield rf"(?<!\d){lead}(?:\(?0\)?{_BETWEEN})?{spaced}(?!\d)"


def _parsed(folded: str, digits: str) -> tuple[str, str]:
    """Country code and national number; a number that says no country has none."""
    international = folded.lstrip(" (").startswith(("+", "00"))
    if not international:
        return "", digits.lstrip("0") or digits
    bare = digits[2:] if folded.lstrip(" (").startswith("00") else digits
    try:
        number = phonenumbers.parse("+" + bare, None)
    except phonenumbers.NumberParseException:
        return "", digits.lstrip("0") or digits
    return str(number.country_code), str(number.national_number)
