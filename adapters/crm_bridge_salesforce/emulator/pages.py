"""Results of queries in pages: what of a row is shown, and the locators of the rest, at both levels.

It owns page sizes and locators (in memory, two days of the org's time, the oldest go first). Which rows there are is
`soql`'s.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crm_bridge.kit.emulation import EmulatorClock, Record
from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.ids import make_id
from crm_bridge_salesforce.emulator.schema import SObject
from crm_bridge_salesforce.emulator.soql import Evaluation
from crm_bridge_salesforce.emulator.soql.names import Column
from crm_bridge_salesforce.emulator.soql.tree import Query

LARGEST, SMALLEST = 2000, 200
LIFETIME = timedelta(days=2)
MAX_LOCATORS = 500
Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The rows of one statement, or of a query inside one, with all that is needed to show them."""

    evaluation: Evaluation
    sobject: SObject | None
    query: Query
    rows: Sequence[Record]
    version: str
    size: int
    born: datetime


class Pages:
    """Every open result of an org. `rows`: pages are never longer than that, as those of wide rows are."""

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Result] = OrderedDict()
        self._numbers = itertools.count(1)
        self.rows = LARGEST

    def first(self, evaluation: Evaluation, query: Query, *, version: str, wanted: int | None) -> Document:
        """The first page of a statement. `wanted`: the caller's batch size."""
        sobject, rows = evaluation.rows(query)
        evaluation.check(sobject, query)
        if not query.select:
            return {"totalSize": len(rows), "done": True, "records": []}
        size = min(self.rows, max(SMALLEST, min(LARGEST, wanted or LARGEST)))
        return self._page(self._result(evaluation, sobject, query, rows, version, size), 0, "")

    def more(self, locator: str) -> Document:
        """A further page. Raises `Refused` for a locator that is not open."""
        name, _, begin = locator.partition("-")
        with self._lock:
            result = self._open.get(name)
        if result is None or not begin.isdigit() or int(begin[:9]) >= len(result.rows):
            raise Refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        if result.born + LIFETIME < self._clock.now():
            raise Refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(result, int(begin), name)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _result(
        self,
        evaluation: Evaluation,
        sobject: SObject | None,
        query: Query,
        rows: Sequence[Record],
        version: str,
        size: int,
    ) -> Result:
        return Result(
            evaluation=evaluation,
            sobject=sobject,
            query=query,
            rows=rows,
            version=version,
            size=size,
            born=self._clock.now(),
        )

    def _page(self, result: Result, begin: int, name: str) -> Document:
        """As many rows as fit; those of inner queries count too."""
        shown: list[Document] = []
        left = result.size
        for row in result.rows[begin:]:
            if left <= 0:
                break
            document, inner = self._shown(result, row)
            shown.append(document)
            left -= 1 + inner
        document = {"totalSize": len(result.rows), "done": True, "records": shown}
        end = begin + len(shown)
        if end < len(result.rows):
            name = name or self._keep(result)
            document |= {"done": False, "nextRecordsUrl": f"/services/data/{result.version}/query/{name}-{end}"}
        return document

    def _keep(self, result: Result) -> str:
        name = make_id("01g", next(self._numbers))
        with self._lock:
            self._open[name] = result
            while len(self._open) > MAX_LOCATORS:
                self._open.popitem(last=False)
        return name

    def _shown(self, result: Result, row: Record) -> tuple[Document, int]:
        """One row as the API gives it, and how many rows of inner queries are in it."""
        if result.sobject is None:
            return {}, 0
        document = head(result.sobject, row, result.version)
        inner_rows = 0
        names = result.evaluation.names
        for item in names.expanded(result.sobject, result.query):
            if isinstance(item, Query):
                relation, _ = names.relation(result.sobject, item)
                document[relation.name] = inner = self._inner(result, row, item)
                inner_rows += len(inner["records"]) if inner else 0
            else:
                self._put(result, document, row, names.column(result.sobject, result.query, item))
        return document, inner_rows

    def _inner(self, result: Result, row: Record, query: Query) -> Document | None:
        child, rows = result.evaluation.children(result.sobject, row, query)  # type: ignore[arg-type]
        if not rows:
            return None
        return self._page(self._result(result.evaluation, child, query, rows, result.version, result.size), 0, "")

    def _put(self, result: Result, document: Document, row: Record, column: Column) -> None:
        here, holder = document, row
        for step in column.steps:
            parent = result.evaluation.parent(holder, (step,))
            relationship = str(step.relationship)
            if parent is None or column.field is None:
                here[relationship] = None
                return
            sobject = result.evaluation.object_of(parent)
            here = here.setdefault(relationship, head(sobject, parent, result.version) if sobject else {})
            holder = parent
        if column.field is not None:
            here[column.field.name] = holder.get(column.field.name)


def head(sobject: SObject, row: Record, version: str) -> Document:
    """What every record begins with."""
    url = f"/services/data/{version}/sobjects/{sobject.name}/{row['Id']}"
    return {"attributes": {"type": sobject.name, "url": url}}
