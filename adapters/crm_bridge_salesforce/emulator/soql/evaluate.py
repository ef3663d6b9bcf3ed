"""Rows that a statement means, and what of them it shows. It reads records and writes none; pages are `pages.py`'s."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.schema import ChildRelation, Field, SObject
from crm_bridge_salesforce.emulator.soql.likeness import like
from crm_bridge_salesforce.emulator.soql.literals import Span, span_of
from crm_bridge_salesforce.emulator.soql.names import Column, Names
from crm_bridge_salesforce.emulator.soql.tree import All, AnyOf, Comparison, Condition, Negated, Query
from crm_bridge_salesforce.emulator.store import Store

Test = Callable[[Record], bool]
Sees = Callable[[str, Record], bool]
"""(object, record): whether the caller may see it."""

_IDS = frozenset({"=", "IN"})
_ASKED_FOR_BY: Mapping[str, Sequence[str]] = {"ContentDocumentLink": ("ContentDocumentId", "LinkedEntityId")}


class Evaluation:
    """One statement on one org for one caller. `lags(record)`: it is too new for a list."""

    def __init__(
        self, store: Store, names: Names, *, sees: Sees, lags: Callable[[Record], bool], now: datetime, deleted: bool
    ) -> None:
        self._store = store
        self.names = names
        self._sees = sees
        self._lags = lags
        self._now = now
        self._deleted = deleted

    def rows(self, query: Query) -> tuple[SObject, list[Record]]:
        """The object and its rows, filtered, sorted and cut. Raises `Refused`."""
        sobject = self.names.source(query)
        test = self.test(sobject, query, query.where)
        self._check_filter(sobject, query)
        ids = self._ids(sobject, query)
        if ids is None:
            found: Iterable[Record] = (one for one in self._store.all_of(sobject.name) if not self._lags(one))
        else:
            of_object = (self._store.get(one) for one in sorted(ids) if one.startswith(sobject.prefix))
            found = (one for one in of_object if one is not None)
        return sobject, self._finished(sobject, query, found, test)

    def children(self, parent: SObject, row: Record, query: Query) -> tuple[SObject | None, list[Record]]:
        """The object and rows of a query inside another, for one row of the outer one."""
        relation, child = self.names.relation(parent, query)
        if child is None:
            return None, []
        return child, self._finished(child, query, self._related(relation, row), self.test(child, query, query.where))

    def check(self, sobject: SObject, query: Query) -> None:
        """Every name of the select lists and conditions, so that an empty result is refused as a full one is."""
        for item in self.names.expanded(sobject, query):
            if isinstance(item, Query):
                _, child = self.names.relation(sobject, item)
                if child is not None:
                    self.test(child, item, item.where)
                    self._keys(child, item)
                    self.check(child, item)
            else:
                self.names.column(sobject, query, item)

    def parent(self, row: Record, steps: Sequence[Field]) -> Record | None:
        """The record some references away."""
        here: Record | None = row
        for step in steps:
            target = here.get(step.name) if here is not None else None
            here = self._store.get(target) if target else None
        return here

    def object_of(self, row: Record) -> SObject | None:
        """The object of a record."""
        return self._store.schema.of_prefix(row["Id"])

    def value(self, row: Record, column: Column) -> Any:
        """What a row has in a column."""
        if column.field is None:
            return None
        holder = self.parent(row, column.steps)
        return holder.get(column.field.name) if holder is not None else None

    # --- conditions -----------------------------------------------------------------------------------------------

    def test(self, sobject: SObject, query: Query, condition: Condition | None) -> Test:
        """A condition as a function of a row."""
        match condition:
            case None:
                return lambda _row: True
            case Negated(part):
                inner = self.test(sobject, query, part)
                return lambda row: not inner(row)
            case All(parts):
                tests = [self.test(sobject, query, part) for part in parts]
                return lambda row: all(one(row) for one in tests)
            case AnyOf(parts):
                tests = [self.test(sobject, query, part) for part in parts]
                return lambda row: any(one(row) for one in tests)
            case Comparison():
                return self._comparison(sobject, query, condition)

    def _comparison(self, sobject: SObject, query: Query, condition: Comparison) -> Test:
        column = self.names.column(sobject, query, condition.path)
        field = self.names.filterable(column)
        if field is None:
            return lambda _row: False
        if condition.operator in ("IN", "NOT IN"):
            wanted = self._wanted(field, condition)
            inside = condition.operator == "IN"
            return lambda row: (_folded(field, self.value(row, column)) in wanted) == inside
        (literal,) = condition.values
        if condition.operator == "LIKE":
            if literal.kind != "text":
                raise Refused(400, "INVALID_FIELD", f"LIKE of field '{field.name}' needs a text in quotes")
            fits = like(literal.pattern)
            return lambda row: fits(str(self.value(row, column) or ""))
        compare, span = _COMPARE[condition.operator], span_of(field, literal, self._now)
        folded = (_folded(field, span[0]), _folded(field, span[1]))
        return lambda row: compare(_folded(field, self.value(row, column)), folded)

    def _wanted(self, field: Field, condition: Comparison) -> frozenset[Any]:
        if condition.rows is None:
            return frozenset(_folded(field, span_of(field, one, self._now)[0]) for one in condition.values)
        inner, rows = self.rows(condition.rows)
        selected = self.names.expanded(inner, condition.rows)
        if len(selected) != 1 or isinstance(selected[0], Query):
            raise Refused(400, "MALFORMED_QUERY", "a query after IN has to select one field")
        column = self.names.column(inner, condition.rows, selected[0])
        return frozenset(_folded(field, self.value(row, column)) for row in rows)

    def _ids(self, sobject: SObject, query: Query) -> frozenset[str] | None:
        """The ids a statement is limited to at its top level; None when it is not."""
        for part in _top(query):
            if part.operator in _IDS and part.rows is None:
                column = self.names.column(sobject, query, part.path)
                if not column.steps and column.field is not None and column.field.kind == "id":
                    spans = (span_of(column.field, one, self._now)[0] for one in part.values)
                    return frozenset(one for one in spans if one)
        return None

    def _check_filter(self, sobject: SObject, query: Query) -> None:
        """Some objects may only be asked for by what they belong to."""
        wanted = _ASKED_FOR_BY.get(sobject.name)
        if wanted is None or any(part.operator in _IDS and part.path.names[-1] in wanted for part in _top(query)):
            return
        detail = (
            f"Implementation restriction: {sobject.name} requires a filter by a single Id on {' or '.join(wanted)}"
            " using the equals operator or multiple Id's using the IN operator."
        )
        raise Refused(400, "MALFORMED_QUERY", detail)

    # --- rows -----------------------------------------------------------------------------------------------------

    def _related(self, relation: ChildRelation, row: Record) -> Iterable[Record]:
        return self._store.referring(relation.child, relation.field, row["Id"])

    def _finished(self, sobject: SObject, query: Query, found: Iterable[Record], test: Test) -> list[Record]:
        deleted = self._deleted or query.all_rows
        keys = self._keys(sobject, query)
        rows = [
            row for row in found if (deleted or not row["IsDeleted"]) and self._sees(sobject.name, row) and test(row)
        ]
        for key, descending in reversed(keys):
            rows.sort(key=key, reverse=descending)
        end = None if query.limit is None else query.offset + query.limit
        return rows[query.offset : end]

    def _keys(self, sobject: SObject, query: Query) -> list[tuple[Callable[[Record], Any], bool]]:
        found: list[tuple[Callable[[Record], Any], bool]] = []
        for order in query.order:
            column = self.names.column(sobject, query, order.path)
            field = self.names.sortable(column)
            # Nulls come first in either direction unless they are asked for last.
            nulls_high = order.nulls_last != order.descending
            found.append((functools.partial(self._key, column, field, nulls_high), order.descending))
        return found

    def _key(self, column: Column, field: Field | None, nulls_high: bool, row: Record) -> tuple[bool, Any]:
        value = _folded(field, self.value(row, column)) if field is not None else None
        return ((value is None) == nulls_high, 0 if value is None else value)


def _top(query: Query) -> list[Comparison]:
    """The conditions every row has to meet."""
    parts = query.where.parts if isinstance(query.where, All) else (query.where,)
    return [part for part in parts if isinstance(part, Comparison)]


def _folded(field: Field, value: Any) -> Any:
    """As values of a field are compared: texts whatever their case, but for ids and keys that keep it."""
    if not isinstance(value, str) or field.kind in ("id", "reference") or field.says("caseSensitive"):
        return value
    return value.lower()


def _equal(value: Any, span: Span) -> bool:
    first, end = span
    if first == end or value is None:
        return bool(value == first)
    return bool(first <= value < end)


def _less(value: Any, span: Span) -> bool:
    return value is not None and span[0] is not None and value < span[0]


def _more(value: Any, span: Span) -> bool:
    return value is not None and span[1] is not None and (value >= span[1] if span[0] != span[1] else value > span[1])


_COMPARE: Mapping[str, Callable[[Any, Span], bool]] = {
    "=": _equal,
    "!=": lambda value, span: not _equal(value, span),
    "<": _less,
    ">": _more,
    "<=": lambda value, span: _less(value, span) or (value is not None and _equal(value, span)),
    ">=": lambda value, span: _more(value, span) or (value is not None and _equal(value, span)),
}
