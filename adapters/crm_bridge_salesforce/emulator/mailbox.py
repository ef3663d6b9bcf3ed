"""What comes in and goes out by mail, as Email-to-Case leaves it in the records: contact, case, mails, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm_bridge.contract import Attachment
from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.replying import as_html
from crm_bridge_salesforce.emulator.rules import NEW, SENT

SUPPORT = "support@example.com"


class Mailbox:
    """The address of the support, on one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def new_case(self, subject: str, body: str, address: str) -> Record:
        """A mail that belongs to no case yet."""
        people = self._org.people
        with self._org.records.transaction():
            contact = self._contact(address)
            values = {"Subject": subject, "Description": body, "Origin": "Email", "ContactId": contact["Id"]}
            values |= {"SuppliedEmail": address, "SuppliedName": contact["Name"], "OwnerId": people.admin}
            case = self._put("Case", values, people.automatic)
            self.came_in(case, body)
        return case

    def came_in(self, case: Record, body: str, files: Sequence[Attachment] = (), **more: Any) -> Record:
        """A mail of the customer; `more` are further fields of it."""
        by, customer = self._org.people.automatic, case["SuppliedEmail"] or case["ContactEmail"]
        values = {"Incoming": True, "Status": NEW, "FromAddress": customer, "ToAddress": SUPPORT}
        values |= {"FromName": case["SuppliedName"], "HasAttachment": bool(files)}
        with self._org.records.transaction():
            mail = self._mail(case, body, values | more, by)
            for file in files:
                self._attach(mail, file, by)
        return mail

    def went_out(self, case: Record, body: str, by: str) -> Record:
        """A mail an agent sent."""
        customer = case["SuppliedEmail"] or case["ContactEmail"]
        values = {"Incoming": False, "Status": SENT, "FromAddress": SUPPORT, "ToAddress": customer}
        return self._mail(case, body, values | {"FromName": "Support"}, by)

    def send(self, draft: Record, text: str | None, by: str) -> Record:
        """A mail draft goes out as the agent left it; `text` None: as it stands."""
        values: dict[str, Any] = {"Status": SENT, "IsPrivateDraft": False, "IsExternallyVisible": True}
        values |= {"FromAddress": SUPPORT}
        if text is not None:
            values |= {"TextBody": text, "HtmlBody": as_html(text)}
        return self._org.store.change(self._org.object("EmailMessage"), draft, values, by)

    def _mail(self, case: Record, body: str, values: Mapping[str, Any], by: str) -> Record:
        common = {"ParentId": case["Id"], "Subject": case["Subject"], "TextBody": body, "IsExternallyVisible": True}
        return self._put("EmailMessage", {**common, **values}, by)

    def _attach(self, mail: Record, file: Attachment, by: str) -> None:
        """A document linked to the mail. Its type is told by the end of its name alone."""
        title, dot, extension = file.name.rpartition(".") if "." in file.name else (file.name, "", "")
        values = {"Title": title, "FileExtension": extension or None, "ContentSize": file.size}
        made = self._put("ContentDocument", {**values, "FileType": extension.upper() if dot else "UNKNOWN"}, by)
        self._put("ContentDocumentLink", {"LinkedEntityId": mail["Id"], "ContentDocumentId": made["Id"]}, by)

    def _contact(self, address: str) -> Record:
        known = self._org.store.referring("Contact", "Email", address)
        if known:
            return known[0]
        first, _, last = address.partition("@")[0].replace(".", " ").title().rpartition(" ")
        values = {"FirstName": first or None, "LastName": last or address, "Email": address, "Phone": "+1 202 555 0143"}
        return self._put("Contact", values, self._org.people.automatic)

    def _put(self, sobject: str, values: Mapping[str, Any], by: str) -> Record:
        return self._org.store.put_new(self._org.object(sobject), values, by)
