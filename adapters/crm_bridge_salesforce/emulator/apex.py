"""What the Apex controller of the package does, for whoever acts in the emulated org: a person's decision on a draft.

It owns the checks (those of `CrmBridgeDecision`, with its codes), the private mail draft an approved text becomes, and
the signed call that tells the bridge: once, as Apex tells. What is lost is found by reconciling.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.replying import reply_draft
from crm_bridge_salesforce.emulator.rules import DRAFT
from crm_bridge_salesforce.emulator.values import moment_of

READY = "ready"
STATUS: Mapping[str, str] = {"accept": "accepted", "edit": "edited", "reject": "rejected", "respond": "regenerated"}
REASONS = frozenset({"wrong_facts", "tone", "incomplete", "stale_data", "wrong_customer", "not_needed", "other"})
MAX_TEXT = 131_072
_APPROVING = frozenset({"accept", "edit"})


class ApexRefused(Exception):
    """What the controller throws: `code`, and what stands: {by, at, revision} or {flags}."""

    def __init__(self, code: str, **standing: Any) -> None:
        super().__init__(code)
        self.code = code
        self.standing = standing


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What a person did in the component. `draft`: the id of the record they saw; `user`: their id."""

    case: str
    draft: str
    revision: int
    kind: str
    user: str
    text: str = ""
    answers: str = ""
    acknowledged: Sequence[str] = ()
    reason: str = ""
    comment: str = ""

    @property
    def approves(self) -> bool:
        """Whether a reply comes of it."""
        return self.kind in _APPROVING


