"""Tokens to a tree, by recursive descent. It owns the grammar; names are not looked up here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.soql.lexer import Token, malformed, tokens, unescaped
from crm_bridge_salesforce.emulator.soql.tree import (
    All,
    AllFields,
    AnyOf,
    Comparison,
    Condition,
    Negated,
    Operator,
    Order,
    Path,
    Query,
    Value,
)

One = TypeVar("One")

MAX_DEPTH = 40
MAX_OFFSET = 2000
_OPERATORS: dict[str, Operator] = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_RESERVED = frozenset(
    {"SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "ORDER", "LIMIT", "OFFSET", "LIKE", "IN", "BY", "GROUP", "HAVING"}
)
_AFTER_SOURCE = _RESERVED | {"USING", "WITH", "FOR", "ALL", "UPDATE"}


def parse(statement: str) -> Query:
    """The tree of a statement. Raises `Refused` and nothing else, whatever the text."""
    reader = _Reader(statement)
    query = reader.query(depth=0)
    reader.expect_end()
    return query


class _Reader:
    def __init__(self, statement: str) -> None:
        self._statement = statement
        self._tokens = tokens(statement)
        self._place = 0

    # --- tokens ---------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        if token.kind != "end":
            self._place += 1
        return token

    def _accept(self, *words: str) -> bool:
        """Take these words if they come next."""
        coming = self._tokens[self._place : self._place + len(words)]
        if len(coming) < len(words) or not all(one.means(word) for one, word in zip(coming, words, strict=True)):
            return False
        self._place += len(words)
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise self._unexpected()

    def _unexpected(self) -> Refused:
        token = self._next
        said = "unexpected end of the query" if token.kind == "end" else f"unexpected token: '{token.text[:60]}'"
        return malformed(self._statement, token.at, said)

    def _name(self) -> Token:
        token = self._next
        if token.kind != "name" or token.text.upper() in _RESERVED or ":" in token.text:
            raise self._unexpected()
        return self._take()

    def expect_end(self) -> None:
        """Nothing may follow."""
        if self._next.kind != "end":
            raise self._unexpected()

    # --- a query --------------------------------------------------------------------------------------------------

    def query(self, *, depth: int) -> Query:
        """From SELECT to whatever ends it."""
        self._check_depth(depth)
        self._expect("SELECT")
        counted = self._accept("COUNT", "(", ")")
        select = () if counted else self._select(depth)
        self._expect("FROM")
        source = self._name()
        alias = self._take().text if self._is_alias() else ""
        if self._accept("USING", "SCOPE"):
            self._name()
        where = self._conditions(depth + 1) if self._accept("WHERE") else None
        if self._accept("WITH"):
            self._name()
        order = self._list(self._order) if self._accept("ORDER", "BY") else ()
        limit = self._number("LIMIT")
        offset = self._number("OFFSET") or 0
        if offset > MAX_OFFSET:
            detail = f"Maximum SOQL offset allowed is {MAX_OFFSET}"
            raise Refused(400, "NUMBER_OUTSIDE_VALID_RANGE", detail)
        while self._accept("FOR"):
            if not any(self._accept(word) for word in ("VIEW", "REFERENCE", "UPDATE")):
                raise self._unexpected()
        return Query(
            select=select,
            source=source.text,
            source_at=source.at,
            alias=alias,
            where=where,
            order=order,
            limit=limit,
            offset=offset,
            all_rows=self._accept("ALL", "ROWS"),
        )

    def _is_alias(self) -> bool:
        self._accept("AS")
        return self._next.kind == "name" and self._next.text.upper() not in _AFTER_SOURCE

    def _select(self, depth: int) -> tuple[Path | Query | AllFields, ...]:
        return self._list(lambda: self._item(depth))

    def _item(self, depth: int) -> Path | Query | AllFields:
        if self._accept("("):
            inner = self.query(depth=depth + 1)
            self._expect(")")
            return inner
        at = self._next.at
        if self._accept("FIELDS", "("):
            which = self._name().text.upper()
            self._expect(")")
            return AllFields(which, at)
        return self._path()

    def _path(self) -> Path:
        token = self._name()
        return Path(tuple(token.text.split(".")), token.at)

    def _order(self) -> Order:
        path = self._path()
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        nulls_last = False
        if self._accept("NULLS"):
            nulls_last = self._accept("LAST")
            if not nulls_last:
                self._expect("FIRST")
        return Order(path, descending, nulls_last)

    def _number(self, word: str) -> int | None:
        if not self._accept(word):
            return None
        token = self._next
        if token.kind != "number" or not token.text.isdigit() or len(token.text) > 9:
            raise self._unexpected()
        return int(self._take().text)

    def _list(self, read: Callable[[], One]) -> tuple[One, ...]:
        found = [read()]
        while self._accept(","):
            found.append(read())
        return tuple(found)

    # --- conditions -----------------------------------------------------------------------------------------------

    def _conditions(self, depth: int) -> Condition:
        """AND or OR; both at one level need parentheses, as in the product."""
        self._check_depth(depth)
        parts = [self._condition(depth)]
        for word, join in (("AND", All), ("OR", AnyOf)):
            if not self._next.means(word):
                continue
            while self._accept(word):
                parts.append(self._condition(depth))
            return join(tuple(parts))
        return parts[0]

    def _condition(self, depth: int) -> Condition:
        self._check_depth(depth)
        if self._accept("NOT"):
            return Negated(self._condition(depth + 1))
        if self._accept("("):
            inner = self._conditions(depth + 1)
            self._expect(")")
            return inner
        return self._comparison(depth)

    def _comparison(self, depth: int) -> Comparison:
        path = self._path()
        if self._accept("LIKE"):
            return Comparison(path, "LIKE", (self._value(),))
        negated = self._accept("NOT")
        if self._accept("IN"):
            return self._membership(path, "NOT IN" if negated else "IN", depth)
        operator = _OPERATORS.get(self._next.text)
        if negated or operator is None or self._next.kind != "mark":
            raise self._unexpected()
        self._take()
        return Comparison(path, operator, (self._value(),))

    def _membership(self, path: Path, operator: Operator, depth: int) -> Comparison:
        self._expect("(")
        if self._next.means("SELECT"):
            found = Comparison(path, operator, (), self.query(depth=depth + 1))
        else:
            found = Comparison(path, operator, self._list(self._value))
        self._expect(")")
        return found

    def _value(self) -> Value:
        token = self._next
        if token.kind in ("number", "moment", "name"):
            self._take()
            kind = "word" if token.kind == "name" else token.kind
            return Value(kind, token.text, token.at)
        text = unescaped(token.text) if token.kind == "text" else None
        if text is None:
            raise self._unexpected()
        self._take()
        return Value("text", text, token.at, unescaped(token.text, keep_wildcards=True) or "")

    def _check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise malformed(self._statement, self._next.at, "the query is nested too deeply", "QUERY_TOO_COMPLICATED")
