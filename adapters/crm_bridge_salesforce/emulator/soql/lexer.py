"""Statements to tokens, and the form of a query's errors. It knows no grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from crm_bridge_salesforce.emulator.errors import Refused

MAX_STATEMENT = 100_000
_AROUND = 40

Kind = Literal["name", "text", "number", "moment", "mark", "end"]

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<moment>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))?(?![\w.]))
  | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
  | (?P<name>[A-Za-z]\w*(?:\.[A-Za-z]\w*)*(?::\d+)?)
  | (?P<text>'(?:[^'\\]|\\.)*')
  | (?P<mark><>|<=|>=|!=|[=<>(),])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_ESCAPES = _CONTROLS | {"'": "'", '"': '"', "\\": "\\", "_": "_", "%": "%"}
_MEANT_IN_PATTERNS = frozenset("\\_%")


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `text` as it stands, `at` where."""

    kind: Kind
    text: str
    at: int

    def means(self, word: str) -> bool:
        """Whether it is this keyword or mark, in any case."""
        return self.kind in ("name", "mark") and self.text.upper() == word


def tokens(statement: str) -> list[Token]:
    """Every token and an `end`. Raises `Refused` (MALFORMED_QUERY, QUERY_TOO_COMPLICATED)."""
    if len(statement) > MAX_STATEMENT:
        raise Refused(400, "QUERY_TOO_COMPLICATED", "The query is too long.")
    found: list[Token] = []
    at = 0
    while at < len(statement):
        match = _TOKEN.match(statement, at)
        if match is None:
            said = "line break or end inside a text" if statement[at] == "'" else f"unexpected token: '{statement[at]}'"
            raise malformed(statement, at, said)
        kind = match.lastgroup
        if kind != "space":
            found.append(Token(kind, match[0], at))  # type: ignore[arg-type]  # the groups are the kinds
        at = match.end()
    found.append(Token("end", "", at))
    return found


def unescaped(literal: str, *, keep_wildcards: bool = False) -> str | None:
    """The value of a quoted text; None for an escape that is not there. For LIKE what is escaped stays so."""
    text, at, body = "", 0, literal[1:-1]
    while at < len(body):
        if body[at] != "\\":
            text, at = text + body[at], at + 1
            continue
        letter = body[at + 1].lower() if at + 1 < len(body) else ""
        if letter not in _ESCAPES:
            return None
        kept = keep_wildcards and letter in _MEANT_IN_PATTERNS
        text += f"\\{letter}" if kept else _ESCAPES[letter]
        at += 2
    return text


def malformed(statement: str, at: int, said: str, code: str = "MALFORMED_QUERY") -> Refused:
    """An error with the place it is at: the part of the statement, a caret, row and column."""
    before = statement[:at]
    row, column = before.count("\n") + 1, at - before.rfind("\n")
    begin = max(0, at - _AROUND)
    line = " ".join(statement[begin : at + _AROUND].splitlines())
    return Refused(400, code, f"\n{line}\n{' ' * (at - begin)}^\nERROR at Row:{row}:Column:{column}\n{said}")
