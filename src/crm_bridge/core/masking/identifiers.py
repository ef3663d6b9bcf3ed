"""Identifiers that can be recognised by their form alone, in folded text: no knowledge of the case is needed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from crm_bridge.core.masking.accounts import find_ibans, find_wallets
from crm_bridge.core.masking.cards import find_cards, find_codes
from crm_bridge.core.masking.emails import find_emails
from crm_bridge.core.masking.papers import find_papers
from crm_bridge.core.masking.phones import find_phones
from crm_bridge.core.masking.spans import Kind, Span


def find_identifiers(text: str) -> list[Span]:
    """Every structured identifier of a folded text. Spans may overlap."""
    cards = find_cards(text)
    found = cards + find_codes(text, cards)
    for finder in _FINDERS:
        found.extend(finder(text))
    return found


_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-f:]{3,45}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w:]|\.\d)")
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
    find_emails,
    find_ibans,
    find_wallets,
    find_papers,
    _find_ips,
    find_phones,
)
