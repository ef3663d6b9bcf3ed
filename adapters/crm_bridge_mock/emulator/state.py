"""The cases of the embedded CRM: opening, messages, closing, merging, deleting, and the event each of them means.

It owns the rules of a help desk and nothing of drafts (`drafts.py`), of HTTP or of what an agent sees. Every change and
its event are one transaction. Records are plain dictionaries, times ISO 8601 in UTC.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from crm_bridge.kit.emulation import EmulatorClock, Outbox, Record, RecordStore
from crm_bridge_mock.profiles import Profile

SUPPORT_ADDRESS = "support@desk.example"
FIRST_NUMBER = 1000


class CrmState:
    """Cases and messages over a record store; usable from several threads."""

    def __init__(self, records: RecordStore, outbox: Outbox, clock: EmulatorClock, profile: Profile) -> None:
        self.records = records
        self.profile = profile
        self.index_lag = timedelta()
        self._outbox = outbox
        self._clock = clock

    def stamp(self, *, ago: timedelta = timedelta()) -> str:
        """The time as this CRM keeps it."""
        moment = self._clock.now().astimezone(UTC) - ago
        return (moment.replace(microsecond=0) if self.profile.whole_seconds else moment).isoformat()

    # --- reading ----------------------------------------------------------------------------------------------

    def case(self, case_id: str) -> Record | None:
        """The case, also when it was merged or deleted (then `merged_into` or `deleted` says so)."""
        return self.records.get("case", case_id)

    def cases(self, *, limit: int) -> list[Record]:
        """The newest cases that are still cases of their own, newest first."""
        found = self.records.owned("case", limit=limit)
        return [case for case in reversed(found) if not case["deleted"] and not case["merged_into"]]

    def messages(self, case_id: str) -> list[Record]:
        """All messages, oldest first."""
        return self.records.owned("message", case_id)

    def public_messages(self, case_id: str) -> list[Record]:
        """What the customer can see, oldest first."""
        return [message for message in self.messages(case_id) if message["public"]]

    def is_newest(self, case_id: str, message_id: str | None) -> bool:
        """Whether nobody said anything in public after this message; automatic ones are nobody's word."""
        public = self.public_messages(case_id)
        ids = [message["id"] for message in public]
        return message_id in ids and all(message["headers"] for message in public[ids.index(message_id) + 1 :])

    def duplicates(self, case: Mapping[str, Any]) -> list[str]:
        """Ids of other open cases of the same customer with the same subject."""
        others = self.records.owned("case", limit=1000)
        return [other["id"] for other in others if other["id"] != case["id"] and _same_concern(case, other)]

    def visible(self, messages: Sequence[Record]) -> list[Record]:
        """Those that lists and searches show already: an index that lags shows new ones later."""
        if not self.index_lag:
            return list(messages)
        newest = self._clock.now() - self.index_lag
        return [message for message in messages if parse_time(message["sent_at"]) <= newest]

    def listed(self, changed: Sequence[tuple[int, Record]]) -> list[tuple[int, Record]]:
        """Changes up to the first one an index that lags does not show yet, so that a cursor never passes one."""
        if not self.index_lag:
            return list(changed)
        newest = self._clock.now() - self.index_lag
        return list(takewhile(lambda pair: parse_time(pair[1]["updated_at"]) <= newest, changed))

    def hidden(self, case_id: str) -> list[str]:
        """Fields of the customer the bridge may not read."""
        found = self.records.get("hidden", case_id)
        return list(found["fields"]) if found else []

    # --- changing ---------------------------------------------------------------------------------------------

    def open_case(self, wanted: Mapping[str, Any], *, ago: timedelta = timedelta()) -> Record:
        """A new open case without messages. `wanted`: subject, customer and the optional fields of a case."""
        with self.records.transaction():
            at = self.stamp(ago=ago)
            case: Record = {
                "id": f"case_{secrets.token_hex(8)}",
                "number": str(FIRST_NUMBER + self.records.next_number("case")),
                "thread": f"thread_{secrets.token_hex(8)}",
                "subject": wanted["subject"],
                "customer": self._customer(wanted["customer"]),
                "queue": wanted.get("queue") or "Support",
                "language": wanted.get("language"),
                "channel": wanted.get("channel") or "email",
                "priority": wanted.get("priority") or "normal",
                "status": "open",
                "created_at": at,
                "updated_at": at,
                "version": 0,
                "changed_by": None,
                "merged_into": None,
                "deleted": False,
                "draft": None,
                "state": None,
                "panel_sequence": -1,
            }
            self.records.put("thread", case["thread"], {"case": case["id"], "looks": 0})
            self.touch(case, by=case["customer"]["id"], at=at)
            self.emit("case.created", case)
            return case

    def add_message(
        self, case: Record, wanted: Mapping[str, Any], *, author: Mapping[str, str], ago: timedelta = timedelta()
    ) -> Record:
        """A message on the case; `wanted`: body, public and the optional fields of a message."""
        with self.records.transaction():
            at = self.stamp(ago=ago)
            incoming = author["kind"] == "customer"
            message: Record = {
                "id": f"msg_{secrets.token_hex(8)}",
                "case": case["id"],
                "thread": case["thread"],
                "channel": wanted.get("channel") or case["channel"],
                "direction": "incoming" if incoming else "outgoing",
                "author": dict(author),
                "body": wanted["body"],
                "html": wanted.get("html"),
                "public": wanted.get("public", True),
                "headers": {"Auto-Submitted": "auto-replied"} if wanted.get("automatic") else {},
                "language": wanted.get("language"),
                "sent_at": at,
                "to": wanted.get("to") or ([SUPPORT_ADDRESS] if incoming else [case["customer"]["email"]]),
                "cc": wanted.get("cc") or [],
                "attachments": wanted.get("attachments") or [],
                "key": wanted.get("key"),
                "draft": wanted.get("draft"),
            }
            self.records.put("message", message["id"], message, owner=case["id"])
            if incoming and case["status"] == "closed" and message["public"] and not wanted.get("automatic"):
                self._set_status(case, "open", "case.reopened", by=author["id"])
            self.touch(case, by=author["id"], at=at)
            self.emit("message.created", case)
            return message

    def close(self, case: Record, *, by: str) -> None:
        """Resolve it; nothing happens to a closed one."""
        self._set_status(case, "closed", "case.closed", by=by)

    def reopen(self, case: Record, *, by: str) -> None:
        """Open it again; nothing happens to an open one."""
        self._set_status(case, "open", "case.reopened", by=by)

    def merge(self, case: Record, into: Record, *, by: str) -> None:
        """Move every message to the surviving case; the old id stays as a signpost."""
        with self.records.transaction():
            for message in self.messages(case["id"]):
                self.records.put("message", message["id"], {**message, "case": into["id"]}, owner=into["id"])
            case.update(merged_into=into["id"], status="closed", draft=None)
            self.touch(case, by=by)
            self.touch(into, by=by)
            self.emit("case.merged", case)
            self.emit("message.created", into)

    def delete(self, case: Record, *, by: str) -> None:
        """Forget everything but that there was one."""
        with self.records.transaction():
            for kind in ("message", "draft", "decision"):
                for record in self.records.owned(kind, case["id"]):
                    self.records.delete(kind, record["id"])
            case.update(deleted=True, status="closed", draft=None, state=None, subject="", customer=_NOBODY)
            self.touch(case, by=by)
            self.emit("case.deleted", case)

    def touch(self, case: Record, *, by: str | None, at: str | None = None) -> None:
        """Store a changed case under its next version."""
        case["version"] += 1
        case["updated_at"] = max(case["updated_at"], at or self.stamp())
        case["changed_by"] = by
        self.records.put("case", case["id"], case)

    def hide(self, case_id: str, names: Sequence[str]) -> None:
        """Take these fields of the customer from the bridge's permissions."""
        with self.records.transaction():
            self.records.put("hidden", case_id, {"fields": list(names)}, owner=case_id)

    def emit(self, kind: str, case: Mapping[str, Any]) -> None:
        """Queue an event for the bridge, inside the transaction of its change."""
        about = {"case": case["id"]} if self.profile.looks_before_known is None else {"thread": case["thread"]}
        self._outbox.add({"id": f"evt_{secrets.token_hex(12)}", "type": kind, "occurred_at": self.stamp(), **about})

    def agent(self, name: str) -> dict[str, str]:
        """The agent of this name; whoever comes is known from then on."""
        agent_id = f"agent_{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        if self.records.get("agent", agent_id) is None:
            self.records.put("agent", agent_id, {"id": agent_id, "name": name})
        return {"id": agent_id, "name": name}

    def look_for_thread(self, thread_id: str) -> Mapping[str, Any] | None:
        """The thread with how often it was asked for, this time included; None when there is none."""
        with self.records.transaction():
            thread = self.records.get("thread", thread_id)
            if thread is not None:
                thread["looks"] = min(thread["looks"] + 1, 1000)
                self.records.put("thread", thread_id, thread)
            return thread

    def _set_status(self, case: Record, status: str, event: str, *, by: str) -> None:
        if case["status"] == status:
            return
        with self.records.transaction():
            case["status"] = status
            self.touch(case, by=by)
            self.emit(event, case)

    def _customer(self, wanted: Mapping[str, Any]) -> Record:
        email = wanted.get("email") or ""
        known = hashlib.sha256(email.casefold().encode()).hexdigest()[:16] if email else secrets.token_hex(8)
        return {
            "id": f"cust_{known}",
            "name": wanted.get("name") or "",
            "email": email,
            "phone": wanted.get("phone") or "",
            "account": wanted.get("account") or "",
        }


_NOBODY: Record = {"id": "cust_deleted", "name": "", "email": "", "phone": "", "account": ""}


def newer_than(public: Sequence[Mapping[str, Any]], seen: Sequence[str]) -> list[Mapping[str, Any]]:
    """Public messages that stand after the first one seen and were not seen: by ids and order, never by clocks.

    Automatic ones (they carry headers that say so) are nobody's word and make nothing out of date.
    """
    known = frozenset(seen)
    first = next((index for index, message in enumerate(public) if message["id"] in known), 0)
    return [message for message in public[first:] if message["id"] not in known and not message["headers"]]


def _same_concern(case: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (
        other["status"] == "open"
        and not other["merged_into"]
        and bool(case["customer"]["email"])
        and other["customer"]["id"] == case["customer"]["id"]
        and " ".join(other["subject"].split()).casefold() == " ".join(case["subject"].split()).casefold()
    )


def parse_time(text: str) -> datetime:
    """A time of a record."""
    return datetime.fromisoformat(text)
