"""Links and addresses in a draft that nobody of the company gave.

A link is fine when its host is allow-listed or when exactly this link stands in a source or in an agent's message:
the same page with something added to its query can carry data away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

from crm_bridge.core.guard.grounds import Grounds, Remark, Said
from crm_bridge.core.policy import GuardPolicy

_TOP_LEVEL = (
    "com|net|org|info|biz|io|co|dev|app|ai|me|xyz|top|shop|store|site|online|link|click|live|page|help|support|cloud"
    "|eu|de|at|ch|es|fr|uk|us|it|nl|be|pt|pl|se|dk|no|fi|ie|ru|cn|in|br|mx|tk|gg|ly|cc|tv|to|ws|su|zip|mov|example|test"
)
_LABEL = r"[^\W_](?:[\w\-]{0,61}[^\W_])?"
_LINK = re.compile(
    r"(?:\b(?:https?|ftp|javascript|vbscript|data|file|tel|sms|whatsapp|slack|tg):|\b[a-z][a-z0-9+.\-]{1,20}://"
    r"|\bwww\.|(?<![\w:/.])(?://|\\\\)(?=[\w\[]))[^\s<>\"]+",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"(?<![\w@./:\-\\])(?:{_LABEL}\.){{1,6}}(?:(?:{_TOP_LEVEL})(?![\w\-@])(?:[:/?#][^\s<>\"]*)?|[^\W\d_]{{2,24}}/[^\s<>\"]+)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(rf"[\w.+\-]{{1,64}}@(?:{_LABEL}\.){{1,6}}[^\W\d_][\w\-]{{1,24}}")
_FILE = re.compile(r"\.(?:zip|mov|py|sh|md|pl)\Z", re.IGNORECASE)
_TRAILING = ".,;:!?'*_`~"


def check_links(reply: Said, grounds: Grounds, policy: GuardPolicy) -> Iterator[Remark]:
    """Links, bare domains and mail addresses that are in no source and on no list."""
    remark = partial(Remark, "link_not_in_sources")
    known = {_comparable(link) for link in _links(grounds.company.shown)}
    hosts = {_host(link) for link in _links(grounds.company.shown)} - {""}
    for link in _links(reply.shown):
        if _comparable(link) in known or _allowed(link, policy.allowed_link_hosts) or _is_front_page(link, hosts):
            continue
        yield remark("this link is in no source and its host is not on the list", link)
    addresses = {address.casefold() for address in _ADDRESS.findall(grounds.company.shown)} | grounds.addresses
    for address in _ADDRESS.findall(reply.shown):
        if address.casefold() not in addresses:
            yield remark("this address is in no source and nobody of this case has it", address)


def _links(shown: str) -> dict[str, None]:
    found: dict[str, None] = {}
    taken: list[tuple[int, int]] = []
    for match in _LINK.finditer(shown):
        taken.append(match.span())
        found[_trimmed(match.group())] = None
    place = 0
    for match in _BARE.finditer(shown):
        while place < len(taken) and taken[place][1] <= match.start():
            place += 1
        inside = place < len(taken) and taken[place][0] <= match.start()
        if not inside and not _FILE.search(match.group()):
            found[_trimmed(match.group())] = None
    return found


def _trimmed(link: str) -> str:
    """Without what belongs to the sentence: final punctuation, a bracket that was opened before the link."""
    while link:
        last = link[-1]
        opening = {")": "(", "]": "[", "}": "{"}.get(last)
        unopened = opening is not None and link.count(last) > link.count(opening)
        if last not in _TRAILING and not unopened:
            return link
        link = link[:-1]
    return link


def _comparable(link: str) -> str:
    """Scheme and the host's case make no other link; everything else does."""
    bare = re.sub(r"^https?://", "", link, flags=re.IGNORECASE)
    host, slash, rest = bare.partition("/")
    return f"{host.lower()}{slash}{rest}".removesuffix("/")


def _host(link: str) -> str:
    """The host of a plain web link, "" for anything a browser might read differently than we do."""
    written = link if re.match(r"https?://", link, re.IGNORECASE) else f"https://{link.removeprefix('//')}"
    if "\\" in link or not written.isascii() or re.match(r"[a-z][a-z0-9+.\-]*:(?!//|\d)", link, re.IGNORECASE):
        return ""
    try:
        parts = urlsplit(written)
        return "" if "@" in parts.netloc else (parts.hostname or "").rstrip(".")
    except ValueError:
        return ""


def _allowed(link: str, hosts: frozenset[str]) -> bool:
    host = _host(link)
    listed = {item.lower() for item in hosts}
    return bool(host) and (host in listed or any(host.endswith("." + item) for item in listed))


def _is_front_page(link: str, hosts: set[str]) -> bool:
    """Just the name of a host the company links to."""
    return _host(link) in hosts and not re.search(r"[/?#:]", _comparable(link))
