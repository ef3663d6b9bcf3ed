"""What an agent is shown of the records: the JSON of `/desk/api`. It reads and never changes anything.

Fields only ever grow. Authors are `customer` or `agent` here, whoever of ours wrote it; `by_assistant` tells the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm_bridge.contract import Decider, Mutability, Sends
from crm_bridge_mock.emulator.drafts import LIVE, Drafts
from crm_bridge_mock.emulator.state import CrmState
from crm_bridge_mock.profiles import Profile

_STATE_FIELDS = (
    "kind",
    "sentence",
    "action",
    "reason",
    "by",
    "since",
    "undo_until",
    "revision",
    "sequence",
    "findings",
)
_DRAFT_FIELDS = ("revision", "text", "language", "answers", "made_from", "sources", "findings", "flags", "addressing")
_CASE_FIELDS = (
    "id",
    "number",
    "subject",
    "status",
    "customer",
    "queue",
    "language",
    "channel",
    "priority",
    "created_at",
    "updated_at",
)
_MESSAGE_FIELDS = ("id", "channel", "direction", "html", "public", "language", "sent_at", "to", "cc", "attachments")


AUTOMATIC = "automatic"
"""The desk's own reason: nobody has said anything yet but machines."""

_ASKS_FOR_REPLY = frozenset({"no_draft", "rejected"})
"""States that end with the agent's own reply, of which the bridge has nothing more to say."""

_DECIDED = frozenset({"sending", "sent", "could_not_send", "unconfirmed", "handed_over", "rejected"})
"""States that somebody's decision led to."""

_READY = "A draft is ready."
_HAND_OVER = "A draft is ready to hand over."
_DECIDE = "Accept, edit or reject it."


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseRecords:
    """Everything one view of a case is made of."""

    case: Mapping[str, Any]
    messages: list[dict[str, Any]]
    draft: Mapping[str, Any] | None
    draft_status: str
    new_messages: list[Mapping[str, Any]]
    working_text: Mapping[str, Any] | None
    mail_draft: Mapping[str, Any] | None
    profile: Profile


def collect(state: CrmState, drafts: Drafts, case: Mapping[str, Any], agent: Mapping[str, str]) -> CaseRecords:
    """Read what a view of this case needs."""
    draft = drafts.current(case)
    own = f"{case['id']}:{agent['id']}"
    return CaseRecords(
        case=case,
        messages=state.messages(case["id"]),
        draft=draft,
        draft_status=drafts.status(draft) if draft else "",
        new_messages=drafts.new_messages(draft) if draft else [],
        working_text=state.records.get("working_text", own),
        mail_draft=state.records.get("mail_draft", own),
        profile=state.profile,
    )


def full(view: CaseRecords) -> dict[str, Any]:
    """`GET /desk/api/cases/<id>`."""
    return {
        **summary(view),
        "messages": [message(item) for item in view.messages],
        "draft": _draft(view),
        "new_messages": [message(item) for item in view.new_messages],
        "working_text": view.working_text,
        "mail_draft": view.mail_draft,
        "decided_by": _decider(view.profile),
        "sent_by": str(view.profile.capabilities.sends),
    }


def summary(view: CaseRecords) -> dict[str, Any]:
    """One row of `GET /desk/api/cases`."""
    public = [item for item in view.messages if item["public"]]
    last = public[-1] if public else None
    draft = view.draft
    brief = _brief(draft, view.draft_status) if draft else None
    return {
        **{name: view.case[name] for name in _CASE_FIELDS},
        "state": _state(view, next((item for item in reversed(public) if not item["headers"]), None)),
        "draft": brief,
        "last_message_at": last["sent_at"] if last else view.case["created_at"],
        "last_author": _author(last) if last else None,
    }


def _brief(draft: Mapping[str, Any], status: str) -> dict[str, Any]:
    return {"id": draft["draft_id"], "revision": draft["revision"], "status": status, "blocked": _blocked(draft)}


def _blocked(draft: Mapping[str, Any]) -> bool:
    """A remark on it has to be acknowledged before it can be sent."""
    return any(flag["severity"] == "blocking" for flag in draft["flags"])


def message(record: Mapping[str, Any]) -> dict[str, Any]:
    """One message of a thread."""
    return {
        **{name: record[name] for name in _MESSAGE_FIELDS},
        "author": _author(record),
        "author_name": record["author"].get("name", ""),
        "body": record["body"],
        "automatic": bool(record["headers"]),
        "by_assistant": record["author"]["kind"] == "bridge",
    }


