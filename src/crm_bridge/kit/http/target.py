"""What may be called: one base URL, its host on the allow-list, paths below it. Pure.

A path that comes (in part) from a CRM can never choose another host nor climb out of the base; it is refused before
any credential is attached.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode, urlsplit

from crm_bridge.contract import InvalidConfig, Network, Permanent

Params = Mapping[str, str | int | Sequence[str]]

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")
_PATH = re.compile(r"/?([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}|/(?!/))*")
MAX_PATH_CHARS = 4_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """Where every call of a client goes: `origin` (scheme, host, port) and a `prefix` path without a trailing `/`."""

    origin: str
    prefix: str
    host: str

    def url(self, path: str, params: Params | None) -> str:
        """The full URL of a path below the base. Raises `Permanent` for a path that could leave it."""
        relative = path if path.startswith("/") else f"/{path}"
        if path.startswith("//") or len(path) > MAX_PATH_CHARS or not _PATH.fullmatch(path) or _climbs(path):
            raise Permanent("a path must stay below the base URL", code="unsafe_path")
        query = "?" + urlencode(params, doseq=True, quote_via=quote) if params else ""
        return f"{self.origin}{self.prefix}{relative}{query}"


def base_of(base_url: str, allowed_hosts: frozenset[str] | None) -> Base:
    """Check a base URL. Raises `InvalidConfig` for one that is unusable, or whose host is not allowed.

    `allowed_hosts` holds host names, or `*.example.com` for every host below one; None allows the URL's own.
    """
    expected = "http(s)://host[:port][/path] without user, query or fragment"
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise InvalidConfig("base_url", expected) from None
    bare = parts.netloc.lower().removesuffix(f":{port}") if port is not None else parts.netloc.lower()
    unusable = (
        parts.scheme not in ("http", "https")
        or not _HOST.fullmatch(bare)
        or not _PATH.fullmatch(parts.path)
        or _climbs(parts.path)
        or any(mark in base_url for mark in "?#@\\ \t\r\n")
    )
    if unusable:
        raise InvalidConfig("base_url", expected)
    host = bare.strip("[]")
    if allowed_hosts is not None and not any(_allows(entry, host) for entry in allowed_hosts):
        raise InvalidConfig("base_url", "a host on the allow-list")
    origin = f"{parts.scheme}://{bare}" + (f":{port}" if port is not None else "")
    return Base(origin=origin, prefix=parts.path.rstrip("/"), host=host)


def join_path(*segments: str) -> str:
    """A path of quoted segments: ids go in as they are, `/`, `?` and `#` inside them stay inside."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def proxy_for(host: str, network: Network) -> str:
    """The proxy to use for a host, or "". `no_proxy` lists hosts, domains, addresses or networks; `*` is everything."""
    entries = (entry.strip().lower() for entry in network.no_proxy.split(","))
    return "" if any(_exempts(entry, host) for entry in entries if entry) else network.proxy


def _climbs(path: str) -> bool:
    return any(unquote(segment) in (".", "..") for segment in path.split("/"))


def _allows(entry: str, host: str) -> bool:
    wanted = entry.lower()
    return host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted


def _exempts(entry: str, host: str) -> bool:
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        domain = entry.removeprefix("*").removeprefix(".")
        return host == domain or host.endswith(f".{domain}")
