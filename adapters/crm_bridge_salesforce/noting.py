"""Drafts as internal case comments: added once by their mark, never changed. What stands in one is `comments.py`.

A comment cannot carry a unique key, so we look for the mark before we write, and a lost answer means: look again.
"""

from __future__ import annotations

from crm_bridge.contract import Ambiguous, CaseRef, Draft, DraftRef, Fingerprint, Permanent, RemoteDraft, Retry
from crm_bridge.kit.http import Effect, usable
from crm_bridge.kit.parsing import clean_text
from crm_bridge_salesforce import comments, soql
from crm_bridge_salesforce.client import SalesforceClient, Sub
from crm_bridge_salesforce.drafts import fingerprint
from crm_bridge_salesforce.ids import CASE, COMMENT, checked, full, is_id
from crm_bridge_salesforce.messages import moment
from crm_bridge_salesforce.refusals import first_refusal

STATUS = "noted"
"""The status of a draft that stands as a comment: nobody decides on it there."""


class NoteWriter:
    """The drafts of one org, as comments."""

    def __init__(self, client: SalesforceClient) -> None:
        self._client = client

    def write(self, case: CaseRef, draft: Draft, key: str) -> DraftRef:
        """Add it, unless this key did so before."""
        case_id = checked(case.id, CASE)
        ref = self._standing(case_id, draft, key)
        return ref if ref is not None else self._add(case_id, draft, key)

    def read(self, ref: DraftRef) -> RemoteDraft | None:
        """The comment as it stands now; nobody decides on one."""
        found = self._client.query("read_draft", soql.comment_query(checked(ref.id, COMMENT)))
        if not found:
            return None
        with usable("read_draft"):
            text = comments.text_of(clean_text(str(found[0]["CommentBody"] or "")))
            return RemoteDraft(
                ref=DraftRef(id=full(found[0]["Id"]), fingerprint=fingerprint(text)),
                revision=0,
                status=STATUS,
                text=text,
                changed_at=moment(found[0]["SystemModstamp"]),
            )

    def _standing(self, case: str, draft: Draft, key: str) -> DraftRef | None:
        soql_text = soql.own_comments_query(case, self._client.me().user)
        with usable("own_comments"):
            written = self._client.query("own_comments", soql_text)
            known = [one["Id"] for one in written if comments.has_mark(str(one["CommentBody"] or ""), key)]
        return _ref(min(known), draft) if known else None

    def _add(self, case: str, draft: Draft, key: str) -> DraftRef:
        subs = [
            Sub(
                name=f"part{number}",
                method="POST",
                path="/sobjects/CaseComment",
                body={"ParentId": case, "CommentBody": text, "IsPublished": False},
            )
            for number, text in enumerate(comments.parts(draft, key))
        ]
        try:
            answers = self._client.write("add_comment", subs, Effect.ONCE)
        except Ambiguous as error:
            raise Retry(error.detail, code=error.code) from None  # the next try looks for the mark first
        refused = first_refusal("add_comment", ((one.status, one.body) for one in answers))
        if refused is not None:
            raise refused
        created = [one.body.get("id") for one in answers if isinstance(one.body, dict)]
        if not created or not all(is_id(one, COMMENT) for one in created):
            raise Permanent("add_comment: no id in the answer", code="unexpected_answer")
        return _ref(min(str(one) for one in created), draft)


def _ref(comment: str, draft: Draft) -> DraftRef:
    """By the first of its parts."""
    return DraftRef(id=full(comment), fingerprint=Fingerprint(value=fingerprint(draft.text).value))