class Apex:
    """The controller. `tell(document)` makes the call to the bridge, after the commit."""

    def __init__(self, org: Org, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._org = org
        self._tell = tell

    def newest(self, case: str) -> Record | None:
        """The draft that counts: the highest revision of a case, of two the later record."""
        if not self._org.has("AI_Draft__c"):
            return None
        rows = self._org.store.referring("AI_Draft__c", "Case__c", case)
        live = [one for one in rows if not one["IsDeleted"] and one["Revision__c"] is not None]
        return max(live, key=lambda one: (one["Revision__c"], one["Id"]), default=None)

    def decide(self, decision: Decision) -> Record:
        """The draft as decided. The same answer again by the same person is the first one. Raises `ApexRefused`."""
        _refuse_nonsense(decision)
        with self._org.records.transaction():
            draft = self._org.store.live(decision.draft)
            if draft is None or draft.get("Case__c") != decision.case:
                raise ApexRefused("no_draft")
            if not _is_the_same_answer(decision, draft):
                self._check(decision, draft)
                draft = self._save(decision, draft)
        at = moment_of(draft["Decided_At__c"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {"type": "decision", "organizationId": self._org.people.organization_id, "caseId": decision.case}
        self._tell(told | {"draftId": draft["Id"], "at": at})
        return draft

    # --- checks ---------------------------------------------------------------------------------------------------

    def _check(self, decision: Decision, draft: Record) -> None:
        decider = self._org.store.get(draft["Decided_By__c"]) if draft["Decided_By__c"] else None
        standing = {"by": decider["Name"] if decider else None, "at": draft["Decided_At__c"]}
        standing["revision"] = draft["Revision__c"]
        newest = self.newest(decision.case)
        if newest is None or newest["Id"] != draft["Id"] or draft["Revision__c"] != decision.revision:
            raise ApexRefused("not_newest", **standing)
        if draft["Decision__c"] is not None:
            raise ApexRefused("already_decided", **standing)
        if draft["Status__c"] != READY:
            raise ApexRefused("not_ready", **standing)
        if decision.approves:
            self._check_seen(decision, draft)
            _check_flags(decision, draft)

    def _check_seen(self, decision: Decision, draft: Record) -> None:
        """What a customer wrote after the draft was made: only an edit that names it may answer it."""
        seen = _list(draft["Made_From__c"])
        newest = self.newest_mail(decision.case)
        if seen is None or newest is None or newest[:15] in {str(one)[:15] for one in seen}:
            return
        if decision.kind != "edit" or decision.answers[:15] != newest[:15]:
            raise ApexRefused("newer_message")

    def newest_mail(self, case: str) -> str | None:
        """The id of the newest mail of a customer."""
        mails = self._org.store.referring("EmailMessage", "ParentId", case)
        came_in = [one for one in mails if one["Incoming"] and one["Status"] != DRAFT and not one["IsDeleted"]]
        newest = max(came_in, key=lambda one: (one["MessageDate"], one["Id"]), default=None)
        return str(newest["Id"]) if newest else None

    # --- saving ---------------------------------------------------------------------------------------------------

    def _save(self, decision: Decision, draft: Record) -> Record:
        answers = decision.answers or draft["Answers__c"]
        edited = decision.text if decision.kind == "edit" else None
        values = {
            "Status__c": STATUS[decision.kind],
            "Decision__c": decision.kind,
            "Decided_By__c": decision.user,
            "Decided_At__c": self._org.store.now(),
            "Final_Body__c": edited,
            "Reason__c": decision.reason if decision.kind == "reject" else None,
            "Comment__c": decision.comment or None,
            "Acknowledged__c": ";".join(decision.acknowledged) or None if decision.approves else None,
            "Decision_Answers__c": answers,
        }
        if decision.approves:
            case = self._org.store.live(decision.case) or {}
            mail = reply_draft(case, edited or str(draft["Body__c"]), draft["Addressing__c"], answers)
            made = self._org.store.put_new(self._org.object("EmailMessage"), mail, decision.user)
            values["Email_Message__c"] = made["Id"]
        return self._org.store.change(self._org.object("AI_Draft__c"), draft, values, decision.user)


def signed(document: Mapping[str, Any], secret: str, at: int) -> tuple[bytes, dict[str, str]]:
    """The body and headers of the call to the bridge. `at`: Unix seconds."""
    body = json.dumps(document).encode()
    signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-CRM-Bridge-Timestamp": str(at)}
    return body, headers | {"X-CRM-Bridge-Signature": f"v1={signature}"}


def _refuse_nonsense(decision: Decision) -> None:
    if decision.kind not in STATUS:
        raise ApexRefused("unknown_decision")
    if decision.kind == "edit" and not decision.text.strip():
        raise ApexRefused("blank")
    if decision.kind == "edit" and len(decision.text) > MAX_TEXT:
        raise ApexRefused("too_long")
    if decision.kind == "reject" and decision.reason not in REASONS:
        raise ApexRefused("reason_missing")
    if decision.kind == "respond" and not decision.comment.strip():
        raise ApexRefused("instruction_missing")


def _is_the_same_answer(decision: Decision, draft: Record) -> bool:
    """A second click, not a second decision."""
    taken = (draft["Decision__c"], draft["Decided_By__c"], draft["Revision__c"])
    same = taken == (decision.kind, decision.user, decision.revision)
    return same and (decision.kind != "edit" or _flat(draft["Final_Body__c"]) == _flat(decision.text))


def _check_flags(decision: Decision, draft: Record) -> None:
    flags = _list(draft["Flags__c"] or "[]")
    if flags is None or not all(isinstance(one, dict) for one in flags):
        raise ApexRefused("flags_unreadable")
    blocking = [one for one in flags if one.get("severity") == "blocking"]
    left = [one for one in blocking if not _is_edited_away(one, decision, draft)]
    unseen = [str(one.get("code")) for one in left if one.get("code") not in decision.acknowledged]
    if unseen:
        raise ApexRefused("flags_not_acknowledged", flags=unseen)


def _is_edited_away(flag: Mapping[str, Any], decision: Decision, draft: Record) -> bool:
    """What the flag is about no longer stands in the edited text. Of a shortened excerpt nobody can say that."""
    excerpt = _flat(str(flag.get("excerpt") or ""))
    changed = decision.kind == "edit" and _flat(decision.text) != _flat(draft["Body__c"])
    return changed and bool(excerpt) and "…" not in excerpt and excerpt not in _flat(decision.text)


def _flat(text: str | None) -> str:
    return " ".join((text or "").lower().split())


def _list(text: str | None) -> list[Any] | None:
    try:
        found = json.loads(text or "")
    except ValueError:
        return None
    return found if isinstance(found, list) else None
