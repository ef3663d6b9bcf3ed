"""Where money can be sent: IBANs (SWIFT registry, ISO 7064 check digits) and addresses of crypto wallets.

Works on folded text. There the capitals that Base58 checksums need are gone, so wallets are known by their form alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum.iso7064 import mod_97_10

from crm_bridge.core.masking.spans import Kind, Span

_ODD = " \t\n\r-.>/_,:;*+~'\"|=[]()\\\u00b7\u2022"
_START_GAP = r"[\s\-./_,:;*'|=\[\]()\\\u00b7\u2022]{0,2}"
_IBAN_START = re.compile(rf"(?:(?<![a-z0-9])|(?<=iban))[a-z][ ]?[a-z]{_START_GAP}\d{_START_GAP}\d")
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


def find_ibans(text: str) -> Iterator[Span]:
    """Valid IBANs however they are spaced, and mistyped ones that are called so."""
    for match in _IBAN_START.finditer(text):
        end = _iban_end(text, match.start())
        if end is not None:
            yield Span(Kind.IBAN, match.start(), end)
    for match in _IBAN_LABELLED.finditer(text):  # mistyped, so its check digits fail, and still somebody's account
        yield Span(Kind.IBAN, *match.span(1))


def _iban_end(text: str, start: int) -> int | None:
    """The end of the valid IBAN that starts here; up to three separators may stand between characters."""
    places = _alphanumerics(text, start, 34)
    country = "".join(text[place] for place in places[:2])
    length = _IBAN_LENGTH.get(country)
    if length is None or len(places) < length or not _ends_here(text, places[length - 1]):
        return None
    characters = "".join(text[place] for place in places[:length])
    return places[length - 1] + 1 if mod_97_10.is_valid(characters[4:] + characters[:4]) else None


def _alphanumerics(text: str, start: int, limit: int) -> list[int]:
    places: list[int] = []
    for place in range(start, min(len(text), start + 4 * limit)):
        if text[place].isascii() and text[place].isalnum():
            if places and place - places[-1] > 4:
                break
            places.append(place)
            if len(places) == limit:
                break
        elif text[place] not in _ODD:
            break
    return places


def _ends_here(text: str, place: int) -> bool:
    return place + 1 >= len(text) or not text[place + 1].isdigit()


_MIXED = r"(?=[a-z]*\d[a-z]*\d)(?=\d*[a-z]\d*[a-z])"
_WALLET = re.compile(
    r"(?<![a-z0-9])(?:0x[0-9a-f]{40}"  # Ethereum and its kin
    r"|(?:bc1|tb1|ltc1|addr1|cosmos1)[02-9ac-hj-np-z]{11,100}"  # Bech32 (BIP 173)
    r"|(?=[13lmtdr48])(?=[a-z]{0,20}\d)(?=\d{0,9}[a-z])"  # Base58: Bitcoin, Litecoin, Dogecoin, Ripple, Tron, Monero
    r"(?:[13][1-9a-z]{24,34}|[lmdr][1-9a-z]{25,34}|t[1-9a-z]{33}|[48][1-9a-z]{94})"
    r")(?![a-z0-9])"
)
_WALLET_LABELLED = re.compile(
    r"(?<![a-z])(?:wallet|bitcoin|btc|ethereum|eth|usdt|tether|litecoin|monero|solana|crypto|krypto|cripto)"
    r"(?:[ \-]?(?:wallet|address|adresse|direccion|cartera|portefeuille|is|ist|es|est))*[\s:=\-]{1,4}"
    rf"({_MIXED}[a-z0-9]{{26,108}})(?![a-z0-9])"
)


def find_wallets(text: str) -> Iterator[Span]:
    """Wallet addresses by their form; any long mixture of letters and digits that is called one."""
    for match in _WALLET.finditer(text):
        yield Span(Kind.WALLET, *match.span())
    for match in _WALLET_LABELLED.finditer(text):
        yield Span(Kind.WALLET, *match.span(1))
