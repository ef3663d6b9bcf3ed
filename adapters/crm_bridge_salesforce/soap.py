"""Outbound Messages: SOAP in, Ack out. Pure.

Guarded against everything XML can do: size, depth, entities, external references, document types, odd encodings.
Elements are found by namespace, never by prefix. Of a message only who sent it and which records it names are taken.
Source: SOAP API guide, "Understanding Outbound Messaging"; recorded envelopes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from crm_bridge.contract import InvalidDelivery
from crm_bridge_salesforce.ids import full, is_id

OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
SOBJECT = "urn:sobject.enterprise.soap.sforce.com"
PARTNER_SOBJECT = "urn:sobject.partner.soap.sforce.com"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"

MAX_BYTES = 262_144
MAX_DEPTH = 32
MAX_NOTIFICATIONS = 100
"""The most Salesforce puts into one message."""

_ENCODING = re.compile(rb"""^<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_TYPE = re.compile(r"(?:[A-Za-z_][\w.-]{0,60}:)?([A-Za-z][A-Za-z0-9_]{0,79})")

_ACK = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    f'<soapenv:Envelope xmlns:soapenv="{ENVELOPE}"><soapenv:Body>'
    f'<notificationsResponse xmlns="{OUTBOUND}"><Ack>{{}}</Ack></notificationsResponse>'
    "</soapenv:Body></soapenv:Envelope>"
)
ACK, NO_ACK = _ACK.format("true").encode(), _ACK.format("false").encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """One notification: its own id, the type and id of its record, and the case that record names, where it does.

    A record that was deleted before the message was sent is not in it: `kind` and `record` are empty then.
    """

    id: str
    kind: str = ""
    record: str = ""
    parent: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundMessage:
    """One message of one org."""

    organization: str
    notifications: tuple[Notification, ...]


def parse(body: bytes) -> OutboundMessage:
    """What a message says. Raises `InvalidDelivery` and nothing else, quoting nothing of it."""
    root = _root(body)
    found = root.find(f"./{{{ENVELOPE}}}Body/{{{OUTBOUND}}}notifications")
    if root.tag != f"{{{ENVELOPE}}}Envelope" or found is None:
        raise InvalidDelivery("this is no Outbound Message of Salesforce")
    organization = _text(found, f"{{{OUTBOUND}}}OrganizationId")
    if not is_id(organization):
        raise InvalidDelivery("the message names no organization")
    entries = found.findall(f"{{{OUTBOUND}}}Notification")
    if len(entries) > MAX_NOTIFICATIONS:
        raise InvalidDelivery(f"a message holds at most {MAX_NOTIFICATIONS} notifications")
    return OutboundMessage(organization=full(organization), notifications=tuple(_notification(one) for one in entries))


def _notification(entry: Element) -> Notification:
    identity, record = _text(entry, f"{{{OUTBOUND}}}Id"), entry.find(f"{{{OUTBOUND}}}sObject")
    if not is_id(identity):
        raise InvalidDelivery("a notification has an id")
    if record is None:
        return Notification(id=full(identity))
    kind = _TYPE.fullmatch(record.get(f"{{{INSTANCE}}}type", ""))
    fields = dict(_fields(record))
    if kind is None or not is_id(fields.get("Id")):
        raise InvalidDelivery("a record has a type and an id")
    parent = fields.get("ParentId", "")
    return Notification(
        id=full(identity), kind=kind[1], record=full(fields["Id"]), parent=full(parent) if is_id(parent) else None
    )


def _fields(record: Element) -> Iterator[tuple[str, str]]:
    """The two fields that are looked at; a record whose data is gone may have its id only."""
    for namespace in (SOBJECT, PARTNER_SOBJECT):
        for name in ("Id", "ParentId"):
            value = _text(record, f"{{{namespace}}}{name}")
            if value:
                yield name, value


def _text(parent: Element, tag: str) -> str:
    found = parent.find(tag)
    return (found.text or "").strip() if found is not None else ""


# --- guarded parsing ----------------------------------------------------------------------------------------------


class _Shallow(DefusedXMLParser):  # type: ignore[misc]
    """Refuses document types and entities (defusedxml), and nesting that would exhaust whoever walks the tree."""

    def __init__(self) -> None:
        super().__init__(forbid_dtd=True, forbid_entities=True, forbid_external=True)
        self._depth = 0
        self.parser.StartElementHandler = self._opened(self.parser.StartElementHandler)
        self.parser.EndElementHandler = self._closed(self.parser.EndElementHandler)

    def _opened(self, then: Any) -> Any:
        def handle(*arguments: Any) -> Any:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise InvalidDelivery(f"the message is nested deeper than {MAX_DEPTH}")
            return then(*arguments)

        return handle

    def _closed(self, then: Any) -> Any:
        def handle(*arguments: Any) -> Any:
            self._depth -= 1
            return then(*arguments)

        return handle


def _root(body: bytes) -> Element:
    if len(body) > MAX_BYTES:
        raise InvalidDelivery(f"the message is larger than {MAX_BYTES} bytes")
    declared = _ENCODING.match(body)
    if declared is not None and declared[1].lower() not in (b"utf-8", b"us-ascii"):
        raise InvalidDelivery("the message is not in UTF-8")
    parser = _Shallow()
    try:
        parser.feed(body)
        root: Element = parser.close()
    except InvalidDelivery:
        raise
    except (ParseError, DefusedXmlException, ValueError, LookupError, TypeError, AttributeError, OverflowError):
        raise InvalidDelivery("the body is no XML that is read here") from None
    return root
