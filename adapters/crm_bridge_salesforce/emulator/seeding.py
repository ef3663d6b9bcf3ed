"""Example cases and articles: `seeds/*.json` as records of an empty org, as if they had happened just now.

It owns loading; the content is data. Ages are minutes before the start, so the list of cases always looks alive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from importlib import resources
from typing import Any

from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.desk.acting import DEMO_AGENT
from crm_bridge_salesforce.emulator.mailbox import SUPPORT
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rules import NEW, SENT
from crm_bridge_salesforce.emulator.values import stamp

COLLEAGUE = "Kim Lee"


def seed(org: Org) -> int:
    """Load the examples unless there is a case already; how many cases were made."""
    if next(org.store.all_of("Case"), None) is not None:
        return 0
    cases = _read("cases.json")
    with org.records.transaction():
        if org.has("Knowledge__kav"):
            for article in _read("articles.json"):
                _put(org, "Knowledge__kav", {**article, "PublishStatus": "Online"}, org.people.admin)
        for case in sorted(cases, key=lambda one: -int(one["mails"][0]["age_minutes"])):
            _open(org, case)
    return len(cases)


def _open(org: Org, told: Mapping[str, Any]) -> None:
    mails, customer = told["mails"], _contact(org, told["contact"])
    values = {
        "Subject": told["subject"],
        "Description": mails[0]["text"],
        "Origin": "Email",
        "Priority": told.get("priority", "Medium"),
        "Language": told.get("language"),
        "ContactId": customer["Id"],
        "SuppliedName": customer["Name"],
        "SuppliedEmail": customer["Email"],
        "OwnerId": org.people.id_of(DEMO_AGENT),
        "CreatedDate": _ago(org, mails[0]),
    }
    case = _put(org, "Case", values, org.people.automatic)
    for mail in mails:
        _say(org, case, customer, mail)


def _say(org: Org, case: Record, customer: Record, told: Mapping[str, Any]) -> None:
    at, text = _ago(org, told), told["text"]
    if told["by"] == "note":
        values = {"ParentId": case["Id"], "CommentBody": text, "IsPublished": False, "CreatedDate": at}
        _put(org, "CaseComment", values, org.people.id_of(COLLEAGUE))
        return
    came_in = told["by"] == "customer"
    values = {"ParentId": case["Id"], "Subject": case["Subject"], "TextBody": text, "IsExternallyVisible": True}
    values |= {"Incoming": came_in, "Status": NEW if came_in else SENT, "MessageDate": at, "CreatedDate": at}
    values |= {"Headers": told.get("headers")}
    if came_in:
        values |= {"FromAddress": customer["Email"], "FromName": customer["Name"], "ToAddress": SUPPORT}
    else:
        values |= {"FromAddress": SUPPORT, "FromName": "Support", "ToAddress": customer["Email"]}
    _put(org, "EmailMessage", values, org.people.automatic if came_in else org.people.id_of(COLLEAGUE))


def _contact(org: Org, told: Mapping[str, Any]) -> Record:
    known = org.store.referring("Contact", "Email", told["email"])
    if known:
        return known[0]
    first, _, last = told["name"].rpartition(" ")
    values = {"FirstName": first or None, "LastName": last, "Email": told["email"], "Phone": told.get("phone")}
    return _put(org, "Contact", values, org.people.automatic)


def _ago(org: Org, told: Mapping[str, Any]) -> str:
    return stamp(org.clock.now() - timedelta(minutes=told["age_minutes"]))


def _put(org: Org, sobject: str, values: Mapping[str, Any], by: str) -> Record:
    return org.store.put_new(org.object(sobject), values, by)


def _read(name: str) -> list[dict[str, Any]]:
    file = resources.files("crm_bridge_salesforce.emulator").joinpath("seeds", name)
    found: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))
    return found
