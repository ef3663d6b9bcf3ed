"""Rules of `resolve`, `read_case` and `list_articles`: everything that is there, as it is; what is missing is named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from crm_bridge.contract import (
    Addressing,
    Article,
    Attachment,
    CaseContext,
    CaseRef,
    ForeignRef,
    Merged,
    NotACase,
    NotYet,
    Sends,
    Visibility,
)
from crm_bridge.testing.base import ContractBase, proves
from crm_bridge.testing.stage import ANA, BEN, QUESTION, Stage, key, same

LONG_THREAD = 60
"""More messages than any page of a CRM's API we know."""
MANY_ARTICLES = 60
FILES = (
    Attachment(name="Invoice 7.pdf", type="application/pdf", size=48_213),
    Attachment(name="Foto für Sie (1).png", type="image/png", size=1),
)
LOOKS = 10
HOSTILE_TEXTS = (
    "<script>alert(1)</script>", "a\x00b", "\u202egnp.exe", "{{7*7}} ${7*7} {%raw%}", "=HYPERLINK(1)", "\ud83d",
    "' OR 1=1 --", "\r\nBcc: eve@example.org\r\n", "💣" * 50, "<p>" * 2_000, "\u2028\u2029\ufeff", "> " * 3_000,
)  # fmt: skip


