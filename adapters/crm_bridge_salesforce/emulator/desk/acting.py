"""What people do in the emulated org besides deciding on drafts: write as the customer, send and discard mail drafts.

It owns bounds on what a form may bring. What a write means is the org's own rules'.
"""

from __future__ import annotations

from collections.abc import Mapping

from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.mailbox import Mailbox
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.people import AUTOMATIC, INTEGRATION
from crm_bridge_salesforce.emulator.rules import CLOSED, DRAFT
from crm_bridge_salesforce.emulator.values import is_address

DEMO_AGENT = "Demo Agent"
MAX_TEXT, MAX_SUBJECT, MAX_ADDRESS = 30_000, 255, 80
_NOT_PEOPLE = frozenset({INTEGRATION, AUTOMATIC})


class Acting:
    """The people of one org. Every method changes records and raises `Refused` where the org does."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._mailbox = Mailbox(org)

    def users(self) -> list[Record]:
        """Whom one can be, Demo Agent first."""
        self._org.people.id_of(DEMO_AGENT)
        people = [one for one in self._org.store.all_of("User") if one["IsActive"] and one["Name"] not in _NOT_PEOPLE]
        return sorted(people, key=lambda one: (one["Name"] != DEMO_AGENT, one["Name"]))

    def new_case(self, form: Mapping[str, str]) -> str:
        """A mail of a customer to the support: {email, subject, body}; the id of its case."""
        address = _line(form, "email", MAX_ADDRESS)
        if not is_address(address):
            raise Refused(400, "INVALID_EMAIL_ADDRESS", "That is no e-mail address.", ["email"])
        subject, body = _line(form, "subject", MAX_SUBJECT), _text(form, "body")
        if not subject or not body:
            raise Refused(400, "REQUIRED_FIELD_MISSING", "A mail needs a subject and a text.", ["subject", "body"])
        return str(self._mailbox.new_case(subject, body, address)["Id"])

    def customer_writes(self, case: Record, form: Mapping[str, str]) -> None:
        """The customer answers: {body}."""
        self._mailbox.came_in(case, _required(form))

    def send(self, mail: Record, form: Mapping[str, str], user: str) -> None:
        """An agent sends their own mail draft: {body}."""
        self._mailbox.send(self._own_draft(mail, user), _required(form), user)

    def discard(self, mail: Record, user: str) -> None:
        """An agent throws their own mail draft away."""
        self._org.store.delete(self._org.object("EmailMessage"), self._own_draft(mail, user)["Id"], user)

    def set_status(self, case: Record, status: str, user: str) -> None:
        """Close a case, or open it again."""
        if status not in (CLOSED, "Working"):
            raise Refused(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "There is no such status.", ["Status"])
        self._org.store.change(self._org.object("Case"), case, {"Status": status}, user)

    def _own_draft(self, mail: Record, user: str) -> Record:
        if mail["Status"] != DRAFT or mail["CreatedById"] != user:
            raise Refused(400, "INSUFFICIENT_ACCESS_OR_READONLY", "This e-mail is not a draft of yours any more.", [])
        return mail


def _required(form: Mapping[str, str]) -> str:
    text = _text(form, "body")
    if not text:
        raise Refused(400, "REQUIRED_FIELD_MISSING", "There is no text.", ["body"])
    return text


def _text(form: Mapping[str, str], name: str) -> str:
    return form.get(name, "").replace("\r\n", "\n").replace("\x00", "").strip()[:MAX_TEXT]


def _line(form: Mapping[str, str], name: str, longest: int) -> str:
    return " ".join(form.get(name, "").replace("\x00", "").split())[:longest]
