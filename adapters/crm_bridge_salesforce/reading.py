"""Reading an org: one composite call a case, one a poll; learned again once when a field is no longer there.

It owns which queries go together and what is done when one is refused; what records mean is `mapping.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

from crm_bridge.contract import (
    CaseContext,
    CaseRef,
    Changes,
    ForeignRef,
    Merged,
    NotACase,
    Permanent,
    Resolution,
    Services,
)
from crm_bridge.kit.http import usable
from crm_bridge_salesforce import attachments, changes, cursor, mapping, soql
from crm_bridge_salesforce.changes import Source
from crm_bridge_salesforce.client import Document, SalesforceClient, Sub, SubAnswer, query_sub
from crm_bridge_salesforce.ids import CASE, COMMENT, EMAIL, full, is_id
from crm_bridge_salesforce.learned import Learned, Schema
from crm_bridge_salesforce.refusals import INVALID_FIELD
from crm_bridge_salesforce.seen import Remembered
from crm_bridge_salesforce.standing import standing_of

MAX_HTML = 20
"""Mails without plain text whose HTML is read; one more call where there are any."""

_FOREIGN: Mapping[str, tuple[str, Literal["EmailMessage", "CaseComment"]]] = {
    "EmailMessage": (EMAIL, "EmailMessage"),
    "CaseComment": (COMMENT, "CaseComment"),
}
T = TypeVar("T")


class Reader:
    """Cases and changes of one org. `seen` is told what stands on a case that was read."""

    def __init__(
        self, client: SalesforceClient, schema: Schema, services: Services, *, base_url: str, seen: Remembered
    ) -> None:
        self._client = client
        self._schema = schema
        self._clock = services.clock
        self._base_url = base_url
        self._seen = seen

    def case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
        """See `Adapter.read_case`."""
        if not is_id(case.id, CASE):
            return NotACase(reason="no_id_of_a_case")
        return self._learning(lambda may: self._case(full(case.id), may))

    def resolve(self, ref: CaseRef | ForeignRef) -> Resolution:
        """See `Adapter.resolve`."""
        if isinstance(ref, CaseRef):
            return self._fate(ref.id) if is_id(ref.id, CASE) else NotACase(reason="no_id_of_a_case")
        known = _FOREIGN.get(ref.kind)
        if known is None or not is_id(ref.id, known[0]):
            return NotACase(reason="another_kind_of_record")
        found = self._client.query("resolve", soql.parent_query(known[1], full(ref.id)))
        parent = found[0].get("ParentId") if found else None
        return CaseRef(id=full(str(parent))) if is_id(parent, CASE) else NotACase(reason="not_on_a_case")

    def changed(self, after: str | None) -> Changes:
        """See `Adapter.changed_since`."""
        return self._learning(lambda may: self._begin(may) if after is None else self._follow(after, may))

    # --- a case ---------------------------------------------------------------------------------------------------

    def _case(self, case: str, may: Learned) -> CaseContext | Merged | NotACase:
        me = self._client.me().user
        answers = {one.name: one for one in self._client.read("read_case", _case_subs(case, may))}
        answers["case"].raise_for("read_case")
        found = self._client.records("read_case", answers["case"].body)
        if not found:
            answers["fate"].raise_for("read_case")
            return mapping.fate(self._client.records("read_case", answers["fate"].body))
        read = self._with_children(found[0], answers, may)
        with usable("read_case"):
            self._seen.put(case, standing_of(read.case, read.drafts))
            context = mapping.case_context(read, may, me=me, base_url=self._base_url, observed_at=self._clock.now())
        return context

    def _with_children(self, case: Document, answers: Mapping[str, SubAnswer], may: Learned) -> mapping.CaseRecords:
        mails = self._client.records("read_messages", case.get("EmailMessages"))
        return mapping.CaseRecords(
            case=case,
            emails=mails,
            comments=self._client.records("read_messages", case.get("CaseComments")),
            drafts=self._client.records("read_case", case.get("AI_Drafts__r")),
            others=self._extra(answers.get("others")),
            articles=self._extra(answers.get("articles")),
            more=self._more(mails, may),
        )

    def _extra(self, answer: SubAnswer | None) -> Sequence[Document]:
        """What is nice to have: a case without a contact has no others, for one."""
        return self._client.records("read_case", answer.body) if answer is not None and answer.ok else ()

    def _more(self, mails: Sequence[Document], may: Learned) -> attachments.More:
        """What some mails need besides: one more call where there are any."""
        with usable("read_messages"):
            bare = [full(one["Id"]) for one in mails if attachments.needs_html(one)][:MAX_HTML]
            heavy = [full(one["Id"]) for one in mails if attachments.has_files(one)]
        subs = [query_sub("html", soql.html_query(bare))] if bare and may.has("EmailMessage", "HtmlBody") else []
        if heavy and may.has_attachments:
            subs.append(query_sub("attachments", soql.attachments_query(heavy)))
        if heavy and may.has_files:
            subs.append(query_sub("files", soql.files_query(heavy)))
        if not subs:
            return attachments.More()
        answers = {one.name: one for one in self._client.read("read_messages", subs)}
        html, older, newer = (self._extra(answers.get(name)) for name in ("html", "attachments", "files"))
        with usable("read_messages"):
            return attachments.More(
                html={full(one["Id"]): str(one.get("HtmlBody") or "") for one in html},
                attached=attachments.attached(older, newer),
            )

    def _fate(self, case: str) -> Resolution:
        (answer,) = self._client.read("resolve", [query_sub("fate", soql.fate_query(full(case)), deleted=True)])
        answer.raise_for("resolve")
        found = self._client.records("resolve", answer.body)
        with usable("resolve"):
            if found and found[0]["IsDeleted"] is not True:
                return CaseRef(id=full(found[0]["Id"]))
            return mapping.fate(found)

    # --- a poll ---------------------------------------------------------------------------------------------------

    def _begin(self, may: Learned) -> Changes:
        since = self._clock.now() - changes.FIRST_LOOK
        asked = changes.sources(may)
        found = self._pages({one.name: changes.newest_query(one, since, may) for one in asked}, asked)
        with usable("changed_since"):
            return Changes(items=(), cursor=cursor.cursor_text(changes.begun(found, since)))

    def _follow(self, after: str, may: Learned) -> Changes:
        stands = cursor.read_cursor(after)
        asked = [one for one in changes.sources(may) if one.name not in stands.done]
        found = self._pages({one.name: changes.page_query(one, stands, may) for one in asked}, asked)
        with usable("changed_since"):
            told, moved = changes.followed(stands, found, asked, me=self._client.me().user, now=self._clock.now())
            return Changes(items=tuple(told), cursor=cursor.cursor_text(moved), more=moved.sweeps)

    def _pages(self, queries: Mapping[str, str], asked: Sequence[Source]) -> Mapping[str, Sequence[Document]]:
        subs = [query_sub(one.name, queries[one.name], deleted=one.deleted) for one in asked]
        found = {}
        for answer in self._client.read("changed_since", subs):
            answer.raise_for("changed_since")
            found[answer.name] = self._client.records("changed_since", answer.body)
        return found

    # --- learning -------------------------------------------------------------------------------------------------

    def _learning(self, act: Callable[[Learned], T]) -> T:
        """What it returns; with what may be seen learned again, once, when a field is no longer there."""
        try:
            return act(self._schema.learned())
        except Permanent as error:
            if error.code != INVALID_FIELD:
                raise
        return act(self._schema.again())


def _case_subs(case: str, may: Learned) -> list[Sub]:
    subs = [query_sub("case", soql.case_query(case, may)), query_sub("fate", soql.fate_query(case), deleted=True)]
    if may.has("Case", "ContactId", "Subject", "IsClosed"):
        subs.append(query_sub("others", soql.same_contact_query("case")))
    if may.has_case_articles:
        subs.append(query_sub("articles", soql.case_articles_query(case)))
    return subs
