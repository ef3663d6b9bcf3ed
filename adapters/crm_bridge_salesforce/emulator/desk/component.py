"""What stands between the package's component and the emulated Apex: its view, decisions, own replies, and its bundle.

JSON as `crm_app/preview/README.md` says it. What may be decided is `apex.py`'s; here are only form and words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from flask import request

from crm_bridge.contract import InvalidDelivery
from crm_bridge.kit.emulation import HttpAnswer, Record, json_answer
from crm_bridge.kit.parsing import parse_json
from crm_bridge_salesforce.emulator.apex import Apex, ApexRefused, Decision
from crm_bridge_salesforce.emulator.desk.safety import MAX_BODY_BYTES
from crm_bridge_salesforce.emulator.org import APP_VERSION, Org
from crm_bridge_salesforce.emulator.replying import reply_draft
from crm_bridge_salesforce.emulator.rules import DRAFT
from crm_bridge_salesforce.emulator.values import moment_of

BUNDLE: Mapping[str, str] = {"crm-bridge-draft.js": "text/javascript", "crm-bridge-draft.css": "text/css"}
MAX_NEW, MAX_NEW_CHARS = 5, 2000
_TEXTS = ("text", "answers", "reason", "comment")
_SAID: Mapping[str, str] = {
    "unknown_decision": "Accept, edit, reject or try again: nothing else can be said.",
    "blank": "There is no text to send.",
    "too_long": "This text is longer than a reply can be.",
    "reason_missing": "Say why the draft is rejected.",
    "instruction_missing": "Say what the next draft should do.",
    "no_draft": "This draft is not here any more.",
    "not_newest": "A newer draft stands. Look at it before you decide.",
    "already_decided": "Somebody has decided on this draft already.",
    "not_ready": "This draft cannot be decided on any more.",
    "newer_message": "The customer wrote again. Read it before you answer.",
    "flags_not_acknowledged": "Look at what was remarked on this text first.",
    "flags_unreadable": "The remarks on this draft cannot be read. Tell an admin.",
}
"""The sentences of `CrmBridgeDecision`, by code."""
_STATE = {
    "kind": "CRMB_State__c",
    "sentence": "CRMB_Sentence__c",
    "action": "CRMB_Action__c",
    "reason": "CRMB_Reason__c",
    "sequence": "CRMB_Sequence__c",
    "detail": "CRMB_State_Detail__c",
}
_DRAFT = {
    "recordId": "Id",
    "draftId": "Draft_Id__c",
    "revision": "Revision__c",
    "status": "Status__c",
    "body": "Body__c",
    "finalBody": "Final_Body__c",
    "language": "Language__c",
    "sources": "Sources__c",
    "findings": "Findings__c",
    "flags": "Flags__c",
    "addressing": "Addressing__c",
    "decision": "Decision__c",
    "decidedById": "Decided_By__c",
    "emailMessageId": "Email_Message__c",
}


class Component:
    """The component's server side for one org."""

    def __init__(self, org: Org, apex: Apex) -> None:
        self._org = org
        self._apex = apex

    def view(self, case: Record) -> dict[str, Any]:
        """What the component shows of a case."""
        draft = self._apex.newest(case["Id"])
        mails = self._newest_mails(case["Id"])
        state = {name: case.get(field) for name, field in _STATE.items()}
        return {
            "caseId": case["Id"],
            "state": {**state, "since": _moment(case.get("CRMB_State_Since__c"))},
            "draft": self._draft(draft) if draft is not None else None,
            "newMessages": _unseen(mails, draft),
            "newestMessageId": mails[0]["Id"] if mails else None,
            "now": _moment(self._org.store.now()),
            "appVersion": APP_VERSION,
        }

    def decide(self, case: Record, user: str) -> HttpAnswer:
        """A person's decision out of the request's body."""
        said = _body()
        try:
            draft = self._apex.decide(_decision(said, case["Id"], user))
        except ApexRefused as refused:
            return _refusal(refused.code, refused.standing)
        done = {"status": "Status__c", "revision": "Revision__c", "emailMessageId": "Email_Message__c"}
        return json_answer(200, {name: draft[field] for name, field in done.items()})

    def start_reply(self, case: Record, user: str) -> HttpAnswer:
        """The agent's own text as a mail draft of theirs."""
        text = _text(_body(), "text")
        if not text.strip():
            return _refusal("blank", {})
        mail = reply_draft(case, text, None, self._apex.newest_mail(case["Id"]))
        made = self._org.store.put_new(self._org.object("EmailMessage"), mail, user)
        return json_answer(200, {"id": made["Id"]})

    def _draft(self, draft: Record) -> dict[str, Any]:
        decider = self._org.store.get(draft["Decided_By__c"]) if draft["Decided_By__c"] else None
        shown = {name: draft[field] for name, field in _DRAFT.items()}
        decided = {"decidedBy": decider["Name"] if decider else None, "decidedAt": _moment(draft["Decided_At__c"])}
        return shown | decided

    def _newest_mails(self, case: str) -> list[Record]:
        """Of the customer, newest first."""
        mails = self._org.store.referring("EmailMessage", "ParentId", case)
        came_in = [one for one in mails if one["Incoming"] and one["Status"] != DRAFT and not one["IsDeleted"]]
        return sorted(came_in, key=lambda one: (one["MessageDate"], one["Id"]), reverse=True)[:MAX_NEW]


