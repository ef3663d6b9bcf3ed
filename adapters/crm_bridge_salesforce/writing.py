"""Drafts and states as records of our package: looked at before they are written, each once by its key.

It owns the order of the calls; what a record holds is `drafts.py`, what may be replaced `standing.py`. What a
recent `read_case` saw is remembered for a minute: where it saw no draft, one call writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from crm_bridge.contract import (
    Ambiguous,
    CaseRef,
    Clock,
    Conflict,
    Draft,
    DraftRef,
    Fingerprint,
    PanelState,
    Permanent,
    RemoteDraft,
    Retry,
    Unsupported,
)
from crm_bridge.kit.http import Effect, usable
from crm_bridge_salesforce import drafts, soql
from crm_bridge_salesforce.client import SalesforceClient, Sub, SubAnswer
from crm_bridge_salesforce.drafts import Document
from crm_bridge_salesforce.fields import DRAFT
from crm_bridge_salesforce.ids import CASE, checked, full
from crm_bridge_salesforce.learned import Learned, Schema
from crm_bridge_salesforce.messages import moment
from crm_bridge_salesforce.refusals import DUPLICATE, GONE, first_refusal
from crm_bridge_salesforce.seen import Remembered
from crm_bridge_salesforce.standing import (
    Standing,
    check_newest,
    check_replaceable,
    check_untouched,
    standing_of,
    told_status,
)

_WRITTEN_BEFORE = frozenset({DUPLICATE, "invalid_field_for_insert_update"})
"""Somebody was faster with this key: the record is there, and its case cannot be set twice."""


class RecordWriter:
    """The drafts and states of one org, as records."""

    def __init__(self, client: SalesforceClient, schema: Schema, clock: Clock) -> None:
        self._client = client
        self._schema = schema
        self._clock = clock
        self.seen = Remembered(clock)

    # --- drafts ---------------------------------------------------------------------------------------------------

    def write(self, case: CaseRef, draft: Draft, key: str, replaces: Fingerprint | None) -> DraftRef:
        """See `Adapter.write_draft`."""
        case_id, may = checked(case.id, CASE), self._schema.learned()
        seen = self.seen.get(case_id)
        # Whatever comes of this write, what was seen before it is over.
        self.seen.drop(case_id)
        standing = seen if seen is not None and not seen.drafts and replaces is None else self._standing(case_id, may)
        known = standing.by_key(key)
        if known is not None:
            return _ref(known["Id"], draft)
        check_replaceable(standing, replaces)
        check_newest(standing, draft)
        return _ref(self._put(case_id, draft, key, standing, may), draft)

    def read(self, ref: DraftRef) -> RemoteDraft | None:
        """See `Adapter.read_draft`."""
        record = self._record(ref)
        with usable("read_draft"):
            return drafts.remote_draft(record) if record is not None else None

    def withdraw(self, ref: DraftRef, replaces: Fingerprint) -> None:
        """See `Adapter.withdraw_draft`."""
        record = self._record(ref)
        if record is None or record.get("Status__c") == drafts.WITHDRAWN:
            return
        check_untouched(record, told_status(record.get("Case__r") or {}), replaces)
        if record.get("Status__c") not in {drafts.READY, drafts.SUPERSEDED}:
            return  # it ended otherwise, and says so
        part = Sub(
            name="draft",
            method="PATCH",
            path=f"/sobjects/{DRAFT}/{full(record['Id'])}",
            body={"Status__c": drafts.WITHDRAWN},
            headers=_unmodified_since(moment(record["SystemModstamp"])),
        )
        (answer,) = self._client.write("withdraw_draft", [part], Effect.IDEMPOTENT)
        error = answer.refusal("withdraw_draft")
        if error is None or error.code in GONE:
            return
        if isinstance(error, Conflict) and self.read(ref) is None:
            return  # our own first try, whose answer was lost
        raise error

    # --- states ---------------------------------------------------------------------------------------------------

    def show(self, case: CaseRef, state: PanelState) -> None:
        """See `Adapter.show`. One call where the case was read a moment ago, else one more to look first."""
        case_id, may = checked(case.id, CASE), self._schema.learned()
        if not may.has_states:
            raise Unsupported("the fields for states are not there, or may not be written", code="app_not_installed")
        standing = self.seen.get(case_id) or self._standing(case_id, may)
        try:
            self._show(case_id, state, standing)
        except Conflict:
            # The case changed since it was read: what matters is only whether a newer state stands there.
            self._show(case_id, state, self._standing(case_id, may))

    def _show(self, case: str, state: PanelState, standing: Standing) -> None:
        if standing.sequence >= state.sequence:
            return
        self.seen.drop(case)
        guard = _unmodified_since(standing.stamp) if standing.stamp else {}
        subs = [
            Sub(
                name="case",
                method="PATCH",
                path=f"/sobjects/Case/{case}",
                body=drafts.state_fields(state, self._clock.now()),
                headers=guard,
            )
        ]
        told = next((one for one in standing.drafts if one.get("Draft_Id__c") == state.draft_id), None)
        if told is not None and state.draft_status in drafts.OURS_AFTER and told.get("Status__c") != state.draft_status:
            path = f"/sobjects/{DRAFT}/{full(told['Id'])}"
            subs.append(Sub(name="draft", method="PATCH", path=path, body={"Status__c": state.draft_status}))
        answers = self._client.write("show", subs, Effect.IDEMPOTENT)
        error = first_refusal("show", ((one.status, one.body) for one in answers))
        if error is not None:
            raise error

    # --- inside ---------------------------------------------------------------------------------------------------

    def _standing(self, case: str, may: Learned) -> Standing:
        records = self._client.query("standing", soql.standing_query(case, may))
        if not records:
            raise Permanent("the case is gone", code="gone")
        with usable("standing"):
            found = records[0]
            drafts_there = self._client.records("standing", found.get("AI_Drafts__r"))
            incoming = self._client.records("standing", found.get("EmailMessages"))
            return standing_of(found, drafts_there, incoming)

    def _record(self, ref: DraftRef) -> Document | None:
        found = self._client.query("read_draft", soql.draft_query(checked(ref.id), self._schema.learned()))
        return found[0] if found else None

    def _put(self, case: str, draft: Draft, key: str, standing: Standing, may: Learned) -> str:
        """Write it, with all that goes with it, or nothing; the id of the record."""
        subs = [*_superseding(standing), _upsert(case, draft, key)]
        if may.has_states:
            body = drafts.ready_fields(draft, self._clock.now())
            subs.append(Sub(name="case", method="PATCH", path=f"/sobjects/Case/{case}", body=body))
        try:
            # Never repeated blindly: a person may write into the record a moment after its answer was lost.
            answers = self._client.write("write_draft", subs, Effect.ONCE)
        except Ambiguous as error:
            return self._id_of(key) or _lost(error)
        upserted = next(one for one in answers if one.name == "upsert")
        if upserted.ok and all(one.ok for one in answers):
            return _created(upserted) or self._id_of(key) or _lost(Ambiguous("write_draft: no id", code="no_id"))
        refused = first_refusal("write_draft", ((one.status, one.body) for one in answers))
        if refused is not None and refused.code in _WRITTEN_BEFORE and (found := self._id_of(key)):
            return found
        raise refused or Permanent("write_draft: refused without a reason", code="unexpected_answer")

    def _id_of(self, key: str) -> str | None:
        """The record this key wrote."""
        path = f"{_by_key(key)}?fields=Id"
        (answer,) = self._client.read("find_draft", [Sub(name="draft", path=path)])
        error = answer.refusal("find_draft")
        if error is not None and error.code in GONE:
            return None
        answer.raise_for("find_draft")
        with usable("find_draft"):
            return full(answer.body["Id"])


def _superseding(standing: Standing) -> list[Sub]:
    """The draft before it is out of date from the same moment on."""
    current = standing.current
    if current is None or current.get("Status__c") != drafts.READY:
        return []
    return [
        Sub(
            name="older",
            method="PATCH",
            path=f"/sobjects/{DRAFT}/{full(current['Id'])}",
            body={"Status__c": drafts.SUPERSEDED},
            headers=_unmodified_since(moment(current["SystemModstamp"])),
        )
    ]


def _upsert(case: str, draft: Draft, key: str) -> Sub:
    return Sub(name="upsert", method="PATCH", path=_by_key(key), body=drafts.draft_fields(case, draft))


def _by_key(key: str) -> str:
    if not key.replace("-", "").replace("_", "").isalnum() or not key.isascii() or len(key) > 64:
        raise Permanent("a key of a draft is up to 64 letters, digits, - and _", code="unusable_key")
    return f"/sobjects/{DRAFT}/External_Key__c/{key}"


def _created(answer: SubAnswer) -> str | None:
    body: Any = answer.body
    identity = body.get("id") if isinstance(body, Mapping) else None
    with suppress(ValueError):
        return full(str(identity))
    return None


def _lost(error: Ambiguous) -> str:
    """It is not there (yet): the next try looks first, so coming again does no harm."""
    raise Retry(error.detail, code=error.code) from None


def _ref(record: str, draft: Draft) -> DraftRef:
    return DraftRef(id=full(record), fingerprint=drafts.fingerprint(draft.text))


def _unmodified_since(at: datetime) -> Mapping[str, str]:
    """412 when the record changed after this second."""
    return {"If-Unmodified-Since": format_datetime(at.astimezone(UTC), usegmt=True)}
