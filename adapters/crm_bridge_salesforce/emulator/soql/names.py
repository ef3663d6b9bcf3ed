"""Names of a statement looked up in the schema of an org, as the API's user sees it. It reads no record."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crm_bridge_salesforce.emulator.errors import Refused, unknown_column, unknown_relationship, unknown_type
from crm_bridge_salesforce.emulator.schema import ChildRelation, Field, Schema, SObject
from crm_bridge_salesforce.emulator.soql.lexer import malformed
from crm_bridge_salesforce.emulator.soql.tree import AllFields, Path, Query

MAX_PARENTS = 5
MAX_CHILDREN = 20


@dataclass(frozen=True, slots=True)
class Column:
    """A field of an object, or of one of its parents. `steps`: the references on the way there.

    `field` None: of a parent the schema does not describe; its value is unknown, so null.
    """

    steps: tuple[Field, ...]
    field: Field | None
    names: tuple[str, ...]


class Names:
    """What names mean in one statement."""

    def __init__(self, schema: Schema, statement: str) -> None:
        self._schema = schema
        self._statement = statement

    def source(self, query: Query) -> SObject:
        """The object after FROM."""
        found = self._schema.get(query.source)
        if found is None or not found.document.get("queryable", True):
            raise self._at(query.source_at, unknown_type(query.source))
        return found

    def relation(self, parent: SObject, query: Query) -> tuple[ChildRelation, SObject | None]:
        """The relation after FROM of a query inside another, and the object it leads to where it is known."""
        found = parent.child(query.source)
        if found is None:
            raise self._at(
                query.source_at, unknown_relationship(query.source, "FROM part of query call", "INVALID_TYPE")
            )
        return found, self._schema.get(found.child)

    def expanded(self, sobject: SObject, query: Query) -> tuple[Path | Query, ...]:
        """The select list with FIELDS() written out, without names twice."""
        found: list[Path | Query] = []
        for item in query.select:
            if isinstance(item, AllFields):
                found += self._all_fields(sobject, query, item)
            else:
                found.append(item)
        children = [item for item in found if isinstance(item, Query)]
        if len(children) > MAX_CHILDREN:
            raise Refused(400, "MALFORMED_QUERY", f"Number of child relationship queries exceeds {MAX_CHILDREN}")
        return tuple(found)

    def column(self, sobject: SObject, query: Query, path: Path) -> Column:
        """What a path of a query on an object leads to."""
        names = path.names
        if len(names) > 1 and names[0].lower() in (query.alias.lower(), query.source.lower()):
            names = names[1:]
        if len(names) > MAX_PARENTS + 1:
            raise self._at(path.at, Refused(400, "MALFORMED_QUERY", "only 5 levels of parents can be reached"))
        steps: list[Field] = []
        here: SObject | None = sobject
        for name in names[:-1]:
            if here is None:
                break
            step = here.reference(name)
            if step is None or step.name in self._schema.hidden(here.name):
                raise self._at(path.at, unknown_relationship(name, "field path", "INVALID_FIELD"))
            steps.append(step)
            here = self._target(step)
        if here is None:
            return Column(tuple(steps), None, names)
        return Column(tuple(steps), self._field(here, names[-1], path), names)

    def filterable(self, column: Column) -> Field | None:
        """The field of a condition. Raises `Refused` for long texts."""
        return self._usable(column, "filterable", "filtered")

    def sortable(self, column: Column) -> Field | None:
        """The field of an order."""
        return self._usable(column, "sortable", "sorted")

    def _usable(self, column: Column, ability: str, word: str) -> Field | None:
        if column.field is not None and not column.field.document.get(ability, True):
            detail = f"field '{column.field.name}' can not be {word} in a query call"
            raise Refused(400, "INVALID_FIELD", detail)
        return column.field

    def _field(self, sobject: SObject, name: str, path: Path) -> Field:
        field = sobject.field(name)
        if field is None or field.name in self._schema.hidden(sobject.name):
            raise self._at(path.at, unknown_column(name, sobject.name))
        return field

    def _target(self, step: Field) -> SObject | None:
        """The object of a parent; of several, the first that is known, which has the fields all have."""
        known = [found for name in step.targets if (found := self._schema.get(name)) is not None]
        return known[0] if known else None

    def _all_fields(self, sobject: SObject, query: Query, item: AllFields) -> list[Path]:
        if item.which not in ("ALL", "STANDARD", "CUSTOM"):
            raise malformed(self._statement, item.at, f"unexpected token: '{item.which}'")
        if item.which != "STANDARD" and (query.limit is None or query.limit > 200):
            raise malformed(self._statement, item.at, "The SOQL FIELDS function must have a LIMIT of at most 200")
        hidden = self._schema.hidden(sobject.name)
        wanted = {"ALL": (True, False), "STANDARD": (False,), "CUSTOM": (True,)}[item.which]
        return [
            Path((one.name,), item.at)
            for one in sobject.fields
            if one.name not in hidden and one.says("custom") in wanted
        ]

    def _at(self, at: int, refused: Refused) -> Refused:
        return malformed(self._statement, at, refused.message, refused.code)


def unlimited(query: Query) -> Query:
    """The same query with every row."""
    return replace(query, limit=None, offset=0)