class Reading(ContractBase):
    """The case as it is in the CRM."""

    @proves("always")
    def test_a_case_is_read_whole(self, stage: Stage) -> None:
        case = stage.open_case(subject="My parcel is late")
        stage.crm.agent_writes(case, "Which order is it?", agent=ANA)
        newest = stage.crm.customer_writes(case, "Order A-1.")
        context = stage.context(case)
        assert context.case == case
        assert context.subject == "My parcel is late"
        assert context.open
        assert [message.text for message in context.public_messages] == [QUESTION, "Which order is it?", "Order A-1."]
        assert context.requester is not None
        assert context.requester.email.endswith("@example.org")
        assert isinstance(context.addressing, Addressing)
        assert (context.addressing.to, context.addressing.in_reply_to) == ((context.requester.email,), newest)
        assert not context.unreadable

    @proves("always")
    def test_every_message_has_its_direction_and_author(self, stage: Stage) -> None:
        case = stage.open_case()
        reply = stage.crm.agent_writes(case, "We are on it.", agent=ANA)
        note = stage.crm.agent_writes(case, "A known trouble maker.", agent=BEN, public=False)
        by_id = {message.id: message for message in stage.context(case).messages}
        first = next(iter(by_id.values()))
        assert (first.direction, first.author.kind, first.public) == ("incoming", "customer", True)
        assert (by_id[reply].direction, by_id[reply].author.kind, by_id[reply].public) == ("outgoing", "agent", True)
        assert by_id[reply].author.id == stage.crm.agent(ANA).id
        assert not by_id[note].public, "an internal note is never public"
        assert by_id[note].author.kind == "agent"

    @proves("sends")
    def test_a_reply_of_ours_is_known_as_ours(self, stage: Stage) -> None:
        self.declared(stage.capabilities.sends is Sends.BRIDGE, "the bridge sends")
        case = stage.open_case()
        sent = stage.adapter.send_reply(stage.reply(case), key())
        ours = next(message for message in stage.context(case).messages if message.id == sent.id)
        assert (ours.author.kind, ours.direction) == ("bridge", "outgoing")

    @proves("always")
    def test_an_automatic_message_is_marked(self, stage: Stage) -> None:
        case = stage.open_case()
        automatic = stage.crm.customer_writes(case, "I am out of office.", automatic=True)
        marked = {message.id: message.automatic for message in stage.context(case).messages}
        assert marked.pop(automatic)
        assert not any(marked.values())

    @proves("always")
    def test_every_attachment_has_its_name_type_and_size(self, stage: Stage) -> None:
        case = stage.open_case()
        written = stage.crm.customer_attaches(case, "Here they are.", FILES)
        self.playable(written, "attachments")
        by_message = {message.id: message.attachments for message in stage.context(case).messages}
        assert by_message.pop(written or "") == FILES
        assert not any(by_message.values())

    @proves("always")
    def test_a_long_thread_is_read_to_its_first_message(self, stage: Stage) -> None:
        case = stage.open_case()
        for number in range(LONG_THREAD):
            stage.crm.customer_writes(case, f"Message {number}.")
        read = [message.id for message in stage.context(case).public_messages]
        assert read == [message.id for message in stage.crm.thread(case)]

    @proves("always")
    def test_html_is_read_as_plain_text(self, stage: Stage) -> None:
        case = stage.open_case()
        html = "<style>p{}</style><p>Dear <b>team</b>,</p><script>alert(1)</script><p>it broke.</p>"
        written = stage.crm.customer_writes(case, "Dear team,\n\nit broke.", html=html)
        text = next(message.text for message in stage.context(case).messages if message.id == written)
        assert same(text, "Dear team, it broke.")

    @proves("always")
    def test_hostile_texts_are_only_texts(self, stage: Stage) -> None:
        case = stage.open_case(subject="<b>{{subject}}</b>")
        written = [stage.crm.customer_writes(case, text) for text in HOSTILE_TEXTS]
        context = stage.context(case)
        assert context.subject == "<b>{{subject}}</b>"
        texts = {message.id: message.text for message in context.messages}
        assert set(written) <= set(texts)
        assert not any("\x00" in text for text in texts.values())
        for text in texts.values():
            text.encode("utf-8")

    @proves("always")
    def test_a_text_the_crm_cut_off_is_marked(self, stage: Stage) -> None:
        self.declared(stage.crm.longest_text, "an API that cuts texts off")
        case = stage.open_case()
        short = stage.crm.customer_writes(case, "Short.")
        long = stage.crm.customer_writes(case, "word " * (1 + (stage.crm.longest_text or 0) // 5))
        marked = {message.id: message.truncated for message in stage.context(case).messages}
        assert (marked[short], marked[long]) == (False, True)

    @proves("always")
    def test_what_may_not_be_read_is_named(self, stage: Stage) -> None:
        case = stage.open_case()
        hidden = set(stage.crm.hide(case))
        self.playable(hidden, "missing permissions")
        unreadable = {item.name for item in stage.context(case).unreadable}
        assert hidden <= unreadable, "an empty field must not be taken for a known one"

    @proves("always")
    def test_a_change_changes_the_version(self, stage: Stage) -> None:
        case = stage.open_case()
        before = stage.context(case)
        assert stage.context(case).version == before.version
        if before.version is None:
            self.declared(None, "versions of a case")
        stage.crm.customer_writes(case, "Hello?")
        assert stage.context(case).version != before.version

    @proves("always")
    def test_a_snapshot_says_when_it_was_taken(self, stage: Stage) -> None:
        case = stage.open_case()
        before = stage.crm.clock.now()
        context = stage.context(case)
        assert before <= context.observed_at <= stage.crm.clock.now()
        stage.crm.clock.advance(timedelta(hours=1))
        assert stage.context(case).observed_at >= before + timedelta(hours=1)

    @proves("always")
    def test_a_closed_case_is_closed_and_a_reopened_one_open(self, stage: Stage) -> None:
        case = stage.open_case()
        stage.crm.close(case)
        assert not stage.context(case).open
        stage.crm.reopen(case)
        assert stage.context(case).open

    @proves("always")
    def test_reading_stays_within_its_budget(self, stage: Stage) -> None:
        case = stage.open_case()
        stage.crm.customer_writes(case, "Hello?")
        stage.context(case)  # tokens and descriptions are paid for once
        before = _calls(stage.crm.calls)
        stage.context(case)
        self.within_budget(stage, "read_case", _calls(stage.crm.calls) - before)

    # --- resolving --------------------------------------------------------------------------------------------------

    @proves("always")
    def test_a_case_resolves_to_itself(self, stage: Stage) -> None:
        case = stage.open_case()
        assert stage.adapter.resolve(case) == case

    @proves("always")
    def test_what_a_delivery_is_about_resolves_sooner_or_later(self, stage: Stage) -> None:
        stage.crm.deliveries()
        case = stage.open_case()
        for event in stage.heard():
            found = stage.adapter.resolve(event.about)
            for _ in range(LOOKS):
                if not isinstance(found, NotYet):
                    break
                assert found.after > timedelta(0)
                stage.crm.clock.advance(found.after)
                found = stage.adapter.resolve(event.about)
            assert found == case

    @proves("always")
    def test_what_never_was_a_case_is_none(self, stage: Stage) -> None:
        assert isinstance(stage.adapter.resolve(CaseRef(id="no-such-case")), NotACase)
        assert isinstance(stage.adapter.resolve(ForeignRef(kind="no-such-kind", id="1")), NotACase)
        assert isinstance(stage.adapter.read_case(CaseRef(id="no-such-case")), NotACase)

    @proves("always")
    def test_strange_ids_lead_nowhere_else(self, stage: Stage) -> None:
        stage.open_case()
        for strange in ("..%2f..", "a/b", "a?b=c", "a#b", "%00", "' or 1=1", "é" * 20, "x" * 200):
            assert isinstance(stage.adapter.read_case(CaseRef(id=strange)), NotACase)

    @proves("always")
    def test_a_merged_case_leads_to_the_survivor(self, stage: Stage) -> None:
        case, survivor = stage.open_case(), stage.open_case()
        self.playable(stage.crm.merge(case, survivor), "merging")
        assert stage.adapter.resolve(case) in (Merged(into=survivor), survivor)
        read = stage.adapter.read_case(case)
        assert read == Merged(into=survivor) or (isinstance(read, CaseContext) and read.case == survivor)

    @proves("deletions")
    def test_a_deleted_case_is_none(self, stage: Stage) -> None:
        self.declared(stage.capabilities.deletions, "deletions")
        case = stage.open_case()
        assert stage.crm.delete(case)
        assert isinstance(stage.adapter.resolve(case), NotACase)
        assert isinstance(stage.adapter.read_case(case), NotACase)

    @proves("always")
    def test_what_an_agent_may_see_is_asked_for_and_answered(self, stage: Stage) -> None:
        assert isinstance(stage.adapter.may_see(stage.crm.agent(ANA), stage.open_case()), Visibility)

    # --- articles ---------------------------------------------------------------------------------------------------

    @proves("knowledge")
    def test_every_article_is_listed_over_all_pages(self, stage: Stage) -> None:
        self.declared(stage.capabilities.knowledge, "knowledge")
        mark = key("art")
        for number in range(MANY_ARTICLES):
            stage.crm.publish(f"{mark}-{number}", f"How to {number}", "Press the button.")
        articles, _ = _articles(stage, None)
        assert {f"{mark}-{number}" for number in range(MANY_ARTICLES)} <= set(articles)

    @proves("knowledge")
    def test_a_changed_and_a_deleted_article_are_told(self, stage: Stage) -> None:
        self.declared(stage.capabilities.knowledge, "knowledge")
        changed, gone = key("art"), key("art")
        for article in (changed, gone):
            stage.crm.publish(article, "How to", "Old text.")
        _, cursor = _articles(stage, None)
        stage.crm.publish(changed, "How to", "New text.")
        stage.crm.publish(gone, "How to", "Old text.", deleted=True)
        articles, _ = _articles(stage, cursor)
        assert "New text." in articles[changed].body
        assert (articles[changed].deleted, articles[gone].deleted) == (False, True)


def _articles(stage: Stage, cursor: str | None) -> tuple[Mapping[str, Article], str]:
    found: dict[str, Article] = {}
    for _ in range(50):
        page = stage.another().list_articles(cursor)
        found |= {article.id: article for article in page.items}
        cursor = page.cursor
        if not page.more:
            return found, cursor
    raise AssertionError("still more articles after 50 pages")


def _calls(counted: Mapping[str, int]) -> int:
    return sum(counted.values())
