"""Faults an emulated CRM plays on request: an error, a delay, an answer that is lost after the effect, a lost webhook.

A rule names an operation of the emulator's API (`*` for all of them, `webhook` for what it tells) and how often it
strikes. Rules come from tests or from a file, a JSON array of objects with the fields of `FaultRule`, that is read
again whenever it changes: a running emulator can be disturbed from outside. How a fault is played is
`disturbance.py`'s and the sender's.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

ANY_OPERATION = "*"
WEBHOOK = "webhook"
LONGEST_DELAY_S = 300.0
LONGEST_DRIP_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRule:
    """What happens to the next `times` calls of an operation (None: to all), after the first `skip` of them.

    Instead of the operation, or after it with `drop_answer_after_effect`, is answered: `status`, `body` (status 200
    unless one is given), `redirect_to` (307), or the CRM's own refusal by the limit named in `rate_limit`. Whatever is
    answered gets `content_type`, `headers` and `retry_after` (a header, in seconds), waits for `delay_s`, comes a byte
    every `drip` seconds, is cut off after `truncate` bytes, or never ends (`endless`); `reset` answers nothing.
    An answer dropped without another is cut off. `expire_token` ends every access token first.

    For `webhook`: `drop` it, tell it `duplicate` more times, tell its events backwards or a single one after the next
    (`reorder`), tell it `delay_s` later, or send one before it that only looks like it (`forge`); with
    `drop_answer_after_effect` the CRM does not hear that it was taken.
    """

    operation: str = ANY_OPERATION
    times: int | None = 1
    skip: int = 0
    status: int | None = None
    body: str | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop_answer_after_effect: bool = False
    reset: bool = False
    truncate: int | None = None
    drip: float = 0.0
    endless: bool = False
    redirect_to: str | None = None
    retry_after: int | None = None
    rate_limit: str | None = None
    expire_token: bool = False
    duplicate: int = 0
    drop: bool = False
    reorder: bool = False
    forge: bool = False

    def __post_init__(self) -> None:
        for item in fields(self):
            if not isinstance(getattr(self, item.name), _KINDS[str(item.type)]):
                raise ValueError(f"{item.name} of a fault has to be {item.type}")  # noqa: TRY004 - comes from a file
        self._check_ranges()
        wrong = _ONLY_ANSWERS if self.operation == WEBHOOK else _ONLY_WEBHOOKS
        if unfit := sorted(name for name in wrong if getattr(self, name) not in (None, 0, False, {})):
            raise ValueError(f"a fault of {self.operation!r} cannot have: {', '.join(unfit)}")

    def _check_ranges(self) -> None:
        if self.status is not None and not (200 if self.body is not None else 300) <= self.status <= 599:
            raise ValueError("the status of a fault has to be 300 to 599, or 200 to 599 with a body")
        if not 0 <= self.delay_s <= LONGEST_DELAY_S:
            raise ValueError("the delay of a fault has to be 0 to 300 seconds")
        if not 0 <= self.drip <= LONGEST_DRIP_S:
            raise ValueError("the drip of a fault has to be 0 to 10 seconds")
        if self.times is not None and self.times < 1:
            raise ValueError("times has to be at least 1, or null for every call")
        if min(self.skip, self.truncate or 0, self.retry_after or 0) < 0 or not 0 <= self.duplicate <= 100:
            raise ValueError("skip, truncate and retry_after cannot be negative; duplicate has to be 0 to 100")
        if any(type(text) is not str for pair in self.headers.items() for text in pair):
            raise ValueError("headers of a fault have to be texts")


_KINDS: dict[str, Any] = {
    "str": str,
    "str | None": str | None,
    "int": int,
    "int | None": int | None,
    "float": (int, float),
    "bool": bool,
    "Mapping[str, str]": Mapping,
}
_ONLY_WEBHOOKS = frozenset({"duplicate", "drop", "reorder", "forge"})
_ONLY_ANSWERS = frozenset(
    {"status", "body", "content_type", "headers", "reset", "truncate", "drip", "endless", "redirect_to"}
    | {"retry_after", "rate_limit", "expire_token"}
)


class Faults:
    """The rules in force, first come first served."""

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._rules: list[FaultRule] = []
        self._met: list[int] = []
        self._file = file
        self._read_at: tuple[int, int] | None = None
        if file is not None:
            self._read_file()

    def add(self, *rules: FaultRule) -> None:
        """Put rules after those in force."""
        with self._lock:
            self._rules += rules
            self._met += [0] * len(rules)

    def clear(self) -> None:
        """No faults from now on."""
        with self._lock:
            self._rules, self._met = [], []

    def take(self, operation: str) -> FaultRule | None:
        """The rule that strikes this call, counted; None when it is spared."""
        self._read_file()
        with self._lock:
            for index, rule in enumerate(self._rules):
                if not _concerns(rule, operation) or _is_used_up(rule, self._met[index]):
                    continue
                self._met[index] += 1
                if self._met[index] > rule.skip:
                    return rule
        return None

    def _read_file(self) -> None:
        if self._file is None:
            return
        try:
            found = self._file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp == self._read_at:
                return
            rules = read_rules(self._file)
        except FileNotFoundError:
            stamp, rules = (0, 0), ()
            if stamp == self._read_at:
                return
        except ValueError:
            return  # half written: the next call reads it again
        self._read_at = stamp
        self.clear()
        self.add(*rules)


def _concerns(rule: FaultRule, operation: str) -> bool:
    return rule.operation == operation or (rule.operation == ANY_OPERATION and operation != WEBHOOK)


def _is_used_up(rule: FaultRule, met: int) -> bool:
    return rule.times is not None and met >= rule.skip + rule.times


def read_rules(file: Path) -> tuple[FaultRule, ...]:
    """The rules of a file. Raises `ValueError`, and `OSError` when it cannot be read."""
    return parse_rules(json.loads(file.read_text("utf-8")))


def parse_rules(document: Any) -> tuple[FaultRule, ...]:
    """Rules from a JSON array of objects. Raises `ValueError`."""
    if not isinstance(document, list):
        raise ValueError("faults have to be a JSON array of objects")  # noqa: TRY004 - a bad file, not a bad call
    return tuple(_rules(document))


def _rules(document: Iterable[object]) -> Iterator[FaultRule]:
    known = {item.name for item in fields(FaultRule)}
    for entry in document:
        if not isinstance(entry, Mapping) or not set(entry) <= known:
            raise ValueError(f"a fault has only these fields: {', '.join(sorted(known))}")
        yield FaultRule(**{str(name): value for name, value in entry.items()})
