"""Decisions of agents on drafts: which is still possible, who takes it, what is answered when it comes again.

Where the bridge decides, the decision is forwarded to its panel and the answer stored at once. Where this CRM decides,
it is one transaction on the record. The same answer again (agent, decision, revision, text) gets the first result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from crm_bridge.contract import Decider, Sends
from crm_bridge.kit.emulation import Record
from crm_bridge_mock.emulator import views
from crm_bridge_mock.emulator.drafts import DECIDABLE, Drafts, fingerprint
from crm_bridge_mock.emulator.panel import Panel
from crm_bridge_mock.emulator.payloads import (
    DecisionSchema,
    Refused,
    ResolveSchema,
    SendSchema,
    UndoSchema,
    WorkingTextSchema,
    load,
)
from crm_bridge_mock.emulator.problems import Answer, problem
from crm_bridge_mock.emulator.state import CrmState

DECISIONS = frozenset({"accept", "edit", "reject", "respond"})
Agent = Mapping[str, str]
Action = Callable[[str, Mapping[str, Any], Agent], Answer]


class Decisions:
    """Every action on the draft of a case."""

    def __init__(self, state: CrmState, drafts: Drafts, panel: Panel) -> None:
        self._state = state
        self._records = state.records
        self._drafts = drafts
        self._panel = panel
        self._deciders: Mapping[Decider | None, Callable[[str, Record, dict[str, Any], Agent], Answer]] = {
            Decider.BRIDGE: self._decided_by_bridge,
            Decider.CRM: self._decided_here,
            None: lambda *_: problem(409, "nobody_decides", "Drafts are notes here: copy what you need."),
        }
        self._actions: Mapping[str, Action] = {
            "undo": self._undo,
            "resolve": self._resolve,
            "send": self._send,
            "working-text": self._keep_working_text,
        }

    def act(self, case_id: str, action: str, payload: Mapping[str, Any], agent: Agent) -> Answer:
        """One action on the current draft; everything wrong with it is a problem document."""
        try:
            if action in DECISIONS:
                return self._decide(case_id, action, payload, agent)
            if action in self._actions:
                return self._actions[action](case_id, payload, agent)
        except Refused as refused:
            return refused.answer
        return problem(404, "no_such_action", "There is no such action on a draft.")

    # --- deciding ---------------------------------------------------------------------------------------------

    def _decide(self, case_id: str, kind: str, payload: Mapping[str, Any], agent: Agent) -> Answer:
        wanted = load(DecisionSchema(), payload)
        if kind == "edit" and not (wanted["text"] or "").strip():
            return problem(400, "invalid", "An edit needs a text.")
        wanted = {**wanted, "decision": kind, "text": wanted["text"] if kind == "edit" else None}
        case = self._case(case_id)
        if (first := self._first_result(case_id, wanted, agent)) is not None:
            return 200, first
        return self._deciders[self._state.profile.decider](case_id, case, wanted, agent)

    def _decided_by_bridge(self, case_id: str, case: Record, wanted: dict[str, Any], agent: Agent) -> Answer:
        asked = self._refused_draft(case) if wanted["decision"] == "respond" else None
        if asked is None:
            draft = self._current(case)
            self._check_live(case, draft, wanted)
            wanted = _as_it_stands(draft, wanted)
            asked = draft["draft_id"]
        status, answer = self._panel.decide(asked, wanted, agent)
        if status >= 400:
            return self._explained(case_id, agent, status, answer)
        return self._store_answer(case_id, answer, agent, wanted)

    def _refused_draft(self, case: Record) -> str | None:
        """The draft the bridge says there is none of: never written here, but another one can be asked for."""
        told, standing = case["state"] or {}, self._drafts.current(case)
        if told.get("kind") != "no_draft" or not told.get("draft_id"):
            return None
        return None if standing is not None and standing["draft_id"] == told["draft_id"] else str(told["draft_id"])

    def _decided_here(self, case_id: str, _: Record, wanted: dict[str, Any], agent: Agent) -> Answer:
        with self._records.transaction():
            case = self._case(case_id)
            draft = self._current(case)
            self._check_live(case, draft, wanted)
            if draft["withdrawn"]:
                raise Refused(self._not_live(case, draft, "This draft was taken back. Wait for the next one."))
            if draft["status"] not in DECIDABLE and draft["status"] != "superseded":
                raise Refused(self._not_live(case, draft, "This draft was decided already."))
            decision = {
                "id": _decision_id(case_id, wanted, agent),
                "kind": wanted["decision"],
                "agent": dict(agent),
                "decided_at": self._state.stamp(),
                # A re-based edit is about what stands there now, not about what its author saw first.
                "revision": draft["revision"],
                **{name: wanted[name] for name in ("text", "answers", "acknowledged", "reason", "comment")},
            }
            self._check_flags(draft, decision)
            self._drafts.decide(case, draft, decision)
            if self._state.profile.capabilities.sends is Sends.AGENT and wanted["decision"] in ("accept", "edit"):
                self._put_own(
                    "mail_draft", case_id, agent, {"text": wanted["text"] or draft["text"], "draft": draft["id"]}
                )
            return 200, self._remember(case_id, wanted, agent)

    def _check_live(self, case: Record, draft: Record, wanted: Mapping[str, Any]) -> None:
        """Refuse what is not the live revision, unless it is an edit that `_is_rebased`."""
        if self._is_rebased(case, draft, wanted):
            return
        if wanted["revision"] != draft["revision"]:
            raise Refused(self._not_live(case, draft, "This is not the newest version of the draft."))
        if not self._stands(draft):
            raise Refused(self._not_live(case, draft, "Something new was said since this draft was written."))

    def _is_rebased(self, case: Record, draft: Record, wanted: Mapping[str, Any]) -> bool:
        """An edit on something that has moved on, by somebody who missed nothing that was said.

        Their words answer the newest message they name, whichever draft stands there by now; a draft that arrived
        while they were about to send must not refuse them.
        """
        moved_on = wanted["revision"] != draft["revision"] or not self._stands(draft)
        return wanted["decision"] == "edit" and moved_on and self._state.is_newest(case["id"], wanted["answers"])

    def _stands(self, draft: Record) -> bool:
        return not draft["withdrawn"] and self._drafts.status(draft) != "superseded"

    def _check_flags(self, draft: Record, decision: Mapping[str, Any]) -> None:
        blocking = {flag["code"] for flag in draft["flags"] if flag.get("severity") == "blocking"}
        missing = sorted(blocking - set(decision["acknowledged"]))
        if missing and decision["kind"] == "accept":
            detail = "Look at these remarks first and say that you did."
            raise Refused(problem(422, "flags_not_acknowledged", detail, flags=missing))

    # --- after a decision -------------------------------------------------------------------------------------

    def _undo(self, case_id: str, payload: Mapping[str, Any], agent: Agent) -> Answer:
        wanted = load(UndoSchema(), payload)
        case = self._case(case_id)
        draft = self._current(case)
        if not views.decides_here(self._state.profile):
            status, answer = self._panel.undo(draft["draft_id"], wanted, agent)
            return self._settled(case_id, agent, status, answer)
        with self._records.transaction():
            case = self._case(case_id)
            draft = self._current(case)
            if draft["decision"] is None or draft["taken"]:
                raise Refused(self._not_live(case, draft, "There is nothing left to undo."))
            self._records.delete("decision", draft["decision"]["id"])
            self._records.delete("mail_draft", f"{case_id}:{draft['decision']['agent']['id']}")
            self._drafts.undo(case, draft, by=agent["id"])
            return 200, self._view(case_id, agent)

    def _resolve(self, case_id: str, payload: Mapping[str, Any], agent: Agent) -> Answer:
        wanted = load(ResolveSchema(), payload)
        draft = self._current(self._case(case_id))
        if self._state.profile.capabilities.sends is not Sends.BRIDGE:
            return problem(409, "nothing_to_resolve", "Replies are sent by people here.")
        status, answer = self._panel.resolve(draft["draft_id"], wanted, agent)
        return self._settled(case_id, agent, status, answer)

    def _send(self, case_id: str, payload: Mapping[str, Any], agent: Agent) -> Answer:
        """Send the agent's own mail draft as an ordinary message."""
        wanted = load(SendSchema(), payload)
        with self._records.transaction():
            case = self._case(case_id)
            own = self._records.get("mail_draft", f"{case_id}:{agent['id']}")
            if own is None:
                return problem(409, "no_mail_draft", "You have no mail draft on this case.")
            author = {"kind": "agent", **agent}
            self._state.add_message(case, {"body": wanted["text"] or own["text"], "public": True}, author=author)
            self._records.delete("mail_draft", f"{case_id}:{agent['id']}")
            return 200, self._view(case_id, agent)

    def _keep_working_text(self, case_id: str, payload: Mapping[str, Any], agent: Agent) -> Answer:
        wanted = load(WorkingTextSchema(), payload)
        self._case(case_id)
        self._put_own("working_text", case_id, agent, wanted)
        return 200, {"working_text": wanted}

    # --- inside -----------------------------------------------------------------------------------------------

    def _case(self, case_id: str) -> Record:
        case = self._state.case(case_id)
        if case is None or case["deleted"]:
            raise Refused(problem(404, "no_such_case", "There is no such case."))
        if case["merged_into"]:
            raise Refused(problem(409, "merged", "This case was merged.", merged_into=case["merged_into"]))
        return case

    def _current(self, case: Record) -> Record:
        draft = self._drafts.current(case)
        if draft is None:
            raise Refused(problem(409, "no_draft", "There is no draft on this case."))
        return draft

    def _view(self, case_id: str, agent: Agent) -> dict[str, Any]:
        return views.panel(views.collect(self._state, self._drafts, self._case(case_id), agent))

    def _store_answer(self, case_id: str, answer: dict[str, Any], agent: Agent, wanted: dict[str, Any]) -> Answer:
        with self._records.transaction():
            self._apply(case_id, answer)
            return 200, self._remember(case_id, wanted, agent)

    def _settled(self, case_id: str, agent: Agent, status: int, answer: dict[str, Any]) -> Answer:
        if status >= 400:
            return self._explained(case_id, agent, status, answer)
        with self._records.transaction():
            self._apply(case_id, answer)
            return 200, self._view(case_id, agent)

    def _apply(self, case_id: str, answer: Mapping[str, Any]) -> None:
        case = self._case(case_id)
        self._drafts.apply_panel(case, answer, int(answer["sequence"]))

    def _explained(self, case_id: str, agent: Agent, status: int, answer: dict[str, Any]) -> Answer:
        """The bridge's refusal, with what is shown now."""
        return status, {**self._view(case_id, agent), **answer}

    def _not_live(self, case: Record, draft: Record, detail: str) -> Answer:
        decision = draft["decision"] or {}
        told = case["state"] or {}
        new = [views.message(item) for item in self._drafts.new_messages(draft)]
        by = decision.get("agent", {}).get("name") or told.get("by") or ""
        at = decision.get("decided_at") or told.get("since") or draft["changed_at"]
        more = {"by": by, "at": at, "revision": draft["revision"], "new_messages": new, "state": case["state"]}
        return problem(409, "not_live", detail, **more)

    def _put_own(self, kind: str, case_id: str, agent: Agent, data: Mapping[str, Any]) -> None:
        record = {**data, "id": f"{case_id}:{agent['id']}", "at": self._state.stamp()}
        self._records.put(kind, record["id"], record, owner=case_id)

    def _first_result(self, case_id: str, wanted: Mapping[str, Any], agent: Agent) -> dict[str, Any] | None:
        first = self._records.get("decision", _decision_id(case_id, wanted, agent))
        return first["result"] if first else None

    def _remember(self, case_id: str, wanted: Mapping[str, Any], agent: Agent) -> dict[str, Any]:
        result = self._view(case_id, agent)
        record_id = _decision_id(case_id, wanted, agent)
        self._records.put("decision", record_id, {"id": record_id, "result": result}, owner=case_id)
        return result


def _as_it_stands(draft: Record, wanted: dict[str, Any]) -> dict[str, Any]:
    """Who accepts what a person wrote over the draft means that text: to the bridge it is an edit."""
    if wanted["decision"] != "accept" or fingerprint(draft["text"]) == draft["fingerprint"]:
        return wanted
    return {**wanted, "decision": "edit", "text": draft["text"]}


def _decision_id(case_id: str, decision: Mapping[str, Any], agent: Agent) -> str:
    """The same answer again has the same id: agent, decision, revision, text."""
    said = json.dumps([case_id, agent["id"], decision["decision"], decision["revision"], decision["text"]])
    return hashlib.sha256(said.encode()).hexdigest()
