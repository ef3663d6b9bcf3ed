"""`Tape`: what a real CRM answered and told, kept in memory and written as samples with nobody in them.

It owns listening to answers and the folders of samples; what may stay of them says `redact.py`. Answers are taken at
the transport that every bounded session uses, so any adapter's are.
"""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crm_bridge.contract import Delivery
from crm_bridge.kit.http.connection import DeadlineTransport
from crm_bridge.testing.live.redact import Redactor

MAX_ANSWERS = 200
MAX_BODY_BYTES = 1_000_000


@dataclass(kw_only=True)
class Taken:
    """One answer as it came, and during which rule."""

    during: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    parts: list[bytes] = field(default_factory=list, repr=False)

    @property
    def body(self) -> bytes:
        """Decoded; what cannot be decoded is left out."""
        content = b"".join(self.parts)
        encoding = next((value for name, value in self.headers.items() if name.lower() == "content-encoding"), "")
        if "gzip" not in encoding:
            return content[:MAX_BODY_BYTES]
        with suppress(zlib.error):
            return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(content, MAX_BODY_BYTES)
        return b""


class Tape:
    """Keeps a bounded number of answers while it listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: list[Taken] = []
        self.during = "start"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Every answer to this process is kept while the block runs."""
        true = DeadlineTransport.send
        tape = self

        def send(transport: DeadlineTransport, *arguments: Any, **named: Any) -> Any:
            response = true(transport, *arguments, **named)
            taken = tape.take(response.status_code, dict(response.headers))
            if taken is not None:
                response.raw = _Overheard(response.raw, taken.parts)
            return response

        DeadlineTransport.send = send  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            DeadlineTransport.send = true  # type: ignore[method-assign]

    def take(self, status: int, headers: Mapping[str, str]) -> Taken | None:
        """One more answer, while there is room."""
        with self._lock:
            if len(self._taken) >= MAX_ANSWERS:
                return None
            self._taken.append(Taken(during=self.during, status=status, headers=headers))
            return self._taken[-1]

    def write(self, folder: Path, redactor: Redactor, deliveries: Sequence[Delivery] = ()) -> int:
        """Samples under `folder/answers` and `folder/deliveries`; how many. Raises `OSError`."""
        with self._lock:
            taken = list(self._taken)
        for number, one in enumerate(taken, start=1):
            headers = {":status": str(one.status), **redactor.headers(one.headers)}
            place = folder / "answers" / f"{number:03d}-{_slug(one.during)}"
            _write(place, headers, redactor.body(one.body, _type(one.headers)))
        for number, told in enumerate(deliveries, start=1):
            body = redactor.body(told.body, _type(told.headers))
            _write(folder / "deliveries" / f"recorded-{number:03d}", redactor.headers(told.headers), body)
        return len(taken) + len(deliveries)


class _Overheard:
    """An answer's stream that also keeps what is read of it."""

    def __init__(self, raw: Any, parts: list[bytes]) -> None:
        self._raw = raw
        self._parts = parts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *arguments: Any, **named: Any) -> Iterator[bytes]:
        """As urllib3's, part by part."""
        kept = 0
        for part in self._raw.stream(*arguments, **named):
            if kept < MAX_BODY_BYTES:
                self._parts.append(part)
                kept += len(part)
            yield part


def _write(place: Path, headers: Mapping[str, str], body: bytes) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / "headers.json").write_text(json.dumps(dict(headers), indent=2) + "\n", "utf-8")
    (place / "body").write_bytes(body)


def _type(headers: Mapping[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() == "content-type"), "")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
