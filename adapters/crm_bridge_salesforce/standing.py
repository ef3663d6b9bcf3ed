"""What of ours stands on a case, and whether it may be replaced: never a person's words or unread decision. Pure.

The newest revision of a case is the one that counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_bridge.contract import Conflict, Draft, Fingerprint
from crm_bridge_salesforce.drafts import DECIDED_THERE, OURS_AFTER, READY, WITHDRAWN, fingerprint
from crm_bridge_salesforce.ids import full
from crm_bridge_salesforce.messages import moment

Document = Mapping[str, Any]

_NOT_YET_KNOWN = frozenset({"", "drafting", "ready", "written"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What is known of a case before it is written to.

    `drafts`: newest first. `told_status`: by id of the bridge's draft, what we last said of it. `newest_incoming`: ids
    of what the customer wrote last, empty where that was not read.
    """

    stamp: datetime | None
    sequence: int
    told: tuple[str, str]
    drafts: tuple[Document, ...]
    newest_incoming: tuple[str, ...] = ()

    @property
    def current(self) -> Document | None:
        """The draft that counts."""
        return self.drafts[0] if self.drafts else None

    def by_key(self, key: str) -> Document | None:
        """The draft this key wrote."""
        return next((one for one in self.drafts if one.get("External_Key__c") == key), None)


def standing_of(case: Document, drafts: Sequence[Document], incoming: Sequence[Document] = ()) -> Standing:
    """From a case with its newest drafts and mails."""
    stamp, sequence = case.get("SystemModstamp"), case.get("CRMB_Sequence__c")
    return Standing(
        stamp=moment(stamp) if stamp else None,
        sequence=-1 if sequence is None else int(sequence),
        told=told_status(case),
        drafts=tuple(drafts),
        newest_incoming=tuple(full(one["Id"]) for one in incoming),
    )


def told_status(case: Document) -> tuple[str, str]:
    """(draft, status) as we last said it on the case."""
    try:
        detail = json.loads(str(case.get("CRMB_State_Detail__c") or "{}"))
        return str(detail.get("draft_id") or ""), str(detail.get("draft_status") or "")
    except (ValueError, AttributeError):
        return "", ""


# --- what may be written over -------------------------------------------------------------------------------------


def check_replaceable(standing: Standing, replaces: Fingerprint | None) -> None:
    """Raises `Conflict` unless what stands there is what `replaces` says, and nobody decided on it unseen."""
    current = standing.current
    status = str(current.get("Status__c")) if current is not None else WITHDRAWN
    if current is None or status == WITHDRAWN:
        if replaces is not None:
            raise Conflict("what it should replace does not stand there any more", code="gone")
        return
    check_untouched(current, standing.told, replaces)


def check_untouched(record: Document, told: tuple[str, str], replaces: Fingerprint | None) -> None:
    """Raises `Conflict` when a person was at this draft: changed its text, or decided on it unseen."""
    status = str(record.get("Status__c"))
    if is_decided_unseen(record, told):
        raise Conflict("a person decided on what stands there", code="decided")
    if replaces is None and (status == READY or status in DECIDED_THERE):
        raise Conflict("something stands there already", code="occupied")
    if replaces is not None and fingerprint(record.get("Body__c")) != replaces:
        raise Conflict("something else stands there than what it should replace", code="edited")


def is_decided_unseen(record: Document, told: tuple[str, str]) -> bool:
    """A decision stands there that the bridge has not read: writing over it would lose it."""
    status = str(record.get("Status__c"))
    if status in OURS_AFTER or not (record.get("Decision__c") or status in DECIDED_THERE):
        return False
    draft, said = told
    return draft != record.get("Draft_Id__c") or said in _NOT_YET_KNOWN


def check_newest(standing: Standing, draft: Draft) -> None:
    """Raises `Conflict` when the customer wrote something the draft was not made from."""
    if any(one not in draft.made_from for one in standing.newest_incoming):
        raise Conflict("something newer stands there", code="newer_message")
