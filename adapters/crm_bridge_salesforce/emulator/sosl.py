"""SOSL: what is sought, where and how it is shown, and which records have the words. Pages of results it has none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.schema import Field

LARGEST = 2000
MOST_WILDCARDS = 3
_TEXTS = frozenset({"string", "textarea", "email", "phone", "url", "picklist"})


def _any(_field: Field) -> bool:
    return True


_GROUPS: Mapping[str, Callable[[Field], bool]] = {
    "NAME": lambda field: field.says("nameField"),
    "EMAIL": lambda field: field.kind == "email",
    "PHONE": lambda field: field.kind == "phone",
}
_FIND = re.compile(
    r"\s*FIND\s*\{(?P<words>(?:[^\\{}]|\\.)*)\}"
    r"(?:\s*IN\s+(?P<group>ALL|NAME|EMAIL|PHONE|SIDEBAR)\s+FIELDS)?(?P<rest>.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_LIMIT = re.compile(r"\bLIMIT\s+(\d{1,5})\s*\Z", re.IGNORECASE)
_OBJECT = re.compile(r"\s*([A-Za-z]\w*)\s*(\()?")
_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|\bOR\b|\bAND\b|(?:\\.|[^\s"])+', re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """`words`: alternatives, each a list of patterns that all have to match. `wanted`: (object, SOQL) for the rows."""

    words: tuple[tuple[re.Pattern[str], ...], ...]
    group: str = "ALL"
    wanted: tuple[tuple[str, str], ...] = ()
    limit: int = LARGEST

    @classmethod
    def of_words(cls, words: str, wanted: Sequence[tuple[str, str]]) -> Search:
        """Words in every field of these objects. Raises `Refused`."""
        return cls(words=_words(words), wanted=tuple(wanted))

    def hits(self, org: Org, name: str) -> frozenset[str]:
        """Ids of the records of an object that have the words."""
        sobject = org.object(name)
        hidden = org.schema.hidden(sobject.name)
        fits = _GROUPS.get(self.group, _any)
        fields = [one.name for one in sobject.fields if one.kind in _TEXTS and one.name not in hidden and fits(one)]
        rows = (one for one in org.store.all_of(sobject.name) if not one["IsDeleted"] and org.is_listed(one))
        return frozenset(row["Id"] for row in rows if self._has(" ".join(_texts(row, fields))))

    def _has(self, text: str) -> bool:
        low = text.lower()
        return any(all(one.search(low) for one in every) for every in self.words)


def parse_search(statement: str) -> Search:
    """What a SOSL statement asks for. Raises `Refused` (MALFORMED_SEARCH)."""
    found = _FIND.match(statement)
    if found is None:
        raise _malformed("No search term found. The search term must be enclosed in braces.")
    rest = found["rest"].strip()
    limit = _LIMIT.search(rest)
    if limit is not None:
        rest = rest[: limit.start()].strip()
    if rest and not rest.upper().startswith("RETURNING"):
        raise _malformed(f"unexpected token: {rest.split()[0][:60]}")
    return Search(
        words=_words(found["words"]),
        group=(found["group"] or "ALL").upper(),
        wanted=tuple(_wanted(rest[len("RETURNING") :])) if rest else (),
        limit=min(int(limit[1]), LARGEST) if limit else LARGEST,
    )


def _wanted(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _OBJECT.match(text, at)
        if found is None:
            raise _malformed(f"unexpected token: {text[at : at + 60]}")
        name, inner, at = found[1], "Id", found.end()
        if found[2]:
            end = _closing(text, at)
            inner, at = text[at:end].strip(), end + 1
        yield name, _statement(name, inner)
        rest = re.compile(r"\s*(,|\Z)").match(text, at)
        if rest is None:
            raise _malformed(f"unexpected token: {text[at : at + 60]}")
        at = rest.end()


def _statement(name: str, inner: str) -> str:
    """`Id, Name WHERE … LIMIT 3` as SOQL."""
    clause = re.search(r"\b(WHERE|ORDER\s+BY|LIMIT|OFFSET|USING)\b", inner, re.IGNORECASE)
    fields, rest = (inner[: clause.start()], inner[clause.start() :]) if clause else (inner, "")
    return f"SELECT {fields.strip() or 'Id'} FROM {name} {rest}".strip()  # noqa: S608


def _closing(text: str, begin: int) -> int:
    depth, quoted, at = 1, False, begin
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            at += 1
        elif letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            if not depth:
                return at
        at += 1
    raise _malformed("unexpected end of the search")


def _words(text: str) -> tuple[tuple[re.Pattern[str], ...], ...]:
    alternatives: list[list[re.Pattern[str]]] = [[]]
    for part in _PART.finditer(text):
        if part[0] == "OR":
            alternatives.append([])
        elif part[0] != "AND":
            alternatives[-1].append(_pattern(part[1] if part[1] is not None else part[0]))
    found = tuple(tuple(one) for one in alternatives if one)
    if not found:
        raise _malformed("No search term found. The search term must be enclosed in braces.")
    return found


def _pattern(word: str) -> re.Pattern[str]:
    """A word or a phrase: whole words, `*` for any end, `?` for one letter; other marks part words."""
    plain = re.sub(r"\\(.)", lambda escaped: escaped[1] if escaped[1].isalnum() else " ", word.lower())
    pieces = [re.escape(piece).replace(r"\*", r"\w*").replace(r"\?", r"\w") for piece in re.findall(r"[\w*?]+", plain)]
    if plain.count("*") > MOST_WILDCARDS:
        raise _malformed(f"search term has too many wildcards: {word[:60]}")
    if sum(len(piece) for piece in pieces) < 2:
        raise _malformed(f"search term must be longer than one character: {word[:60]}")
    return re.compile(r"\b" + r"\W+".join(pieces) + r"\b")


def _texts(row: dict[str, Any], fields: Sequence[str]) -> Iterator[str]:
    return (str(row[name]) for name in fields if row.get(name))


def _malformed(said: str) -> Refused:
    return Refused(400, "MALFORMED_SEARCH", said)
