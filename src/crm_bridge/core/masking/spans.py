"""Where in a text something has to be masked: a span, and how overlapping ones become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a token stands for. The first of the list wins when spans overlap."""

    CARD = "CARD"
    IBAN = "IBAN"
    WALLET = "WALLET"
    SSN = "SSN"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    IP = "IP"
    CVV = "CVV"
    DOB = "DOB"
    ACCOUNT = "ACCOUNT"
    ADDRESS = "ADDRESS"
    ID = "ID"
    NAME = "NAME"
    TEXT = "TEXT"
    """Text of a person that looks like one of our tokens: it comes back as it was and as nothing else."""


_RANK = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` is a `kind`."""

    kind: Kind
    start: int
    end: int


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, overlapping ones joined: every character any of them covers stays covered."""
    result: list[Span] = []
    for span in sorted(spans, key=lambda item: (item.start, -item.end)):
        if result and span.start < result[-1].end:
            before = result[-1]
            kind = min(before.kind, span.kind, key=_RANK.__getitem__)
            result[-1] = Span(kind, before.start, max(before.end, span.end))
        else:
            result.append(span)
    return result
