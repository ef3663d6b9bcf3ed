"""What a SOQL statement says, as values. Nothing here is resolved against an org."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "LIKE", "IN", "NOT IN"]


@dataclass(frozen=True, slots=True)
class Path:
    """`Owner.Name`; `at` is where it stands."""

    names: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Value:
    """A literal. `kind`: text, number, moment, word (true, false, null, TODAY, LAST_N_DAYS:3)."""

    kind: str
    value: Any
    at: int
    pattern: str = ""
    """For LIKE: the text with its escaped wildcards."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition. `values` has one element but for IN; `rows` is a query in its place."""

    path: Path
    operator: Operator
    values: tuple[Value, ...] = ()
    rows: Query | None = None


@dataclass(frozen=True, slots=True)
class All:
    """AND."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """OR."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """NOT."""

    part: Condition


Condition = Comparison | All | AnyOf | Negated


@dataclass(frozen=True, slots=True)
class Order:
    """One key of ORDER BY."""

    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class AllFields:
    """FIELDS(ALL), FIELDS(STANDARD), FIELDS(CUSTOM)."""

    which: str
    at: int


@dataclass(frozen=True, slots=True)
class Query:
    """A statement, or a query inside one. `select` is empty for COUNT()."""

    select: tuple[Path | Query | AllFields, ...]
    source: str
    source_at: int
    alias: str = ""
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    all_rows: bool = False
