"""`/actions/standard/emailSimple`: a mail that goes out at once. It owns what such a mail leaves on the case."""

from __future__ import annotations

from typing import Any

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.ids import full_id_or_none
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest.wire import Route, answer, base, body, caller, list_of
from crm_bridge_salesforce.emulator.rules import SENT

NAME = "emailSimple"
MOST_RECIPIENTS = 150
_SUPPORT = "support@example.com"


class Actions:
    """The operations, on one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    @property
    def routes(self) -> tuple[Route, ...]:
        """Their table."""
        return (
            Route("GET", "/actions", "actions", self.kinds),
            Route("GET", "/actions/standard", "standard_actions", self.known),
            Route("GET", f"/actions/standard/{NAME}", "describe_email", self.describe),
            Route("POST", f"/actions/standard/{NAME}", "send_email", self.send),
        )

    def kinds(self) -> HttpAnswer:
        """Where actions are."""
        return answer(200, {"standard": f"{base()}/actions/standard", "custom": f"{base()}/actions/custom"})

    def known(self) -> HttpAnswer:
        """The one that is played."""
        action = {"label": "Send Email", "name": NAME, "type": "EMAIL_SIMPLE"}
        return answer(200, {"actions": [action | {"url": f"{base()}/actions/standard/{NAME}"}]})

    def describe(self) -> HttpAnswer:
        """What it takes."""
        names = ("emailAddresses", "emailSubject", "emailBody", "senderType", "senderAddress", "relatedRecordId")
        inputs = [{"name": name, "label": name, "type": "STRING", "required": name == "emailBody"} for name in names]
        action = {"name": NAME, "label": "Send Email", "type": "EMAIL_SIMPLE"}
        return answer(200, {**action, "inputs": inputs, "outputs": []})

    def send(self) -> HttpAnswer:
        """A result for each input; 400 when none of them went out."""
        inputs = list_of(body(), "inputs")
        results = [self._sent(one) for one in inputs]
        failed = results and not any(one["isSuccess"] for one in results)
        return answer(400 if failed else 200, results)

    def _sent(self, given: dict[str, Any]) -> dict[str, Any]:
        try:
            self._send(given)
        except Refused as refused:
            return _result(refused.result["errors"])
        return _result(None)

    def _send(self, given: dict[str, Any]) -> None:
        text = given.get("emailAddresses") or given.get("recipientAddresses") or ""
        to = [one.strip() for one in str(text).split(",") if one.strip()]
        if not given.get("emailBody") or not given.get("emailSubject") or not to:
            raise Refused(400, "REQUIRED_FIELD_MISSING", "Missing required input parameter", [])
        if len(to) > MOST_RECIPIENTS:
            raise Refused(400, "LIMIT_EXCEEDED", f"At most {MOST_RECIPIENTS} recipients", [])
        related = full_id_or_none(given.get("relatedRecordId"))
        if related is None or not given.get("logEmailOnSend"):
            return
        if self._org.seen(caller(), related) is None:
            raise Refused(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])
        values = {"RelatedToId": related, "Subject": given["emailSubject"], "TextBody": given["emailBody"]}
        values |= {"ToAddress": "; ".join(to), "FromAddress": given.get("senderAddress") or _SUPPORT}
        values |= {"Status": SENT, "Incoming": False, "IsExternallyVisible": True}
        self._org.store.put_new(self._org.object("EmailMessage"), values, caller())


def _result(errors: Any) -> dict[str, Any]:
    return {"actionName": NAME, "errors": errors, "isSuccess": errors is None, "outputValues": None}
