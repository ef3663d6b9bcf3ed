"""Faults an emulated CRM plays on request: an error, a delay, an answer that is lost after the effect.

A rule names an operation of the emulator's API (`*` for all) and how often it strikes. Rules come from tests or from a
JSON file that is read again whenever it changes, so that a running emulator can be disturbed from outside.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

ANY_OPERATION = "*"
LOST_BYTES = 64
"""So many bytes more than come are announced for a lost answer: the caller sees it cut off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRule:
    """What happens to the next `times` calls of an operation (None: to all).

    `status`: answered instead of doing it, or after doing it with `drop_answer_after_effect`; without a status the
    answer is then cut off. `delay_s`: before anything. `retry_after`: the header's value, in seconds.
    """

    operation: str = ANY_OPERATION
    times: int | None = 1
    status: int | None = None
    delay_s: float = 0.0
    drop_answer_after_effect: bool = False
    retry_after: int | None = None

    def __post_init__(self) -> None:
        if self.status is not None and not 300 <= self.status <= 599:
            raise ValueError("the status of a fault has to be 300 to 599")
        if not 0 <= self.delay_s <= 300:
            raise ValueError("the delay of a fault has to be 0 to 300 seconds")
        if self.times is not None and self.times < 1:
            raise ValueError("times has to be at least 1, or null for every call")


class Faults:
    """The rules in force, first come first served."""

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._rules: list[FaultRule] = []
        self._struck: list[int] = []
        self._file = file
        self._read_at: tuple[int, int] | None = None
        if file is not None:
            self._read_file()

    def add(self, *rules: FaultRule) -> None:
        """Put rules after those in force."""
        with self._lock:
            self._rules += rules
            self._struck += [0] * len(rules)

    def clear(self) -> None:
        """No faults from now on."""
        with self._lock:
            self._rules, self._struck = [], []

    def take(self, operation: str) -> FaultRule | None:
        """The rule that strikes this call, counted; None when it is spared."""
        self._read_file()
        with self._lock:
            for index, rule in enumerate(self._rules):
                if rule.operation in (operation, ANY_OPERATION) and self._struck[index] != rule.times:
                    self._struck[index] += 1
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
            rules = parse_rules(json.loads(self._file.read_text("utf-8")))
        except FileNotFoundError:
            stamp, rules = (0, 0), ()
            if stamp == self._read_at:
                return
        except ValueError:
            return  # half written: the next call reads it again
        self._read_at = stamp
        self.clear()
        self.add(*rules)


def parse_rules(document: Any) -> tuple[FaultRule, ...]:
    """Rules from a JSON array of objects. Raises `ValueError`."""
    if not isinstance(document, list):
        raise ValueError("faults have to be a JSON array of objects")  # noqa: TRY004 - a bad file, not a bad call
    return tuple(_rules(document))


def _rules(document: Iterable[object]) -> Iterator[FaultRule]:
    known = {field.name for field in fields(FaultRule)}
    for entry in document:
        if not isinstance(entry, Mapping) or not set(entry) <= known:
            raise ValueError(f"a fault has only these fields: {', '.join(sorted(known))}")
        yield FaultRule(**{str(name): value for name, value in entry.items()})
