"""A desk in memory that shows every state of the closed list and plays the ones a browser test walks through.

It keeps the rules the pages rely on (only the live revision can be decided, blocking flags are acknowledged, any other
public message supersedes) and nothing else; the real help desk is tested on its own.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_bridge.contract import NoDraftReason, StateKind

SENTENCES = {
    StateKind.DRAFTING: ("A reply is being drafted.", "Wait, or write your own reply."),
    StateKind.READY: ("A draft is ready.", "Accept, edit or reject it."),
    StateKind.NO_DRAFT: ("No draft: no knowledge article answers this.", "Answer yourself, or try again with a hint."),
    StateKind.SUPERSEDED: ("Something new was said; a new draft is coming.", "Read what is new; your text is kept."),
    StateKind.SENDING: ("The reply is being sent.", "Undo while you can."),
    StateKind.HANDED_OVER: ("The text is in your own mail draft.", "Send it there."),
    StateKind.SENT: ("The reply was sent.", "Nothing to do."),
    StateKind.COULD_NOT_SEND: ("The reply could not be sent.", "Try again, or edit it first."),
    StateKind.UNCONFIRMED: ("It is not certain whether the reply went out.", "Look in the thread, then say."),
    StateKind.REJECTED: ("The draft was rejected.", "Write your own reply, or ask for another."),
    StateKind.ANSWERED_OTHERWISE: ("The case was answered otherwise.", "Nothing to do."),
    StateKind.DECIDED_TOO_LATE: ("This decision came too late. Nothing was sent.", "Decide on the newest draft."),
}
_WITHOUT_DRAFT = {StateKind.DRAFTING, StateKind.NO_DRAFT}
_STATUS = {
    StateKind.READY: "written",
    StateKind.SENDING: "approved",
    StateKind.COULD_NOT_SEND: "failed",
    StateKind.DECIDED_TOO_LATE: "superseded",
}
TEXT = "Hello Anna,\n\nyou can reset your password with the link on the sign-in page.\n\nBest regards,\nDemo Agent"
AGENTS = ({"id": "agent_1", "name": "Demo Agent"}, {"id": "agent_2", "name": "Ben Ortiz"})


def _now() -> datetime:
    return datetime.now(UTC)


class FakeDesk:
    """Cases by id. `undo` is how long a reply can be taken back; `calls` is what the pages asked for, in order."""

    def __init__(self, *, undo: timedelta = timedelta(seconds=30)) -> None:
        self.undo = undo
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._cases: dict[str, dict[str, Any]] = {}
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    # --- what the tests set up ------------------------------------------------------------------------------------

    def put(self, kind: StateKind, *, reason: str = "", flags: Any = (), subject: str = "", **more: Any) -> str:
        """A case in this state; its id."""
        with self._lock:
            case_id = f"case_{next(self._ids)}"
            self._cases[case_id] = {
                "id": case_id,
                "number": case_id[5:],
                "subject": subject or f"I cannot sign in ({kind.value.replace('_', ' ')})",
                "status": "open",
                "language": "en",
                "customer": {"name": "Anna Example", "email": "anna@example.com"},
                "messages": [],
                "draft": None,
                "state": {},
                **more,
            }
            self.say(case_id, "I forgot my password. What can I do?", ago=timedelta(minutes=7))
            if kind not in _WITHOUT_DRAFT:
                self.draft(case_id, TEXT, status=_STATUS.get(kind, kind.value), flags=flags)
            self.move(case_id, kind, reason=reason)
            return case_id

    def say(self, case_id: str, body: str, *, author: str = "customer", public: bool = True, **more: Any) -> str:
        """A message on the case, without any rule; its id."""
        with self._lock:
            ago = more.pop("ago", timedelta())
            message = {
                "id": f"message_{next(self._ids)}",
                "author": author,
                "author_name": "Anna Example" if author == "customer" else "Demo Agent",
                "body": body,
                "public": public,
                "sent_at": (_now() - ago).isoformat(),
                **more,
            }
            self._cases[case_id]["messages"].append(message)
            return str(message["id"])

    def draft(self, case_id: str, text: str, *, status: str = "written", flags: Any = ()) -> int:
        """Another draft on the case; its revision."""
        with self._lock:
            case = self._cases[case_id]
            revision = int((case["draft"] or {}).get("revision", 0)) + 1
            case["draft"] = {
                "id": f"draft_{next(self._ids)}",
                "revision": revision,
                "status": status,
                "text": text,
                "language": "en",
                "sources": [
                    {
                        "id": "article_1",
                        "title": "Reset your password",
                        "url": "https://help.example.com/reset-password",
                        "excerpt": "Choose “Forgot password” on the sign-in page. The link works for one hour.",
                    },
                    {"id": "article_2", "title": "Sign in", "url": "javascript:alert(1)", "excerpt": ""},
                ],
                "findings": [
                    {
                        "code": "stale_field",
                        "severity": "informing",
                        "field": "phone",
                        "detail": "The phone number was last changed three years ago.",
                    }
                ],
                "flags": list(flags),
                "blocked": any(flag["severity"] == "blocking" for flag in flags),
                "addressing": {
                    "channel": "email",
                    "sender": "support@example.com",
                    "to": ["anna@example.com"],
                    "cc": ["team@example.com"],
                    "in_reply_to": "",
                },
            }
            return revision

    def move(self, case_id: str, kind: StateKind, *, reason: str = "", **more: Any) -> None:
        """Put the case in this state."""
        with self._lock:
            case = self._cases[case_id]
            sentence, action = SENTENCES[kind]
            case["state"] = {
                "kind": kind.value,
                "sentence": sentence,
                "action": action,
                "reason": reason,
                "by": "",
                "since": _now().isoformat(),
                "undo_until": (_now() + self.undo).isoformat() if kind is StateKind.SENDING else None,
                "revision": int((case["draft"] or {}).get("revision", 0)),
                **more,
            }
            if case["draft"]:
                case["draft"]["status"] = _STATUS.get(kind, kind.value)

    def rewrite(self, case_id: str, text: str) -> None:
        """Other words in the draft, as a CRM that keeps only what the bridge wrote."""
        with self._lock:
            self._cases[case_id]["draft"]["text"] = text

    def supersede(self, case_id: str, body: str, new_draft: str | None = None) -> str:
        """The customer writes again; with `new_draft` the next draft stands at once."""
        with self._lock:
            message = self.say(case_id, body)
            self.move(case_id, StateKind.SUPERSEDED)
            if new_draft is not None:
                self.draft(case_id, new_draft)
                self.move(case_id, StateKind.READY)
            return message

    def every_state(self) -> dict[str, str]:
        """One case of each kind, and one of each reason for no draft: name → id."""
        made = {kind.value: self.put(kind) for kind in StateKind if kind is not StateKind.NO_DRAFT}
        for reason in NoDraftReason:
            made[f"no_draft_{reason.value}"] = self.put(StateKind.NO_DRAFT, reason=reason.value)
        return made

    def last(self, action: str) -> dict[str, Any]:
        """The newest payload of this action."""
        with self._lock:
            return next(payload for name, payload in reversed(self.calls) if name == action)

    def count(self, action: str) -> int:
        with self._lock:
            return sum(name == action for name, _ in self.calls)

    # --- what the pages ask ---------------------------------------------------------------------------------------

    def agents(self) -> list[dict[str, Any]]:
        return [dict(agent) for agent in AGENTS]

    def cases(self, agent: str) -> list[dict[str, Any]]:
        with self._lock:
            return [{**case, "messages": list(case["messages"])} for case in self._cases.values()]

    def case(self, case_id: str, agent: str) -> dict[str, Any] | None:
        with self._lock:
            found = self._cases.get(case_id)
            return {**found, "messages": list(found["messages"])} if found else None

    def create_case(self, payload: Mapping[str, Any], agent: str) -> tuple[int, dict[str, Any]]:
        with self._lock:
            case_id = self.put(StateKind.DRAFTING, subject=payload["subject"], customer=dict(payload["customer"]))
            self._cases[case_id]["messages"][0]["body"] = payload["body"]
            return 201, {"id": case_id}

    def add_message(self, case_id: str, payload: Mapping[str, Any], agent: str) -> tuple[int, dict[str, Any]]:
        with self._lock:
            self.calls.append(("message", dict(payload)))
            if not payload["body"].strip():
                return 400, {"detail": "A message needs a text.", "code": "invalid"}
            self.say(case_id, payload["body"], author=payload["author"], public=payload["public"])
            if payload["public"]:
                customer = payload["author"] == "customer"
                self.move(case_id, StateKind.SUPERSEDED if customer else StateKind.ANSWERED_OTHERWISE)
            return 201, {}

    def close(self, case_id: str, agent: str) -> tuple[int, dict[str, Any]]:
        self._cases[case_id]["status"] = "closed"
        return 200, {}

    def reopen(self, case_id: str, agent: str) -> tuple[int, dict[str, Any]]:
        self._cases[case_id]["status"] = "open"
        return 200, {}

    def draft_action(
        self, case_id: str, action: str, payload: Mapping[str, Any], agent: str
    ) -> tuple[int, dict[str, Any]]:
        with self._lock:
            self.calls.append((action, {**payload, "agent": agent}))
            refused = self._refusal(case_id, action, payload)
            if refused:
                return refused
            case = self._cases[case_id]
            if action == "edit":
                case["draft"]["text"] = payload["text"]
            if action == "send":
                self.say(case_id, payload["text"], author="agent")
            if action == "resolve":
                self.move(case_id, StateKind.SENT if payload["sent"] else StateKind.SENDING)
            elif action == "undo":
                case["draft"]["revision"] += 1
                self.move(case_id, StateKind.READY)
            else:
                self.move(case_id, _AFTER[action], reason=str(payload.get("reason", "")), by=agent)
            return 200, {}

    def _refusal(self, case_id: str, action: str, payload: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        case = self._cases[case_id]
        draft, messages = case["draft"], case["messages"]
        if action in ("undo", "resolve", "send"):
            return None
        public = [message["id"] for message in messages if message["public"]]
        rebased = action == "edit" and payload.get("answers") == public[-1]
        current = rebased or payload["revision"] == (draft or {}).get("revision", 0)
        if not current or case["state"]["kind"] == "sending":
            return 409, {
                "detail": "This draft was decided or replaced meanwhile.",
                "by": "Ben Ortiz",
                "at": _now().isoformat(),
                "code": "conflict",
                "new_messages": messages[-1:],
            }
        blocking = {flag["code"] for flag in (draft or {}).get("flags", ()) if flag["severity"] == "blocking"}
        missing = sorted(blocking - set(payload.get("acknowledged", ())))
        if missing and action in ("accept", "edit"):
            return 422, {"detail": "Flags are not acknowledged.", "code": "flags_not_acknowledged", "flags": missing}
        return None


_AFTER = {
    "accept": StateKind.SENDING,
    "edit": StateKind.SENDING,
    "reject": StateKind.REJECTED,
    "respond": StateKind.DRAFTING,
    "send": StateKind.SENT,
}
