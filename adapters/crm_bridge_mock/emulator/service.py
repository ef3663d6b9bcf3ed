"""The desk: everything an agent can see and do, as the JSON dictionaries of `/desk/api`.

It owns the agents' side of a case: what is shown and what may be changed. The rules of cases are `state.py`, of drafts
`drafts.py`, of decisions `decisions.py`. Every change answers `(status, JSON)`, problems as RFC 9457 documents with a
stable `code`; nothing here raises for what an agent or a browser sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_bridge_mock.emulator import views
from crm_bridge_mock.emulator.decisions import Decisions
from crm_bridge_mock.emulator.drafts import Drafts
from crm_bridge_mock.emulator.payloads import (
    CloseSchema,
    MergeSchema,
    NewCaseSchema,
    NewMessageSchema,
    Refused,
    TextSchema,
    load,
)
from crm_bridge_mock.emulator.problems import Answer, problem
from crm_bridge_mock.emulator.state import CrmState

DEFAULT_AGENT = "Demo Agent"
COLLEAGUES = (DEFAULT_AGENT, "Alex Morgan", "Mina Weber")
"""Who can be chosen from the start."""

MAX_AGENT_NAME = 100
MAX_CASES_SHOWN = 500

Change = Callable[[dict[str, Any], dict[str, str]], Answer]


class Desk:
    """What agents do. `agent` is the name they gave; any name becomes an agent, an empty one is the default agent."""

    def __init__(self, state: CrmState, drafts: Drafts, decisions: Decisions) -> None:
        self._state = state
        self._drafts = drafts
        self._decisions = decisions

    # --- reading ----------------------------------------------------------------------------------------------

    def agents(self) -> list[dict[str, Any]]:
        """`[{id, name}]`, the default agent first."""
        for name in COLLEAGUES:
            self._agent(name)
        known = self._state.records.owned("agent")
        return sorted(known, key=lambda agent: agent["name"] != DEFAULT_AGENT)

    def cases(self, agent: str) -> list[dict[str, Any]]:
        """Newest first: `[{id, number, subject, status, customer, queue, language, state, draft, …}]`."""
        known = self._agent(agent)
        return [views.summary(self._view(case, known)) for case in self._state.cases(limit=MAX_CASES_SHOWN)]

    def case(self, case_id: str, agent: str) -> dict[str, Any] | None:
        """Everything about one case, of the survivor for a merged one; None when there is none."""
        known = self._agent(agent)
        case = self._state.case(case_id)
        if case is not None and case["merged_into"]:
            case = self._state.case(case["merged_into"])
        if case is None or case["deleted"]:
            return None
        return views.full(self._view(case, known))

    # --- cases and messages -----------------------------------------------------------------------------------

    def create_case(self, payload: Mapping[str, Any], agent: str) -> Answer:
        """201 with the new case. `payload`: {subject, body, customer: {name, email}, queue?, channel?, …}."""
        try:
            wanted = load(NewCaseSchema(), payload)
        except Refused as refused:
            return refused.answer
        with self._state.records.transaction():
            case = self._state.open_case(wanted)
            self._state.add_message(case, wanted, author=views.customer_author(case))
        return 201, self._shown(case["id"], agent)

    def add_message(self, case_id: str, payload: Mapping[str, Any], agent: str) -> Answer:
        """201 with the new message. `payload`: {author: customer|agent, body, public?, html?, automatic?, …}."""
        try:
            wanted = load(NewMessageSchema(), payload)
        except Refused as refused:
            return refused.answer

        def add(case: dict[str, Any], known: dict[str, str]) -> Answer:
            author = views.customer_author(case) if wanted["author"] == "customer" else {"kind": "agent", **known}
            return 201, views.message(self._state.add_message(case, wanted, author=author))

        return self._change(case_id, agent, add)

    def close(self, case_id: str, agent: str, payload: Mapping[str, Any] | None = None) -> Answer:
        """200 with the case, closed; `payload` may be empty."""
        try:
            load(CloseSchema(), payload or {})
        except Refused as refused:
            return refused.answer

        def close(case: dict[str, Any], known: dict[str, str]) -> Answer:
            self._state.close(case, by=known["id"])
            return 200, {}

        return self._change_and_show(case_id, agent, close)

    def reopen(self, case_id: str, agent: str) -> Answer:
        """200 with the case, open again."""

        def reopen(case: dict[str, Any], known: dict[str, str]) -> Answer:
            self._state.reopen(case, by=known["id"])
            return 200, {}

        return self._change_and_show(case_id, agent, reopen)

    def merge(self, case_id: str, into: str | Mapping[str, Any], agent: str = DEFAULT_AGENT) -> Answer:
        """200 with the surviving case. `into`: its id, or a payload `{into}`."""
        try:
            wanted = load(MergeSchema(), {"into": into} if isinstance(into, str) else into)
        except Refused as refused:
            return refused.answer

        def merge(case: dict[str, Any], known: dict[str, str]) -> Answer:
            survivor = self._state.case(wanted["into"])
            if survivor is None or survivor["deleted"] or survivor["merged_into"] or survivor["id"] == case["id"]:
                return problem(409, "cannot_merge", "The case to merge into has to be another one that still exists.")
            self._state.merge(case, survivor, by=known["id"])
            return 200, {}

        status, answer = self._change(case_id, agent, merge)
        return (status, answer) if status >= 400 else (status, self._shown(wanted["into"], agent))

    def delete(self, case_id: str, agent: str = DEFAULT_AGENT) -> Answer:
        """200; the case is gone for good."""

        def delete(case: dict[str, Any], known: dict[str, str]) -> Answer:
            self._state.delete(case, by=known["id"])
            return 200, {"id": case["id"], "deleted": True}

        return self._change(case_id, agent, delete)

    # --- drafts -----------------------------------------------------------------------------------------------

    def draft_action(
        self, case_id: str, action: str, payload: Mapping[str, Any], agent: str
    ) -> tuple[int, dict[str, Any]]:
        """accept, edit, reject, respond, undo, resolve, send or working-text: `{state, draft, …}` or a problem."""
        return self._decisions.act(case_id, action, payload, self._agent(agent))

    def edit_in_place(self, case_id: str, payload: Mapping[str, Any], agent: str) -> Answer:
        """A person writes over the draft's text in the CRM itself, without deciding: `{text}`."""
        try:
            wanted = load(TextSchema(), payload)
        except Refused as refused:
            return refused.answer

        def edit(case: dict[str, Any], known: dict[str, str]) -> Answer:
            draft = self._drafts.current(case)
            if draft is None or draft["withdrawn"]:
                return problem(409, "no_draft", "There is no draft on this case.")
            self._drafts.edit_in_place(draft, wanted["text"])
            self._state.touch(case, by=known["id"])
            self._state.emit("draft.changed", case)
            return 200, {}

        return self._change_and_show(case_id, agent, edit)

    # --- inside -----------------------------------------------------------------------------------------------

    def _agent(self, name: str) -> dict[str, str]:
        cleaned = "".join(letter for letter in name if letter.isprintable()).strip()[:MAX_AGENT_NAME]
        return self._state.agent(cleaned or DEFAULT_AGENT)

    def _view(self, case: dict[str, Any], agent: Mapping[str, str]) -> views.CaseRecords:
        return views.collect(self._state, self._drafts, case, agent)

    def _shown(self, case_id: str, agent: str) -> dict[str, Any]:
        return self.case(case_id, agent) or {}

    def _change(self, case_id: str, agent: str, change: Change) -> Answer:
        """Do it in one transaction with the case as it is then."""
        known = self._agent(agent)
        with self._state.records.transaction():
            case = self._state.case(case_id)
            if case is None or case["deleted"]:
                return problem(404, "no_such_case", "There is no such case.")
            if case["merged_into"]:
                return problem(409, "merged", "This case was merged.", merged_into=case["merged_into"])
            return change(case, known)

    def _change_and_show(self, case_id: str, agent: str, change: Change) -> Answer:
        status, answer = self._change(case_id, agent, change)
        return (status, answer) if status >= 400 else (status, self._shown(case_id, agent))
