"""Samples without anybody in them: what a CRM said, with its structure and without its people, secrets and addresses.

It owns what may stay: ids, kinds, times, numbers and short words of the API. Everything that looks like a person's, or
like text somebody wrote, is replaced. When in doubt it is replaced: a sample is for its form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from crm_bridge.contract import CaseContext
from crm_bridge.core.masking.identifiers import find_identifiers
from crm_bridge.core.masking.known import known_of
from crm_bridge.core.masking.spans import Kind, Span
from crm_bridge.core.textmatch import fold

SECRET = "REDACTED"  # noqa: S105 - what stands in for one
MAX_WORD_CHARS = 64
MIN_NAME_CHARS = 3
MAX_DEPTH = 60
_STAND_INS = {
    Kind.EMAIL: "customer@example.org",
    Kind.PHONE: "+12025550143",
    Kind.IP: "192.0.2.1",
}
_KEPT_HEADERS = re.compile(r"content-type|retry-after|.*rate-?limit.*|sforce-limit-info|x-hubspot-ratelimit.*", re.I)
_SECRET_KEY = re.compile(
    r"secret|token|password|passphrase|signature|credential|authorization|cookie|session|api_?key", re.I
)
_PERSONAL_KEY = re.compile(
    r"name|mail|phone|mobile|street|city|zip|postal|address|company|account|birth|subject|title|body|text|content"
    r"|description|comment|note|html|preview|summary|message$|question|answer",
    re.I,
)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_WORD = re.compile(r"[\w.:/+=@#-]+")
_CDATA = re.compile(r"<!\[CDATA\[.*?\]\]>", re.DOTALL)
_ELEMENT = re.compile(r"<([\w:.-]+)((?:\s[^<>]*)?)>([^<]+)<")
_ATTRIBUTE = re.compile(r"""(?<=[\s<])([\w:.-]+)=(["'])([^"'<>]*)\2""")


class Redactor:
    """Redacts what belongs to one case. `secrets` are never repeated, wherever they stand."""

    def __init__(self, context: CaseContext | None, secrets: Collection[str] = ()) -> None:
        self._known = known_of(context) if context is not None else None
        self._names = tuple(sorted(_names(context))) if context is not None else ()
        self._secrets = tuple(one for one in secrets if one)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Those that say something of the form; proofs, cookies and addresses are left out."""
        return {
            name: self.value(value, key="") if not name.lower().startswith("content-type") else value
            for name, value in headers.items()
            if _KEPT_HEADERS.fullmatch(name)
        }

    def body(self, content: bytes, content_type: str) -> bytes:
        """The same form with other words; empty when it is of no form known here."""
        kind = content_type.partition(";")[0].strip().lower()
        try:
            text = content.decode("utf-8")
            if "json" in kind:
                return json.dumps(self.tree(json.loads(text)), indent=1, ensure_ascii=False).encode()
            if "xml" in kind:
                return self._xml(text).encode()
            if "form" in kind:
                pairs = parse_qsl(text, keep_blank_values=True)
                return urlencode([(name, self.value(value, key=name)) for name, value in pairs]).encode()
        except (ValueError, RecursionError):
            return b""
        return b""

    def tree(self, value: Any, key: str = "", depth: int = 0) -> Any:
        """A JSON value."""
        if depth > MAX_DEPTH:
            return None
        if isinstance(value, Mapping):
            return {self._key(name): self.tree(one, str(name), depth + 1) for name, one in value.items()}
        if isinstance(value, list):
            return [self.tree(one, key, depth + 1) for one in value]
        if isinstance(value, str):
            return self.value(value, key)
        if isinstance(value, int | float) and not isinstance(value, bool) and _is_sensitive(key):
            return 0
        return value

    def value(self, value: str, key: str) -> str:
        """One text that stands under a key."""
        if not value:
            return value
        if _SECRET_KEY.search(key) or any(secret in value for secret in self._secrets):
            return SECRET
        if _TIME.fullmatch(value):
            return value
        if _URL.match(value):
            return "https://crm.example/redacted"
        if stand_in := self._stand_in(value):
            return stand_in
        is_word = len(value) <= MAX_WORD_CHARS and _WORD.fullmatch(value) is not None
        return f"[{len(value)} characters]" if _PERSONAL_KEY.search(key) or not is_word else value

    def _stand_in(self, value: str) -> str:
        """What replaces a text that holds an identifier or a known person; "" when it holds none."""
        folded = fold(value[: 10 * MAX_WORD_CHARS]).text
        found: list[Span] = [*find_identifiers(folded), *(self._known.find(folded) if self._known else ())]
        if found:
            return _STAND_INS.get(found[0].kind, f"[{found[0].kind.value}]")
        return "[NAME]" if any(name in value.casefold() for name in self._names) else ""

    def _key(self, name: Any) -> str:
        """Names of fields are the CRM's own, unless one holds an identifier."""
        text = str(name)
        return text if len(text) <= MAX_WORD_CHARS and not list(find_identifiers(fold(text).text)) else "[key]"

    def _xml(self, text: str) -> str:
        text = _CDATA.sub("[characters]", text)
        text = _ATTRIBUTE.sub(
            lambda m: m[0] if _is_namespace(m[1]) else f"{m[1]}={m[2]}{self.value(m[3], m[1])}{m[2]}", text
        )
        return _ELEMENT.sub(self._element, text)

    def _element(self, match: re.Match[str]) -> str:
        name, attributes, inner = match[1], match[2], match[3]
        text = self.value(inner.strip(), name.rpartition(":")[2]) if inner.strip() else inner
        return f"<{name}{attributes}>{text}<"


def _is_sensitive(key: str) -> bool:
    return bool(_SECRET_KEY.search(key) or re.search(r"phone|mobile|birth|zip|postal", key, re.I))


def _is_namespace(name: str) -> bool:
    return name == "xmlns" or name.startswith(("xmlns:", "xsi:", "xml:")) or name in ("version", "encoding")


def _names(context: CaseContext) -> Iterator[str]:
    """Everybody the case names, in small letters, by the parts of their names."""
    people = [one.name for one in (context.requester, context.owner) if one is not None]
    people += [message.author.name for message in context.messages]
    for name in people:
        yield from (part for part in name.casefold().split() if len(part) >= MIN_NAME_CHARS)
