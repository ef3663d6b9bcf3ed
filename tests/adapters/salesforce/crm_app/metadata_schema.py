"""Checks a metadata file against the Metadata API's WSDL, which simple-salesforce ships. Knows nothing of our files.

Stricter than deploying tools, which find such mistakes only in an org: unknown, missing, repeated and scattered
elements, and values that are no boolean, number or word of an enumeration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby

from lxml import etree

XSD = "{http://www.w3.org/2001/XMLSchema}"
METADATA = "{http://soap.sforce.com/2006/04/metadata}"
_SIMPLE = {
    "boolean": re.compile(r"true|false"),
    "int": re.compile(r"-?\d+"),
    "double": re.compile(r"-?\d+(\.\d+)?"),
}
_NOT_IN_THE_WSDL = {"targetConfigs"}
"""Elements whose content the WSDL leaves open (an encoded document there, plain XML in source format)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Element:
    """One child an element of a type may have."""

    type: str
    required: bool
    many: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """Complex types with their children, inherited ones included, and enumerations with their words."""

    types: Mapping[str, Mapping[str, Element]]
    words: Mapping[str, frozenset[str]]


@cache
def schema() -> Schema:
    root = etree.fromstring(files("simple_salesforce").joinpath("metadata.wsdl").read_bytes())
    own: dict[str, tuple[str | None, dict[str, Element]]] = {}
    for item in root.iter(f"{XSD}complexType"):
        if item.get("name"):
            base = item.find(f".//{XSD}extension")
            children = {child.get("name"): _element(child) for child in item.iter(f"{XSD}element")}
            own[item.get("name")] = (base.get("base").split(":")[1] if base is not None else None, children)
    words = {
        item.get("name"): frozenset(word.get("value") for word in item.iter(f"{XSD}enumeration"))
        for item in root.iter(f"{XSD}simpleType")
    }

    def whole(name: str) -> dict[str, Element]:
        base, children = own[name]
        return {**(whole(base) if base else {}), **children}

    return Schema(types={name: whole(name) for name in own}, words={name: kind for name, kind in words.items() if kind})


def _element(child: etree._Element) -> Element:
    return Element(
        type=child.get("type", "anyType").split(":")[-1],
        required=child.get("minOccurs", "1") != "0",
        many=child.get("maxOccurs", "1") == "unbounded",
    )


def problems(document: bytes) -> list[str]:
    """What Salesforce would refuse in this file, one sentence each; empty when all is well."""
    root = etree.fromstring(document)
    name = etree.QName(root).localname
    if root.tag != f"{METADATA}{name}" or name not in schema().types:
        return [f"{name} is no metadata type"]
    return list(_check(root, name, name))


def _check(node: etree._Element, kind: str, path: str) -> Iterator[str]:
    known = schema().types[kind]
    present = [etree.QName(child).localname for child in node if isinstance(child.tag, str)]
    yield from (f"{path}: {name} is missing" for name, one in known.items() if one.required and name not in present)
    runs = [name for name, _ in groupby(present)]
    yield from (f"{path}: {name} is scattered" for name in sorted(set(runs)) if runs.count(name) > 1)
    for name in sorted(set(present)):
        if name in known and not known[name].many and present.count(name) > 1:
            yield f"{path}: {name} stands twice"
    for child in node:
        if isinstance(child.tag, str):
            yield from _check_child(child, known, path)


def _check_child(child: etree._Element, known: Mapping[str, Element], path: str) -> Iterator[str]:
    name = etree.QName(child).localname
    where = f"{path}/{name}"
    if name in _NOT_IN_THE_WSDL:
        return
    if name not in known:
        yield f"{where} does not exist"
        return
    kind = known[name].type
    text = child.text or ""
    if kind in schema().words and text not in schema().words[kind]:
        yield f"{where}: {text!r} is not in {kind}"
    elif kind in _SIMPLE and not _SIMPLE[kind].fullmatch(text):
        yield f"{where}: {text!r} is no {kind}"
    elif kind in schema().types:
        yield from _check(child, kind, where)
