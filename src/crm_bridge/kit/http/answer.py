"""What came back from a call that succeeded, and how its bytes are read: capped after decoding, never longer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from crm_bridge.contract import InvalidDelivery
from crm_bridge.kit.http.judge import Effect, maybe_left
from crm_bridge.kit.parsing import JsonValue, parse_json

_CHUNK_BYTES = 16_384


class BrokenAnswer(Exception):
    """An answer that cannot be used. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and decoded body of one answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    operation: str = ""
    effect: Effect = Effect.READ

    def json(self) -> JsonValue:
        """The body as JSON. Raises what a broken answer of this call means when it is none, or not declared as such."""
        if not is_json(self.headers.get("content-type", "")):
            raise maybe_left(self.operation, "not_json", self.effect)
        try:
            return parse_json(self.body, max_bytes=len(self.body))
        except InvalidDelivery:
            raise maybe_left(self.operation, "invalid_json", self.effect) from None


def media_type(content_type: str) -> str:
    """`text/html` of `text/HTML; charset=utf-8`."""
    return content_type.partition(";")[0].strip(" \t").lower()


def is_json(content_type: str) -> bool:
    """Whether a content type declares JSON (`application/json` or any `+json`)."""
    kind = media_type(content_type)
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def read_body(response: requests.Response, max_bytes: int) -> bytes:
    """The decoded body. Raises `BrokenAnswer` when it is larger than `max_bytes`, or coded in a way not asked for."""
    encoding = response.headers.get("content-encoding", "").strip(" \t").lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise BrokenAnswer("unknown_encoding")
    # Decoded here and not by urllib3, whose older versions decode a whole chunk before anyone can look at its size.
    sent: Iterator[bytes] = response.raw.stream(_CHUNK_BYTES, decode_content=False)
    parts = _unzipped(sent, max_bytes) if "gzip" in encoding else sent
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > max_bytes:
            raise BrokenAnswer("oversize")
    return bytes(body)


def _unzipped(parts: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    unzip: Any = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    received = 0
    for part in parts:
        received += len(part)
        try:
            # One byte more than allowed is enough to know; what follows is then never unpacked.
            yield unzip.decompress(part, max_bytes + 1)
        except zlib.error:
            raise BrokenAnswer("broken_encoding") from None
        if unzip.unconsumed_tail or received > max_bytes + _CHUNK_BYTES:
            raise BrokenAnswer("oversize")
        if unzip.unused_data:
            raise BrokenAnswer("broken_encoding")
    if received and not unzip.eof:
        raise BrokenAnswer("truncated")
