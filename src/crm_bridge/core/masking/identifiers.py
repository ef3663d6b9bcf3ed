"""Identifiers that can be recognised by their form alone, in folded text: no knowledge of the case is needed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from stdnum.iso7064 import mod_97_10

from crm_bridge.core.masking.cards import find_cards, find_codes
from crm_bridge.core.masking.phones import find_phones
from crm_bridge.core.masking.spans import Kind, Span


def find_identifiers(text: str) -> list[Span]:
    """Every structured identifier of a folded text. Spans may overlap."""
    cards = find_cards(text)
    found = cards + find_codes(text, cards)
    for finder in _FINDERS:
        found.extend(finder(text))
    return found


_LOCAL = re.compile(r"[^\s@<>()\[\]{},;:\"\\|]")
_DOMAIN = re.compile(r"@((?:[^\W_](?:[\w\-]{0,61}[^\W_])?\.){1,10}[^\W\d_][\w\-]{0,61}[^\W_])")


def _find_emails(text: str) -> Iterator[Span]:
    for match in _DOMAIN.finditer(text):
        start = match.start()
        while start > 0 and _LOCAL.match(text[start - 1]):
            start -= 1
        while start < match.start() and text[start] in ".'!?=&#/*":
            start += 1
        if start < match.start():
            yield Span(Kind.EMAIL, start, match.end())


_IBAN_START = re.compile(r"(?<![a-z0-9])[a-z]{2}[ \-.]?\d[ ]?\d")
_IBAN_COUNTRIES = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29"
    " ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30"
    " KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28"
    " PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22"
    " VG24 XK20 YE30"
)
_IBAN_LENGTH = {entry[:2].lower(): int(entry[2:]) for entry in _IBAN_COUNTRIES.split()}
"""From the SWIFT IBAN registry. National check digits are not asked for: who mistypes one is still somebody."""

_IBAN_LABELLED = re.compile(r"(?<![a-z])iban[^a-z0-9]{0,5}([a-z]{2}\d{2}(?:[ \-]?\d{2,4}){3,8})")


def _find_ibans(text: str) -> Iterator[Span]:
    for match in _IBAN_START.finditer(text):
        end = _iban_end(text, match.start())
        if end is not None:
            yield Span(Kind.IBAN, match.start(), end)
    for match in _IBAN_LABELLED.finditer(text):  # mistyped, so its check digits fail, and still somebody's account
        yield Span(Kind.IBAN, *match.span(1))


def _iban_end(text: str, start: int) -> int | None:
    """The end of the valid IBAN that starts here; up to three separators may stand between characters."""
    length = _IBAN_LENGTH.get(text[start : start + 2])
    if length is None:
        return None
    places = _alphanumerics(text, start, length)
    if len(places) < length or not _ends_here(text, places[-1]):
        return None
    characters = "".join(text[place] for place in places)
    return places[-1] + 1 if mod_97_10.is_valid(characters[4:] + characters[:4]) else None


def _alphanumerics(text: str, start: int, limit: int) -> list[int]:
    places: list[int] = []
    for place in range(start, min(len(text), start + 4 * limit)):
        if text[place].isascii() and text[place].isalnum():
            if places and place - places[-1] > 4:
                break
            places.append(place)
            if len(places) == limit:
                break
        elif text[place] not in " \t\n\r-.>/_":
            break
    return places


def _ends_here(text: str, place: int) -> bool:
    return place + 1 >= len(text) or not text[place + 1].isdigit()


_SSN = re.compile(r"(?<![\d\-])(?!000|666|9\d\d)\d{3}([\- .])(?!00)\d{2}\1(?!0000)\d{4}(?!\d|-\d)")
_SSN_LABELLED = re.compile(r"(?<![a-z])(?:ssn|social\s+security)[^\d\n]{0,25}(\d{9}|\d{3}[\- .]\d{2}[\- .]\d{4})(?!\d)")


def _find_ssns(text: str) -> Iterator[Span]:
    for match in _SSN.finditer(text):
        yield Span(Kind.SSN, *match.span())
    for match in _SSN_LABELLED.finditer(text):
        yield Span(Kind.SSN, *match.span(1))


_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-f:]{3,45}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])")
_VERSION_BEFORE = re.compile(
    r"(?:(?<![a-z])v|versions?|release|build|firmware|update[ds]?|upgrade[ds]?|driver|treiber|app|ver|rev|sdk|api)"
    r"(?:[ ](?:to|from|auf|von|a|de|number|nummer|is|ist|es))*[\s.:=\-(]{0,3}\Z"
)


def _find_ips(text: str) -> Iterator[Span]:
    for match in _IPV4.finditer(text):
        before = text[max(0, match.start() - 32) : match.start()]
        if _is_address(match.group()) and not _VERSION_BEFORE.search(before):
            yield Span(Kind.IP, *match.span())
    for match in _IPV6.finditer(text):
        written = match.group()
        trimmed = written.rstrip(":") if written.endswith(":") and not written.endswith("::") else written
        if _is_address(trimmed) and sum(1 for group in trimmed.split(":") if group) >= 2:
            yield Span(Kind.IP, match.start(), match.start() + len(trimmed))


def _is_address(written: str) -> bool:
    """An address of a machine; netmasks, loopback and 0.0.0.0 say nothing of a person."""
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return _is_padded_ipv4(written)
    return not (address.is_loopback or address.is_unspecified or written.startswith("255."))


def _is_padded_ipv4(written: str) -> bool:
    parts = written.split(".")
    return len(parts) == 4 and all(part.isdigit() and int(part) <= 255 for part in parts)


_FINDERS: tuple[Callable[[str], Iterator[Span] | list[Span]], ...] = (
    _find_emails,
    _find_ibans,
    _find_ssns,
    _find_ips,
    find_phones,
)
