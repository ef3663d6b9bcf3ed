"""Outbound messages: which writes are told, the SOAP envelope, and the acknowledgement that ends redelivery.

One message has up to 100 notifications of one definition. What it says of a record is what is true when it is sent; of
a record that was deleted meanwhile, nothing but the id of the notification.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from crm_bridge.kit.emulation import Batch, Outbox, Record, RecordStore, Reply
from crm_bridge_salesforce.emulator.ids import make_id
from crm_bridge_salesforce.emulator.rules import DRAFT, SENT
from crm_bridge_salesforce.emulator.store import Store, Written

OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
ENTERPRISE = "urn:sobject.enterprise.soap.sforce.com"
API = "66.0"
_ACK = re.compile(rb"<(?:\w+:)?Ack(?:\s[^>]*)?>\s*true\s*</(?:\w+:)?Ack>")
_OTHERS = (
    "UPDATE outbox SET batch = NULL WHERE batch = ? AND state = 'pending' AND json_extract(event, '$.action') <> ?"
)


def _any(_written: Written) -> bool:
    return True


def _came_in_or_went_out(written: Written) -> bool:
    """A mail of a case that is no draft when it is made, or is saved as sent: the formula of the package's flow."""
    mail = written.after
    if mail is None or not mail["ParentId"]:
        return False
    return mail["Status"] == SENT or (written.before is None and mail["Status"] != DRAFT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """An outbound message an admin has defined, and the flow that sends it."""

    action: str
    sobject: str
    fields: tuple[str, ...]
    when: Callable[[Written], bool] = _any


DEFINITIONS = (
    Definition(action=make_id("04k", 1), sobject="Case", fields=("Id",)),
    Definition(
        action=make_id("04k", 2),
        sobject="EmailMessage",
        fields=("Id", "ParentId"),
        when=_came_in_or_went_out,
    ),
)


class MessageQueue(Outbox):
    """Notifications that wait: a message is of one definition, and only an acknowledgement ends its redelivery."""

    def __init__(self, records: RecordStore, *, batch_size: int) -> None:
        super().__init__(records, batch_size=batch_size)
        self._own = records

    def notify(self, written: Written) -> None:
        """Queue what a write is told by; nothing for a deletion."""
        if written.after is None:
            return
        for one in DEFINITIONS:
            if one.sobject == written.sobject and one.when(written):
                number = self._own.next_number("id.04l")
                self.add({"id": make_id("04l", number), "action": one.action, "record": written.after["Id"]})

    def next_batch(self) -> Batch | None:
        """The oldest message that waits; what is of another definition goes with a later one."""
        with self._own.transaction():
            batch = super().next_batch()
            if batch is None:
                return None
            action = batch.events[0]["action"]
            self._own.execute(_OTHERS, (batch.id, action))
            return Batch(id=batch.id, events=tuple(one for one in batch.events if one["action"] == action))

    def refuse(self, batch: Batch) -> None:
        """No answer but an acknowledgement means anything here."""
        self.failed(batch)


def is_acknowledged(reply: Reply) -> bool:
    """Whether the receiver took a message: a 200 alone says nothing."""
    return reply.status == 200 and _ACK.search(reply.body) is not None


def envelope(events: Sequence[Mapping[str, Any]], store: Store, *, organization: str, base_url: str) -> bytes:
    """The body of a message."""
    action = events[0]["action"]
    definition = next(one for one in DEFINITIONS if one.action == action)
    urls = {kind: f"{base_url}/services/Soap/{kind}/{API}/{organization[:15]}" for kind in "cu"}
    notifications = "".join(_notification(definition, one, store.live(one["record"])) for one in events)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f'<soapenv:Body><notifications xmlns="{OUTBOUND}">'
        f"<OrganizationId>{organization}</OrganizationId><ActionId>{action}</ActionId>"
        f'<SessionId xsi:nil="true"/><EnterpriseUrl>{urls["c"]}</EnterpriseUrl><PartnerUrl>{urls["u"]}</PartnerUrl>'
        f"{notifications}</notifications></soapenv:Body></soapenv:Envelope>"
    ).encode()


def _notification(definition: Definition, event: Mapping[str, Any], row: Record | None) -> str:
    if row is None:
        return f"<Notification><Id>{event['id']}</Id></Notification>"
    fields = "".join(_element(name, row.get(name)) for name in definition.fields)
    kind = f'xsi:type="sf:{definition.sobject}" xmlns:sf="{ENTERPRISE}"'
    return f"<Notification><Id>{event['id']}</Id><sObject {kind}>{fields}</sObject></Notification>"


def _element(name: str, value: Any) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<sf:{name}>{escape(text)}</sf:{name}>"
