"""`/query`, `/queryAll`, their further pages, and `/search`."""

from __future__ import annotations

import re

from flask import request

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest.appearance import object_of_view
from crm_bridge_salesforce.emulator.rest.wire import Route, answer, base, body, caller, list_of, texts_in, version
from crm_bridge_salesforce.emulator.soql import parse
from crm_bridge_salesforce.emulator.sosl import Search, parse_search

_BATCH = re.compile(r"batchSize\s*=\s*(\d{1,6})", re.IGNORECASE)


class Queries:
    """The operations, on one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    @property
    def routes(self) -> tuple[Route, ...]:
        """Their table."""
        return (
            Route("GET", "/query", "query", self.query),
            Route("GET", "/query/<locator>", "query_more", self.more),
            Route("GET", "/queryAll", "query_all", self.query_all),
            Route("GET", "/queryAll/<locator>", "query_all_more", self.more),
            Route("GET", "/search", "search", self.search),
            Route("GET", "/parameterizedSearch", "parameterized_search", self.parameterized),
            Route("POST", "/parameterizedSearch", "parameterized_search_by_body", self.parameterized_by_body),
        )

    def query(self) -> HttpAnswer:
        """The first page of `q`, or the plan of `explain`."""
        if "explain" in request.args:
            return answer(200, self._plan(request.args["explain"]))
        return self._first(deleted=False)

    def query_all(self) -> HttpAnswer:
        """The same with the recycle bin."""
        return self._first(deleted=True)

    def more(self, locator: str) -> HttpAnswer:
        """A further page."""
        return answer(200, self._org.pages.more(locator))

    def search(self) -> HttpAnswer:
        """SOSL."""
        return self._found(parse_search(self._given("q", "MALFORMED_SEARCH")))

    def parameterized(self) -> HttpAnswer:
        """Words and one object in the query of the URL."""
        words = self._given("q", "MALFORMED_SEARCH")
        fields = request.args.get("fields", "Id")
        wanted = [(name, f"SELECT {fields} FROM {name}") for name in request.args.getlist("sobject")]  # noqa: S608
        return self._found(Search.of_words(words, wanted))

    def parameterized_by_body(self) -> HttpAnswer:
        """The same out of a body."""
        given = body()
        common = texts_in(given, "fields") or ["Id"]
        wanted = []
        for one in list_of(given, "sobjects") if given.get("sobjects") else ():
            fields = ", ".join(texts_in(one, "fields") or common)
            where = f" WHERE {one['where']}" if one.get("where") else ""
            wanted.append((str(one.get("name")), f"SELECT {fields} FROM {one.get('name')}{where}"))  # noqa: S608
        return self._found(Search.of_words(str(given.get("q", "")), wanted))

    def _found(self, search: Search) -> HttpAnswer:
        rows = []
        for name, statement in search.wanted or self._everything():
            hits = search.hits(self._org, name)
            rows += self._org.query(statement, caller(), version=version(), only=hits)["records"]
        return answer(200, {"searchRecords": rows[: search.limit]})

    def _everything(self) -> list[tuple[str, str]]:
        names = [one.name for one in self._org.schema.objects if one.document.get("searchable")]
        return [(name, f"SELECT Id FROM {name}") for name in names]  # noqa: S608

    def _first(self, *, deleted: bool) -> HttpAnswer:
        statement = self._given("q", "MALFORMED_QUERY")
        found = _BATCH.search(request.headers.get("Sforce-Query-Options", ""))
        batch = int(found[1]) if found else None
        return answer(200, self._org.query(statement, caller(), version=version(), deleted=deleted, batch=batch))

    def _given(self, name: str, code: str) -> str:
        text = request.args.get(name, "")
        if not text.strip():
            raise Refused(400, code, "A query string has to be specified")
        return text

    def _plan(self, statement: str) -> dict[str, object]:
        source = object_of_view(self._org, statement) or self._org.object(parse(statement).source)
        rows = sum(1 for _ in self._org.store.all_of(source.name))
        plan = {"cardinality": rows, "fields": [], "leadingOperationType": "TableScan", "relativeCost": 1.0}
        plan |= {"sobjectCardinality": rows, "sobjectType": source.name, "notes": []}
        return {"plans": [plan], "sourceQuery": statement, "url": base()}
