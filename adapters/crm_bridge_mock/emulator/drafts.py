"""The drafts of the embedded CRM: what the bridge wrote on a case, what became of it, and replies that went out.

It owns which write is a conflict, which draft is live, and what a decision taken in this CRM does to the record. Who
may ask, and how, is `api_service.py` (the bridge) and `service.py` (agents). Callers hold a transaction.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from crm_bridge.kit.emulation import Record
from crm_bridge_mock.emulator.state import CrmState, newer_than

LIVE = "written"
DECIDABLE = frozenset({LIVE, "failed"})
"""What a person can decide on; a reply that could not be sent can be tried again."""

STATUS_AFTER = {"accept": "accepted", "edit": "edited", "reject": "rejected", "respond": "regenerated"}


class Conflicting(Exception):
    """The CRM refuses because something else stands there. `code` names what."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def fingerprint(text: str) -> str:
    """What identifies a text, whatever line ends, trailing space or composition of characters it has."""
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return hashlib.sha256("\n".join(line.rstrip() for line in lines).strip("\n").encode()).hexdigest()


class Drafts:
    """The drafts of all cases; at most one per case is the current one."""

    def __init__(self, state: CrmState) -> None:
        self._state = state
        self._records = state.records

    # --- reading ----------------------------------------------------------------------------------------------

    def current(self, case: Mapping[str, Any]) -> Record | None:
        """The draft that stands on the case or stood there last."""
        return self._records.get("draft", case["draft"]) if case["draft"] else None

    def get(self, draft_id: str) -> Record | None:
        """A draft by the CRM's own id."""
        return self._records.get("draft", draft_id)

    def by_key(self, case_id: str, key: str) -> Record | None:
        """The draft that was written with this key."""
        return next((draft for draft in self._records.owned("draft", case_id) if draft["key"] == key), None)

    def new_messages(self, draft: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Public messages the draft was not made from, but for the reply it became."""
        public = self._state.public_messages(draft["case"])
        return [message for message in newer_than(public, draft["made_from"]) if message["draft"] != draft["draft_id"]]

    def status(self, draft: Mapping[str, Any]) -> str:
        """Its status; a live one with newer messages is superseded, whether the bridge said so or not yet."""
        return "superseded" if draft["status"] == LIVE and self.new_messages(draft) else str(draft["status"])

    # --- what the bridge does ---------------------------------------------------------------------------------

    def write(self, case: Record, wanted: Mapping[str, Any], *, key: str, replaces: str | None) -> Record:
        """Put a draft on the case. The same key is the same draft. Raises `Conflicting`."""
        known = self.by_key(case["id"], key)
        if known is not None:
            return known
        if newer_than(self._state.public_messages(case["id"]), wanted["made_from"]):
            raise Conflicting("newer_message", "A public message stands there that the draft was not made from.")
        self._check_replaceable(self.current(case), replaces)
        draft: Record = {
            "id": f"draft_{secrets.token_hex(8)}",
            "case": case["id"],
            "key": key,
            "draft_id": wanted["id"],
            **{name: wanted[name] for name in _WRITTEN_FIELDS},
            "approved_text": "",
            "status": LIVE,
            "fingerprint": fingerprint(wanted["text"]),
            "withdrawn": False,
            "decision": None,
            "taken": False,
            "changed_at": self._state.stamp(),
        }
        self._put(draft)
        case["draft"] = draft["id"]
        # A written draft says by itself that it is ready: what was shown before it is over.
        case["state"] = None
        self._state.touch(case, by="bridge")
        return draft

    def withdraw(self, draft: Record, replaces: str) -> None:
        """Take it away; fine when it is gone already. Raises `Conflicting` when a person was at it."""
        if draft["withdrawn"]:
            return
        if fingerprint(draft["text"]) != replaces:
            raise Conflicting("edited", "A person changed the text that stands there.")
        if _decided_unseen(draft):
            raise Conflicting("decided", "A person decided on it meanwhile.")
        draft["status"] = "withdrawn" if self.status(draft) == LIVE else self.status(draft)
        self._changed(draft, withdrawn=True)

    def apply_panel(self, case: Record, panel: Mapping[str, Any], sequence: int) -> bool:
        """Store what the bridge says the agent should see; what is older than what stands there changes nothing."""
        if sequence < case["panel_sequence"]:
            return False
        case["panel_sequence"] = sequence
        case["state"] = {**panel["state"], "sequence": sequence}
        draft = self.current(case)
        said = _said_of(draft, panel)
        if draft is not None and said:
            self._changed(draft, **said)
        self._state.touch(case, by="bridge")
        return True

    def mark_sent(self, draft_id: str, case: Mapping[str, Any]) -> None:
        """The reply made from it went out."""
        draft = self.current(case)
        if draft is not None and draft["draft_id"] == draft_id:
            self._changed(draft, status="sent", taken=True)

    # --- what a person does -----------------------------------------------------------------------------------

    def edit_in_place(self, draft: Record, text: str) -> None:
        """A person writes over the text that stands there."""
        self._changed(draft, text=text)

    def decide(self, case: Record, draft: Record, decision: Mapping[str, Any]) -> None:
        """Record a decision taken in this CRM and tell the bridge."""
        self._changed(draft, status=STATUS_AFTER[decision["kind"]], decision=dict(decision), taken=False)
        self._state.touch(case, by=decision["agent"]["id"])
        self._state.emit("draft.changed", case)

    def undo(self, case: Record, draft: Record, *, by: str) -> None:
        """Take a decision back before the bridge acted on it."""
        self._changed(draft, status=LIVE, decision=None)
        self._state.touch(case, by=by)
        self._state.emit("draft.changed", case)

    def _check_replaceable(self, standing: Record | None, replaces: str | None) -> None:
        if standing is None or standing["withdrawn"]:
            if replaces is not None:
                raise Conflicting("gone", "What it should replace does not stand there any more.")
            return
        if _decided_unseen(standing):
            raise Conflicting("decided", "A person decided on what stands there.")
        untouched = fingerprint(standing["text"]) == standing["fingerprint"]
        if replaces is None:
            if self.status(standing) == LIVE or not untouched:
                raise Conflicting("occupied", "Something stands there already.")
        elif replaces != fingerprint(standing["text"]):
            raise Conflicting("edited", "Something else stands there than what it should replace.")

    def _changed(self, draft: Record, **changes: Any) -> None:
        draft.update(changes, changed_at=self._state.stamp())
        self._put(draft)

    def _put(self, draft: Record) -> None:
        self._records.put("draft", draft["id"], draft, owner=draft["case"])


_WRITTEN_FIELDS: Sequence[str] = (
    "revision",
    "answers",
    "made_from",
    "text",
    "language",
    "sources",
    "findings",
    "flags",
    "addressing",
)


def _decided_unseen(draft: Mapping[str, Any]) -> bool:
    """A decision stands there that the bridge has not acted on: writing over it would lose it."""
    return draft["decision"] is not None and not draft["taken"]


def _said_of(draft: Mapping[str, Any] | None, panel: Mapping[str, Any]) -> dict[str, Any]:
    """What a panel says of this draft: status, revision, the messages it was made from."""
    if draft is None:
        return {}
    state, view = panel["state"], panel.get("draft") or {}
    said: dict[str, Any] = {}
    if state.get("draft_id") == draft["draft_id"]:
        said = {"status": state.get("draft_status"), "revision": state.get("revision")}
    if view.get("id") == draft["draft_id"]:
        said = {**said, **{name: view.get(name) for name in ("status", "revision", "made_from")}}
    said = {name: value for name, value in said.items() if value}
    if view.get("id") == draft["draft_id"]:
        said["approved_text"] = view.get("approved_text") or ""
    newer = said.get("revision", 0) > draft["revision"]
    if not newer:
        said.pop("revision", None)
    if draft["decision"] is None or "status" not in said:
        return said
    if said["status"] != LIVE:
        return {**said, "taken": True}
    if newer:
        return {**said, "decision": None, "taken": False}  # the bridge undid it
    said.pop("status")  # it did not know of the decision yet
    return said