def panel(view: CaseRecords) -> dict[str, Any]:
    """What a decision answers: the state, the draft, what is new."""
    shown = full(view)
    return {"case": shown["id"], **{name: shown[name] for name in ("state", "draft", "new_messages", "mail_draft")}}


def customer_author(case: Mapping[str, Any]) -> dict[str, str]:
    """The customer of a case as the author of a message."""
    customer = case["customer"]
    return {"kind": "customer", "id": customer["id"], "name": customer["name"] or customer["email"]}


def _author(record: Mapping[str, Any]) -> str:
    return "customer" if record["author"]["kind"] == "customer" else "agent"


def _decider(profile: Profile) -> str:
    return str(profile.decider or "nobody")


def _draft(view: CaseRecords) -> dict[str, Any] | None:
    draft = view.draft
    if draft is None:
        return None
    decision = draft["decision"]
    return {
        "id": draft["draft_id"],
        **{name: draft[name] for name in _DRAFT_FIELDS},
        # Once somebody has decided, what they approved is what is on its way.
        "text": draft["text"] if view.draft_status == LIVE else draft.get("approved_text") or draft["text"],
        "status": view.draft_status,
        "blocked": _blocked(draft),
        "changed_at": draft["changed_at"],
        "decided_by": decision["agent"]["name"] if decision else _decided_by(view),
    }


def _decided_by(view: CaseRecords) -> str:
    """Where the bridge decides it says by whom; before that, and for a draft it speaks of no more, nobody has."""
    told = view.case["state"] or {}
    of_this = view.draft is not None and told.get("draft_id") == view.draft["draft_id"]
    return str(told.get("by") or "") if of_this and told.get("kind") in _DECIDED else ""


_WITHOUT_STATES = {
    Mutability.APPEND: "Drafts stand here as internal notes.",
    Mutability.REPLACE: "A draft stands here in a field of the case: copy what you need.",
}


def _state(view: CaseRecords, last: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the bridge showed last; before its first word, what can be said without it."""
    told = view.case["state"]
    if told is not None:
        shown = {**{name: told.get(name) for name in _STATE_FIELDS}, "reason": told.get("reason") or None}
        return {**shown, **_answered_since(told, last)}
    revision = view.draft["revision"] if view.draft else 0
    told_last = max(0, view.case["panel_sequence"])
    return {**dict.fromkeys(_STATE_FIELDS), "sequence": told_last, "revision": revision, **_untold(view, last)}


def _answered_since(told: Mapping[str, Any], last: Mapping[str, Any] | None) -> dict[str, Any]:
    """Where there was no draft to send, the agent's own reply is the end of it."""
    if told["kind"] not in _ASKS_FOR_REPLY or last is None or _author(last) != "agent":
        return {}
    return {
        "kind": "answered_otherwise",
        "sentence": "This was answered without a draft.",
        "action": "Nothing to do.",
        "reason": None,
        "by": last["author"].get("name", ""),
        "since": last["sent_at"],
        "findings": [],
    }


def _untold(view: CaseRecords, last: Mapping[str, Any] | None) -> dict[str, Any]:
    if view.case["status"] == "open" and last is None and any(item["public"] for item in view.messages):
        sentence = "Only automatic replies stand here: nobody waits for an answer."
        return {"kind": "answered_otherwise", "reason": AUTOMATIC, "sentence": sentence}
    if view.case["status"] != "open" or last is None or _author(last) == "agent":
        return {"kind": "answered_otherwise", "sentence": "There is nothing to draft at the moment."}
    target = view.profile.capabilities.target
    if not target.shows_states:
        return {"kind": "no_draft", "reason": "policy", "sentence": _WITHOUT_STATES[target.mutability]}
    if view.draft is not None and view.draft_status == "written":
        by_agent = view.profile.capabilities.sends is Sends.AGENT
        return {"kind": "ready", "sentence": _HAND_OVER if by_agent else _READY, "action": _DECIDE}
    return {"kind": "drafting", "sentence": "A reply is being drafted."}


def decides_here(profile: Profile) -> bool:
    """Whether decisions are records of this CRM rather than calls to the bridge."""
    return profile.decider is Decider.CRM
