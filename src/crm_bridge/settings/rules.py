"""What single values of a configuration may be: functions that convert or raise `ValueError`. No keys, no I/O."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from crm_bridge.settings.model import Listen

MAX_TEXT_CHARS = 10_000
MAX_FIELD_NAME_CHARS = 100

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)")


def text(value: Any) -> str:
    """A text of reasonable length without NUL."""
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS or "\x00" in value:
        raise ValueError
    return value


def flag(value: Any) -> bool:
    """true or false, not what looks like it."""
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - a rule has one way to say no
    return value


def one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError
        return value

    return check


def number(low: float, high: float) -> Callable[[Any], float]:
    """A finite number between two bounds, both allowed."""

    def check(value: Any) -> float:
        # NaN is between no two bounds.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise ValueError
        return float(value)

    return check


def count_or_unlimited(value: Any) -> int | None:
    """A whole number from 1, or "unlimited"."""
    if value == "unlimited":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:
        raise ValueError
    return value


def cost_or_unlimited(value: Any) -> float | None:
    return None if value == "unlimited" else number(0, 1_000_000)(value)


def texts(value: Any) -> frozenset[str]:
    """A list of texts; their order means nothing."""
    if not isinstance(value, list):
        raise ValueError  # noqa: TRY004
    return frozenset(text(item) for item in value)


def selection(value: Any) -> Mapping[str, tuple[str, ...]]:
    """A table of lists, e.g. `{ queue = ["Returns"], language = ["de", "en"] }`."""
    if not isinstance(value, Mapping) or not all(0 < len(name) <= MAX_FIELD_NAME_CHARS for name in value):
        raise ValueError
    chosen = {field: _choices(items) for field, items in value.items()}
    return MappingProxyType(chosen)


def _choices(items: Any) -> tuple[str, ...]:
    if not isinstance(items, list) or not items:
        raise ValueError
    return tuple(text(item) for item in items)


def public_url(value: Any) -> str:
    """An absolute http(s) URL without user, query or fragment; the trailing slash is dropped."""
    url = urlsplit(text(value))
    plain = url.scheme in {"http", "https"} and url.hostname and "@" not in url.netloc
    if not plain or url.query or url.fragment or not value.isprintable() or " " in value:
        raise ValueError
    _ = url.port  # raises ValueError when it is none
    return str(value).rstrip("/")


def listen(value: Any) -> Listen:
    """host:port; port 0 picks a free one."""
    host, separator, port = text(value).rpartition(":")
    if (
        not separator
        or not _HOST.fullmatch(host)
        or not (port.isascii() and port.isdecimal())
        or int(port[:6]) > 65_535
    ):
        raise ValueError
    return Listen(host=host.strip("[]"), port=int(port))


def database_url(value: Any) -> str:
    if value == "embedded":
        return "embedded"
    url = urlsplit(text(value))
    if url.scheme not in {"postgresql", "postgres"} or len(url.path) < 2:
        raise ValueError
    return str(value)


def path(value: Any) -> Path:
    if not text(value):
        raise ValueError
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # no home directory to expand to
        raise ValueError from error


def start_from(value: Any) -> datetime | Literal["now"]:
    """ "now", or a moment with its offset from UTC."""
    if value == "now":
        return "now"
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError
    return moment


def encryption_keys(value: Any) -> tuple[str, ...]:
    """Fernet keys: 32 bytes in URL-safe base64 each."""
    if not isinstance(value, list) or not value:
        raise ValueError
    for key in value:
        _check_key(key)
    return tuple(value)


def _check_key(key: Any) -> None:
    try:
        raw = base64.urlsafe_b64decode(key.encode("ascii")) if isinstance(key, str) else b""
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if len(raw) != 32:
        raise ValueError


def assistant(value: Any) -> Mapping[str, Any]:
    """The assistant's table; beyond `kind` its keys are the assistant's own."""
    if not isinstance(value, Mapping) or value.get("kind", "offline") not in ASSISTANT_KINDS:
        raise ValueError
    return MappingProxyType({"kind": "offline", **value})


ASSISTANT_KINDS = ("offline", "http", "openai")
