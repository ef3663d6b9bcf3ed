"""Describes out of short texts: `objects/*.toml` to the documents of `/sobjects/X/describe`.

It owns the short notation and what a describe says of a field of each type. What is done with a describe is
`schema.py`'s.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

Document = dict[str, Any]

SOAP_TYPES: Mapping[str, str] = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
}
_SYSTEM = {
    "Id": "id ro label=ID",
    "IsDeleted": "boolean ro label=Deleted",
    "CreatedDate": "datetime ro",
    "CreatedById": "reference ro to=User rel=CreatedBy",
    "LastModifiedDate": "datetime ro",
    "LastModifiedById": "reference ro to=User rel=LastModifiedBy",
    "SystemModstamp": "datetime ro",
}
_OWNER = "reference to=User|Group rel=Owner"
_ABILITIES = {"c": "createable", "u": "updateable", "d": "deletable", "s": "searchable"}


@functools.cache
def read_describes(name: str) -> tuple[Document, ...]:
    """The describes in one of the package's files. Nobody changes them."""
    text = resources.files(__package__).joinpath("objects", f"{name}.toml").read_text("utf-8")
    read = tomllib.loads(text)
    return tuple(_describe(sobject, spec) for sobject, spec in read.items())


def _describe(name: str, spec: Mapping[str, Any]) -> Document:
    """A describe; of an object that is only added to, there is no `prefix` and no system field."""
    whole = "prefix" in spec
    own = dict(_SYSTEM) | ({"OwnerId": _OWNER} if spec.get("owned") else {}) if whole else {}
    fields = [_field(field, text, custom=field.endswith("__c")) for field, text in (own | spec["fields"]).items()]
    document: Document = {"name": name, "fields": fields, "childRelationships": []}
    if not whole:
        return document
    access = spec.get("access", "cruds")
    label = spec.get("label", _words(name))
    return document | {
        "keyPrefix": spec["prefix"],
        "label": label,
        "labelPlural": spec.get("plural", f"{label}s"),
        "custom": name.endswith("__c"),
        "customSetting": False,
        "deprecatedAndHidden": False,
        "layoutable": True,
        "mergeable": bool(spec.get("mergeable")),
        "mruEnabled": "s" in access,
        "queryable": True,
        "replicateable": True,
        "retrieveable": True,
        "triggerable": True,
        "undeletable": "d" in access,
        "activateable": False,
        "feedEnabled": False,
        "searchLayoutable": "s" in access,
        "recordTypeInfos": [],
        "namedLayoutInfos": [],
        **{ability: letter in access for letter, ability in _ABILITIES.items()},
    }


def child_relationship(child: str, field: str, name: str, *, cascade: bool) -> Document:
    """An element of `childRelationships`."""
    return {
        "cascadeDelete": cascade,
        "childSObject": child,
        "deprecatedAndHidden": False,
        "field": field,
        "junctionIdListNames": [],
        "junctionReferenceTo": [],
        "relationshipName": name,
        "restrictedDelete": False,
    }


def relationships_to_others(documents: Iterable[Document]) -> Iterator[tuple[str, Document]]:
    """(parent, relation) of references out of these describes that carry their own child name."""
    for document in documents:
        for field in document["fields"]:
            for parent in field["referenceTo"]:
                if field.get("_children"):
                    yield (
                        parent,
                        child_relationship(
                            document["name"], field["name"], field["_children"], cascade=field["cascadeDelete"]
                        ),
                    )


def _parse(spec: Any) -> tuple[list[str], dict[str, str], list[str]]:
    """(leading words, words with their values, picklist values) of a field's text."""
    text, values = (spec[0], list(spec[1:])) if isinstance(spec, list) else (spec, [])
    leading, *rest = text.split()
    words = dict(word.partition("=")[::2] for word in rest)
    return [leading, *[word for word in rest if word.isdigit()]], words, values


def _field(name: str, spec: Any, *, custom: bool) -> Document:
    (kind, *length), words, values = _parse(spec)
    default = words.get("default", "").replace("·", " ")
    longest = int(length[0]) if length else 18 if kind in ("id", "reference") else 0
    fixed = bool({"ro", "auto", "calculated"} & words.keys())
    filterable = "unfiltered" not in words
    boolean = kind == "boolean"
    return {
        "aggregatable": filterable and not boolean,
        "autoNumber": "auto" in words,
        "byteLength": longest * 3 if kind not in ("id", "reference") else 18,
        "calculated": "calculated" in words,
        "cascadeDelete": "cascade" in words,
        "caseSensitive": "cased" in words,
        "createable": not fixed,
        "custom": custom,
        "defaultValue": (default == "true") if boolean else default or None,
        "defaultedOnCreate": bool(default) or fixed or boolean,
        "deprecatedAndHidden": False,
        "digits": 0,
        "externalId": "external" in words,
        "extraTypeInfo": "plaintextarea" if kind == "textarea" and not filterable else None,
        "filterable": filterable,
        "groupable": filterable and kind not in ("datetime", "double", "currency"),
        "htmlFormatted": "html" in words,
        "idLookup": kind == "id" or "external" in words,
        "label": words.get("label", _label(name)).replace("·", " "),
        "length": longest,
        "name": name,
        "nameField": "name" in words,
        "namePointing": len(words.get("to", "").split("|")) > 1,
        "nillable": "required" not in words and not fixed and not boolean,
        "permissionable": "required" not in words and not fixed,
        "picklistValues": [
            {"active": True, "defaultValue": value == default, "label": value, "validFor": None, "value": value}
            for value in values
        ],
        "polymorphicForeignKey": len(words.get("to", "").split("|")) > 1,
        "precision": 18 if kind in ("double", "currency", "percent") else 0,
        "referenceTo": [target for target in words.get("to", "").split("|") if target],
        "relationshipName": words.get("rel"),
        "relationshipOrder": 0 if "cascade" in words and custom else None,
        "restrictedPicklist": "restricted" in words,
        "scale": 0,
        "soapType": SOAP_TYPES.get(kind, "xsd:string"),
        "sortable": filterable,
        "type": kind,
        "unique": "unique" in words,
        "updateable": not fixed and "once" not in words,
        "_children": words.get("children"),
    }


def _label(name: str) -> str:
    plain = name.removesuffix("__c").replace("_", " ")
    if plain.endswith("Id") and len(plain) > 2:
        plain = plain[:-2] + " ID"
    return _words(plain)


def _words(name: str) -> str:
    text = ""
    for place, letter in enumerate(name):
        breaks = letter.isupper() and place and name[place - 1].islower()
        text += f" {letter}" if breaks else letter
    return text
