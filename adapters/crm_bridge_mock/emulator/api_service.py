"""What the embedded CRM answers to the bridge: cases, drafts, states, replies, changes, articles.

It owns the wire documents of `/api` and the rules a CRM enforces there (conflicts, keys, fences). Signatures, bytes and
faults are `api.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm_bridge.kit.emulation import Record
from crm_bridge_mock.emulator.api_payloads import FindSchema, ReplySchema, StateSchema, WithdrawSchema, WriteSchema
from crm_bridge_mock.emulator.drafts import Conflicting, Drafts, fingerprint
from crm_bridge_mock.emulator.gate import Gate
from crm_bridge_mock.emulator.payloads import load
from crm_bridge_mock.emulator.problems import Answer, problem
from crm_bridge_mock.emulator.state import CrmState, newer_than

PAGE = 50


class Api:
    """Every operation of the API; arguments are checked already, payloads are not."""

    def __init__(self, state: CrmState, drafts: Drafts, gate: Gate) -> None:
        self._state = state
        self._gate = gate
        self._records = state.records
        self._drafts = drafts

    # --- reading ----------------------------------------------------------------------------------------------

    def health(self) -> Answer:
        """The CRM is there, and what time it has."""
        return 200, {"ok": True, "time": self._state.stamp(), "profile": self._state.profile.name}

    def read_case(self, case_id: str) -> Answer:
        """The case with customer, its newest messages, a summary of its draft and what looks like a duplicate."""
        case = self._state.case(case_id)
        if case is None or case["deleted"]:
            return problem(404, "no_such_case", "There is no such case.")
        if case["merged_into"]:
            return 200, {"merged_into": case["merged_into"]}
        messages, older = self._records.owned_before("message", case_id, None, PAGE)
        draft = self._drafts.current(case)
        hidden = self._state.hidden(case_id)
        shown = {name: case[name] for name in _CASE_FIELDS}
        return 200, {
            "case": {**shown, "customer": {**case["customer"], **dict.fromkeys(hidden)}},
            "hidden": hidden,
            "messages": self._shown(messages),
            "older": older,
            "draft": self._draft(draft) if draft else None,
            "duplicates": self._state.duplicates(case),
        }

    def read_messages(self, case_id: str, before: int) -> Answer:
        """The page of messages before one."""
        messages, older = self._records.owned_before("message", case_id, before, PAGE)
        return 200, {"messages": self._shown(messages), "older": older}

    def resolve(self, kind: str, ref: str) -> Answer:
        """Which case a case id or a thread belongs to."""
        if kind == "thread":
            thread = self._state.look_for_thread(ref)
            if thread is None:
                return 200, {"status": "not_a_case", "reason": "no_such_thread"}
            if thread["looks"] <= (self._state.profile.looks_before_known or 0):
                return 200, {"status": "not_yet", "after_s": 1}
            return 200, self._resolved(thread["case"])
        if kind == "case":
            return 200, self._resolved(ref)
        return 200, {"status": "not_a_case", "reason": "unknown_kind"}

    def changes(self, cursor: int | None) -> Answer:
        """Cases changed after a cursor; without one, where to begin."""
        if cursor is None:
            return 200, {"items": [], "cursor": str(self._records.newest_sequence()), "more": False}
        changed = self._records.changed_after("case", cursor, PAGE)
        found = self._state.listed(changed)
        items = [{"case": case["id"], "version": str(case["version"]), "by": case["changed_by"]} for _, case in found]
        return 200, {"items": items, "cursor": str(found[-1][0] if found else cursor), "more": len(found) == PAGE}

    def token(self) -> Answer:
        """A fresh access token; the signature of the request is the credential."""
        return 200, self._gate.issue()

    def articles(self, cursor: int | None) -> Answer:
        """Articles changed after a cursor; without one, all of them."""
        found = self._records.changed_after("article", cursor or 0, PAGE)
        items = [article for _, article in found]
        return 200, {"items": items, "cursor": str(found[-1][0] if found else cursor or 0), "more": len(found) == PAGE}

    def read_draft(self, draft_id: str) -> Answer:
        """What stands there now."""
        draft = self._drafts.get(draft_id)
        if draft is None or draft["withdrawn"]:
            return problem(404, "no_such_draft", "There is no such draft.")
        return 200, self._draft(draft)

    # --- writing ----------------------------------------------------------------------------------------------

    def write_draft(self, case_id: str, payload: object) -> Answer:
        """Put a draft on the case: as the draft of the case, or as a note where this CRM only has notes."""
        wanted = load(WriteSchema(), payload)
        with self._records.transaction():
            case, refusal = self._living(case_id)
            if refusal is not None:
                return refusal
            if not self._state.profile.capabilities.target.readable:
                return self._write_note(case, wanted)
            try:
                draft = self._drafts.write(case, wanted["draft"], key=wanted["key"], replaces=wanted["replaces"])
            except Conflicting as conflict:
                return problem(409, conflict.code, conflict.detail)
            return 200, {"id": draft["id"], "fingerprint": draft["fingerprint"]}

    def withdraw_draft(self, draft_id: str, payload: object) -> Answer:
        """Take a draft away; fine when it is gone."""
        wanted = load(WithdrawSchema(), payload)
        if not self._state.profile.capabilities.target.withdrawable:
            return problem(405, "append_only", "Notes cannot be taken away.")
        with self._records.transaction():
            draft = self._drafts.get(draft_id)
            if draft is None:
                return 200, {"gone": True}
            try:
                self._drafts.withdraw(draft, wanted["replaces"])
            except Conflicting as conflict:
                return problem(409, conflict.code, conflict.detail)
            return 200, {"gone": True}

    def show(self, case_id: str, payload: object) -> Answer:
        """Store what the agent should see."""
        wanted = load(StateSchema(), payload)
        if not self._state.profile.capabilities.target.shows_states:
            return problem(405, "no_states", "This CRM cannot show states.")
        with self._records.transaction():
            case, refusal = self._living(case_id)
            if refusal is not None:
                return refusal
            return 200, {"applied": self._drafts.apply_panel(case, {"state": wanted}, wanted["sequence"])}

    def send(self, case_id: str, payload: object) -> Answer:
        """Send a reply, unless something newer stands there. Where keys are kept, the same key sends once."""
        wanted = load(ReplySchema(), payload)
        with self._records.transaction():
            sent = self._sent_with(self._home(case_id), wanted["key"])
            if sent is not None:
                return 200, _sent(sent)
            case, refusal = self._living(case_id)
            if refusal is not None:
                return refusal
            if self._fenced(case_id, wanted["key"], wanted["requested_at"]):
                return problem(410, "fenced", "This attempt was given up before it arrived.")
            if newer_than(self._state.public_messages(case_id), wanted["seen"]):
                return problem(409, "newer_message", "A public message stands there that the reply does not answer.")
            return 200, _sent(self._sent_now(case, wanted))

    def find_reply(self, case_id: str, payload: object) -> Answer:
        """Whether a reply with this key went out. When not, attempts that began before are refused from now on."""
        wanted = load(FindSchema(), payload)
        with self._records.transaction():
            home = self._state.case(self._home(case_id))
            if home is None or home["deleted"]:
                return problem(404, "no_such_case", "There is no such case.")
            sent = self._sent_with(home["id"], wanted["key"])
            if sent is not None:
                return 200, {"found": _sent(sent)}
            fence = {"id": f"{case_id}:{wanted['key']}", "until": wanted["asked_at"]}
            self._records.put("fence", fence["id"], fence, owner=case_id)
            return 200, {"found": None}

    # --- inside -----------------------------------------------------------------------------------------------

    def _shown(self, messages: Sequence[Record]) -> list[Record]:
        """Messages as this CRM lists them: only those its index knows, long texts cut off."""
        longest = self._state.profile.longest_text
        visible = self._state.visible(messages)
        return visible if longest is None else [_cut(message, longest) for message in visible]

    def _living(self, case_id: str) -> tuple[Record, Answer | None]:
        case = self._state.case(case_id)
        if case is None or case["deleted"]:
            return {}, problem(404, "no_such_case", "There is no such case.")
        if case["merged_into"]:
            return {}, problem(410, "merged", "This case was merged.", merged_into=case["merged_into"])
        return case, None

    def _resolved(self, case_id: str) -> dict[str, Any]:
        case = self._state.case(case_id)
        if case is None or case["deleted"]:
            return {"status": "not_a_case", "reason": "no_such_case"}
        if case["merged_into"]:
            return {"status": "merged", "into": case["merged_into"]}
        return {"status": "case", "case": case_id}

    def _draft(self, draft: Mapping[str, Any]) -> dict[str, Any]:
        shown = {name: draft[name] for name in ("id", "revision", "text", "decision", "changed_at")}
        return {**shown, "status": self._drafts.status(draft), "fingerprint": fingerprint(draft["text"])}

    def _write_note(self, case: Record, wanted: Mapping[str, Any]) -> Answer:
        """A note is a message only colleagues see; it is never changed afterwards."""
        text = wanted["draft"]["text"]
        note = next((item for item in self._state.messages(case["id"]) if item["key"] == wanted["key"]), None)
        if note is None:
            fields = {"body": text, "public": False, "key": wanted["key"]}
            note = self._state.add_message(case, fields, author=_BRIDGE)
        return 200, {"id": note["id"], "fingerprint": fingerprint(note["body"])}

    def _home(self, case_id: str) -> str:
        """Where the messages of a case are: its survivor's when it was merged."""
        case = self._state.case(case_id)
        return self._home(case["merged_into"]) if case is not None and case["merged_into"] else case_id

    def _sent_with(self, case_id: str, key: str) -> Record | None:
        if not self._state.profile.keys_sends:
            return None
        return next((item for item in self._state.public_messages(case_id) if item["key"] == key), None)

    def _fenced(self, case_id: str, key: str, requested_at: str) -> bool:
        fence = self._records.get("fence", f"{case_id}:{key}")
        return fence is not None and requested_at <= fence["until"]

    def _sent_now(self, case: Record, wanted: Mapping[str, Any]) -> Record:
        addressing = wanted["addressing"]
        fields = {
            "body": wanted["text"],
            "public": True,
            "language": wanted["language"],
            "channel": addressing["channel"],
            "to": addressing["to"],
            "cc": addressing["cc"],
            "key": wanted["key"] if self._state.profile.keeps_keys else None,
            "draft": wanted["draft_id"],
        }
        author = {**_BRIDGE, "name": wanted["approver"]["name"]}
        message = self._state.add_message(case, fields, author=author)
        self._drafts.mark_sent(wanted["draft_id"], case)
        return message


_BRIDGE = {"kind": "bridge", "id": "bridge", "name": "Reply assistant"}
_CASE_FIELDS = (
    "id",
    "number",
    "thread",
    "subject",
    "customer",
    "queue",
    "language",
    "channel",
    "priority",
    "status",
    "created_at",
    "updated_at",
    "version",
    "changed_by",
)


def _cut(message: Record, longest: int) -> Record:
    html = message["html"]
    truncated = len(message["body"]) > longest or len(html or "") > longest
    return {**message, "body": message["body"][:longest], "html": html and html[:longest], "truncated": truncated}


def _sent(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": message["id"], "sent_at": message["sent_at"]}
