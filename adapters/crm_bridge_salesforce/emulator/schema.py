"""What objects and fields an org has, as data: describes, those of the package and those recorded from a real org.

It owns names (any case finds them), relations and which fields the API's user may not see. It holds no record.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crm_bridge_salesforce.emulator.describing import Document, read_describes, relationships_to_others

MAX_FIELDS = 2000


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `document` is its part of the describe."""

    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.document["name"])

    @property
    def label(self) -> str:
        return str(self.document.get("label") or self.name)

    @property
    def kind(self) -> str:
        return str(self.document["type"])

    @property
    def targets(self) -> tuple[str, ...]:
        """Objects it can refer to."""
        return tuple(self.document.get("referenceTo") or ())

    @property
    def relationship(self) -> str | None:
        """The name under which the record it refers to is reached."""
        return self.document.get("relationshipName")

    @property
    def is_required(self) -> bool:
        """A create without it is refused."""
        says = self.document
        optional = says.get("nillable", True) or says.get("defaultedOnCreate")
        return says.get("createable") is True and not optional

    def says(self, what: str) -> bool:
        """A yes-or-no of the describe, e.g. `createable`."""
        return bool(self.document.get(what))


@dataclass(frozen=True, slots=True)
class ChildRelation:
    """Records of `child` that refer to a record by `field`."""

    name: str
    child: str
    field: str
    cascades: bool


class SObject:
    """One object of the org."""

    def __init__(self, document: Document) -> None:
        self.document = {key: value for key, value in document.items() if key not in ("fields", "childRelationships")}
        self._fields: dict[str, Field] = {}
        self._children: list[Document] = []
        self.add(document)

    @property
    def name(self) -> str:
        return str(self.document["name"])

    @property
    def label(self) -> str:
        return str(self.document.get("label") or self.name)

    @property
    def prefix(self) -> str:
        return str(self.document.get("keyPrefix") or "")

    @property
    def fields(self) -> Iterator[Field]:
        """In the order of the describe."""
        return iter(self._fields.values())

    @property
    def children(self) -> Iterator[ChildRelation]:
        """Relations that have a name."""
        for one in self._children:
            if one.get("relationshipName"):
                yield ChildRelation(
                    one["relationshipName"], one["childSObject"], one["field"], bool(one.get("cascadeDelete"))
                )

    def add(self, document: Mapping[str, Any]) -> None:
        """Fields and relations of another describe of the same object; it wins where both know one."""
        for field in list(document.get("fields") or ())[:MAX_FIELDS]:
            known = self._fields.get(field["name"].lower())
            self._fields[field["name"].lower()] = Field({**(known.document if known else {}), **field})
        for child in document.get("childRelationships") or ():
            self.relate(child)

    def relate(self, child: Document) -> None:
        """One more child relation."""
        mark = (child["childSObject"], child["field"])
        self._children = [one for one in self._children if (one["childSObject"], one["field"]) != mark] + [child]

    def field(self, name: str) -> Field | None:
        """Whatever the case."""
        return self._fields.get(name.lower())

    def reference(self, relationship: str) -> Field | None:
        """The field behind a relation to a parent."""
        wanted = relationship.lower()
        return next((one for one in self.fields if (one.relationship or "").lower() == wanted), None)

    def child(self, relationship: str) -> ChildRelation | None:
        """The relation of this name to children."""
        wanted = relationship.lower()
        return next((one for one in self.children if one.name.lower() == wanted), None)

    def describe(self, hidden: frozenset[str]) -> Document:
        """The whole document, without what the caller may not see."""
        fields = [
            {key: value for key, value in one.document.items() if not key.startswith("_")}
            for one in self.fields
            if one.name not in hidden
        ]
        return {**self.document, "fields": fields, "childRelationships": copy.deepcopy(self._children)}


class Schema:
    """Every object of one org. `installed`: whether the package of crm_bridge is."""

    def __init__(self, now: datetime, *, installed: bool = True) -> None:
        self._objects: dict[str, SObject] = {}
        self._hidden: set[tuple[str, str]] = set()
        self.changed_at = now
        documents = read_describes("standard") + (read_describes("package") if installed else ())
        for document in documents:
            self.load_describe(document)
        for parent, relation in relationships_to_others(documents):
            known = self.get(parent)
            if known is not None:
                known.relate(relation)

    def load_describe(self, document: Document) -> SObject:
        """Take over an object, or more fields and relations of a known one, as a real org describes it.

        Raises `ValueError` for what is no describe.
        """
        if not isinstance(document.get("name"), str) or not isinstance(document.get("fields"), list):
            raise ValueError("a describe has a name, fields and childRelationships")  # noqa: TRY004 - a bad file
        known = self.get(document["name"])
        if known is None:
            known = self._objects[document["name"].lower()] = SObject(document)
        else:
            news = {key: value for key, value in document.items() if key not in ("fields", "childRelationships")}
            known.document.update(news)
            known.add(document)
        return known

    def get(self, name: str) -> SObject | None:
        """Whatever the case."""
        return self._objects.get(name.lower())

    def of_prefix(self, record_id: str) -> SObject | None:
        """The object a record id belongs to."""
        return next((one for one in self.objects if one.prefix and record_id.startswith(one.prefix)), None)

    @property
    def objects(self) -> Iterator[SObject]:
        """By name."""
        return iter(sorted(self._objects.values(), key=lambda one: one.name))

    # --- field-level security -------------------------------------------------------------------------------------

    def hide(self, sobject: str, field: str, now: datetime) -> None:
        """The API's user may not see this field from now on."""
        self._hidden.add((sobject, field))
        self._changed(now)

    def show_all(self, now: datetime) -> None:
        """Every field may be seen again."""
        self._hidden.clear()
        self._changed(now)

    def _changed(self, now: datetime) -> None:
        """A describe's time has whole seconds: a change within one would pass for none."""
        self.changed_at = max(now, self.changed_at + timedelta(seconds=1))

    def hidden(self, sobject: str) -> frozenset[str]:
        """The fields of an object that may not be seen."""
        return frozenset(field for owner, field in self._hidden if owner == sobject)
