"""Drafts as records of our package, and back. Pure.

Texts are compared by a fingerprint that survives what Salesforce does to them: line ends, spaces at the ends,
composition of characters. Whether a record may be replaced is `standing.py`.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from crm_bridge.contract import (
    Agent,
    DecisionKind,
    Draft,
    DraftRef,
    Fingerprint,
    PanelState,
    Permanent,
    RemoteDecision,
    RemoteDraft,
    StateKind,
)
from crm_bridge.kit.parsing import clean_text
from crm_bridge_salesforce.ids import full, is_id
from crm_bridge_salesforce.messages import moment

Document = Mapping[str, Any]

MAX_TEXT_CHARS, MAX_JSON_CHARS = 131_072, 32_768
"""What the long text fields of the package hold."""

READY, SUPERSEDED, WITHDRAWN = "ready", "superseded", "withdrawn"
DECIDED_THERE = frozenset({"accepted", "edited", "rejected", "regenerated"})
"""Statuses that only a person's decision sets."""

OURS_AFTER = frozenset(
    {SUPERSEDED, WITHDRAWN, "handed_over", "sent", "sent_edited", "answered_otherwise", "not_sent", "expired", "late"}
)
"""Statuses that only the bridge sets: whatever was decided before, it knows of."""

_READY_WORDS = ("A draft is ready.", "Accept, edit or reject it.")


def fingerprint(text: object) -> Fingerprint:
    """What identifies a text that stands in a long text field."""
    lines = (
        unicodedata.normalize("NFC", clean_text(str(text or ""))).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    )
    return Fingerprint(
        value=hashlib.sha256("\n".join(line.rstrip() for line in lines).strip().encode()).hexdigest()[:32]
    )


# --- to the record ------------------------------------------------------------------------------------------------


def draft_fields(case: str, draft: Draft) -> dict[str, Any]:
    """The record of a new draft, without its key."""
    if len(draft.text) > MAX_TEXT_CHARS:
        raise Permanent("a draft too long for its field", code="too_long")
    return {
        "Case__c": case,
        "Draft_Id__c": draft.id[:64],
        "Revision__c": draft.revision,
        "Answers__c": draft.answers[:18],
        "Made_From__c": _json_list(draft.made_from),
        "Body__c": draft.text,
        "Language__c": draft.language[:10],
        "Sources__c": _json_list(draft.sources),
        "Findings__c": _json_list(draft.findings),
        "Flags__c": _json_list(draft.flags),
        "Addressing__c": json.dumps(plain(draft.addressing)),
        "Status__c": READY,
    }


def ready_fields(draft: Draft, now: datetime) -> dict[str, Any]:
    """What the case says while this draft stands: that it is ready. Its sequence stays what the last state had."""
    sentence, action = _READY_WORDS
    detail = {
        "kind": StateKind.READY.value,
        "draft_id": draft.id,
        "revision": draft.revision,
        "draft_status": "written",
    }
    return {
        "CRMB_State__c": StateKind.READY.value,
        "CRMB_Sentence__c": sentence,
        "CRMB_Action__c": action,
        "CRMB_Reason__c": "",
        "CRMB_State_Since__c": now.isoformat(timespec="seconds"),
        "CRMB_State_Detail__c": json.dumps({**detail, "sentence": sentence, "action": action}),
    }


def state_fields(state: PanelState, now: datetime) -> dict[str, Any]:
    """What the case says of this state."""
    detail = json.dumps(plain(state))
    if len(detail) > MAX_JSON_CHARS:
        detail = json.dumps({**plain(state), "findings": []})[:MAX_JSON_CHARS]
    return {
        "CRMB_State__c": state.kind.value,
        "CRMB_Sentence__c": state.sentence[:255],
        "CRMB_Action__c": state.action[:255],
        "CRMB_Reason__c": state.reason[:40],
        "CRMB_Sequence__c": state.sequence,
        "CRMB_State_Since__c": (state.since or now).isoformat(timespec="seconds"),
        "CRMB_State_Detail__c": detail,
    }


def plain(value: Any) -> Any:
    """A value of the contract as JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [plain(content) for content in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, StrEnum) else value


def _json_list(values: Sequence[Any]) -> str:
    """A JSON list that fits its field: what does not fit is left out at the end."""
    kept = [plain(one) for one in values]
    while len(text := json.dumps(kept)) > MAX_JSON_CHARS:
        kept = kept[: len(kept) // 2]
    return text


# --- from the record ----------------------------------------------------------------------------------------------


def remote_draft(record: Document) -> RemoteDraft | None:
    """What stands there now; None for a draft that was withdrawn."""
    status = str(record.get("Status__c") or "")
    if status == WITHDRAWN:
        return None
    changed = record.get("SystemModstamp")
    return RemoteDraft(
        ref=DraftRef(id=full(record["Id"]), fingerprint=fingerprint(record.get("Body__c"))),
        revision=int(record["Revision__c"]),
        status=status,
        text=clean_text(str(record.get("Body__c") or "")),
        decision=_decision(record) if record.get("Decision__c") else None,
        changed_at=moment(changed) if changed else None,
    )


def _decision(record: Document) -> RemoteDecision:
    person = record.get("Decided_By__r") or {}
    answers = record.get("Decision_Answers__c")
    kind = DecisionKind(record["Decision__c"])
    text = clean_text(str(record.get("Final_Body__c") or "")) if kind is DecisionKind.EDIT else None
    return RemoteDecision(
        kind=kind,
        agent=Agent(
            id=full(record["Decided_By__c"]),
            name=clean_text(str(person.get("Name") or "")),
            email=clean_text(str(person.get("Email") or "")),
        ),
        revision=int(record["Revision__c"]),
        text=text,
        answers=full(str(answers)) if is_id(answers) else None,
        acknowledged=tuple(code for code in str(record.get("Acknowledged__c") or "").split(";") if code),
        reason=str(record.get("Reason__c") or ""),
        comment=clean_text(str(record.get("Comment__c") or "")),
        decided_at=moment(record["Decided_At__c"]),
    )