def bundle_file(name: str) -> HttpAnswer | None:
    """A file of the component as it is deployed; None for any other name."""
    kind = BUNDLE.get(name)
    if kind is None:
        return None
    file = resources.files("crm_bridge_salesforce").joinpath("crm_app", "preview", "bundle", name)
    return HttpAnswer(status=200, headers=(("Content-Type", f"{kind}; charset=utf-8"),), body=file.read_bytes())


def _unseen(mails: list[Record], draft: Record | None) -> list[dict[str, Any]]:
    """What the draft does not know, oldest first."""
    seen = _seen(draft["Made_From__c"]) if draft is not None else None
    if seen is None:
        return []
    new: list[dict[str, Any]] = []
    for mail in mails:
        if mail["Id"][:15] in seen:
            break
        text = str(mail["TextBody"] or "")[:MAX_NEW_CHARS]
        author, at = mail["FromName"] or mail["FromAddress"], _moment(mail["MessageDate"])
        new.insert(0, {"id": mail["Id"], "author": author, "text": text, "sentAt": at})
    return new


def _seen(made_from: str | None) -> set[str] | None:
    try:
        found = json.loads(made_from or "")
    except ValueError:
        return None
    return {str(one)[:15] for one in found} if isinstance(found, list) else None


def _decision(said: Mapping[str, Any], case: str, user: str) -> Decision:
    revision, codes = said.get("revision"), said.get("acknowledged")
    return Decision(
        case=case,
        draft=_text(said, "draftRecordId"),
        revision=int(revision) if isinstance(revision, int | float) else -1,  # a number field comes as 2 or 2.0
        kind=_text(said, "kind"),
        user=user,
        acknowledged=[str(one)[:80] for one in codes[:50]] if isinstance(codes, list) else (),
        **{name: _text(said, name) for name in _TEXTS},
    )


def _body() -> Mapping[str, Any]:
    try:
        said = parse_json(request.get_data(), max_bytes=MAX_BODY_BYTES)
    except InvalidDelivery:
        return {}
    return said if isinstance(said, dict) else {}


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _refusal(code: str, standing: Mapping[str, Any]) -> HttpAnswer:
    known = {name: value for name, value in standing.items() if value is not None}
    if "at" in known:
        known["at"] = _moment(known["at"])
    return json_answer(409, {"code": code, "message": _SAID.get(code, "That did not work."), **known})


def _moment(stamp: str | None) -> str | None:
    return moment_of(stamp).strftime("%Y-%m-%dT%H:%M:%S.000Z") if stamp else None
