"""The tables, for queries. The migrations own what the database really looks like; a test compares the two.

Columns whose names end in `_enc` hold Fernet tokens of the `[security] encryption_keys`.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR, UUID

metadata = sa.MetaData()

_Time = sa.DateTime(timezone=True)


def _now() -> sa.TextClause:
    return sa.text("now()")


connections = sa.Table(
    "connections",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("adapter", sa.Text, nullable=False),
    sa.Column("remote_id", sa.Text, nullable=False, server_default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("max_in_flight", sa.Integer, nullable=False, server_default="4"),
    sa.Column("started_at", _Time, nullable=False, server_default=_now()),
    # a person stopped it; lasts until a person resumes it
    sa.Column("stopped_at", _Time),
    sa.Column("stopped_by", sa.Text),
    sa.Column("stop_reason", sa.Text),
    # trouble with the CRM; lasts until a time
    sa.Column("paused_until", _Time),
    sa.Column("pause_reason", sa.Text),
    sa.Column("pauses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_served_at", _Time, nullable=False, server_default=sa.text("'epoch'")),
    sa.Column("changes_cursor", sa.Text),
    sa.Column("articles_cursor", sa.Text),
    # makes the keys of requesters: without it they cannot be traced back by hashing addresses
    sa.Column("requester_secret_enc", sa.LargeBinary),
)

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("connection", sa.Text, sa.ForeignKey("connections.name"), nullable=False),
    sa.Column("ref", sa.Text, nullable=False),
    sa.Column("alias_of", sa.BigInteger, sa.ForeignKey("cases.id")),
    sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
    sa.Column("sequence", sa.Integer, nullable=False, server_default="0"),
    sa.Column("shown_sequence", sa.Integer, nullable=False, server_default="0"),
    sa.Column("open", sa.Boolean),
    sa.Column("version", sa.Text),
    sa.Column("messages_enc", sa.LargeBinary),
    sa.Column("observed_at", _Time),
    sa.Column("gone_at", _Time),
    sa.Column("created_at", _Time, nullable=False, server_default=_now()),
    sa.UniqueConstraint("connection", "ref"),
)

work_items = sa.Table(
    "work_items",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("connection", sa.Text, sa.ForeignKey("connections.name"), nullable=False),
    sa.Column("ref_kind", sa.Text, nullable=False),
    sa.Column("ref_id", sa.Text, nullable=False),
    sa.Column("case_id", sa.BigInteger, sa.ForeignKey("cases.id")),
    sa.Column("wake_at", _Time),
    # when a person decided something that no turn has carried out yet
    sa.Column("decided_at", _Time),
    sa.Column("not_before", _Time),
    sa.Column("lease_token", UUID(as_uuid=False)),
    sa.Column("lease_until", _Time),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", _Time, nullable=False, server_default=_now()),
    sa.UniqueConstraint("connection", "ref_kind", "ref_id"),
    sa.Index("work_items_due", "connection", "wake_at", postgresql_where=sa.text("wake_at is not null")),
    sa.Index("work_items_leased", "connection", "lease_until", postgresql_where=sa.text("lease_until is not null")),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("connection", sa.Text, sa.ForeignKey("connections.name"), nullable=False),
    sa.Column("dedupe_key", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("item_id", sa.BigInteger, sa.ForeignKey("work_items.id"), nullable=False),
    sa.Column("occurred_at", _Time),
    sa.Column("received_at", _Time, nullable=False, server_default=_now()),
    sa.Column("raw_enc", sa.LargeBinary),
    sa.Column("handled_at", _Time),
    sa.Column("outcome", sa.Text, nullable=False, server_default="pending"),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("connection", "dedupe_key"),
    sa.CheckConstraint("outcome in ('pending', 'done', 'ignored', 'dead')", name="events_outcome"),
    sa.CheckConstraint("(outcome = 'pending') = (handled_at is null)", name="events_handled"),
    sa.Index("events_pending", "item_id", postgresql_where=sa.text("handled_at is null")),
)

episodes = sa.Table(
    "episodes",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("connection", sa.Text, sa.ForeignKey("connections.name"), nullable=False),
    sa.Column("case_id", sa.BigInteger, sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("requester_key", sa.Text, nullable=False),
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("eligible", sa.Boolean, nullable=False),
    sa.Column("excluded_by", sa.Text, nullable=False, server_default=""),
    sa.Column("opened_at", _Time, nullable=False),
    sa.Column("first_reply_at", _Time),
    sa.Column("closed_at", _Time),
    sa.Column("reopened", sa.Integer, nullable=False, server_default="0"),
    sa.Index("episodes_case", "case_id", "opened_at"),
)

drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("connection", sa.Text, sa.ForeignKey("connections.name"), nullable=False),
    sa.Column("case_id", sa.BigInteger, sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("episode_id", sa.BigInteger, sa.ForeignKey("episodes.id")),
    sa.Column("previous_id", sa.Text, sa.ForeignKey("drafts.id")),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),
    sa.Column("answers", sa.Text, nullable=False),
    sa.Column("seen", JSONB, nullable=False),
    sa.Column("language", sa.Text, nullable=False, server_default=""),
    sa.Column("text_enc", sa.LargeBinary),
    sa.Column("approved_enc", sa.LargeBinary),
    sa.Column("working_enc", sa.LargeBinary),
    sa.Column("content_enc", sa.LargeBinary),
    sa.Column("instruction_enc", sa.LargeBinary),
    sa.Column("context_id", sa.Text, nullable=False, server_default=""),
    sa.Column("usage", JSONB),
    # the key of the last write that was begun; without a remote_id its answer was never seen
    sa.Column("write_key", sa.Text),
    sa.Column("remote_id", sa.Text),
    sa.Column("fingerprint", sa.Text),
    # what became of taking it away again: '' not asked for, 'done', 'kept' because a person had been at it,
    # 'not_there' when its write never arrived or cannot be asked for
    sa.Column("withdrawal", sa.Text, nullable=False, server_default=""),
    sa.Column("decision", sa.Text, nullable=False, server_default=""),
    sa.Column("approver_id", sa.Text),
    sa.Column("approver_name", sa.Text),
    sa.Column("approved_at", _Time),
    sa.Column("send_after", _Time),
    sa.Column("sends", sa.Integer, nullable=False, server_default="0"),
    sa.Column("sent_id", sa.Text),
    sa.Column("superseded_by", sa.Text),
    sa.Column("created_at", _Time, nullable=False, server_default=_now()),
    sa.Column("state_since", _Time, nullable=False, server_default=_now()),
    sa.Column("looked_at", _Time),
    sa.Column("outcome_at", _Time),
    sa.Index("drafts_case", "case_id", "revision"),
    sa.Index(
        "drafts_one_live",
        "case_id",
        unique=True,
        postgresql_where=sa.text(
            "state in ('drafting', 'ready', 'written', 'approved', 'attempted', 'unconfirmed', 'failed', 'handed_over')"
        ),
    ),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("draft_id", sa.Text, sa.ForeignKey("drafts.id"), nullable=False),
    sa.Column("attempted_at", _Time, nullable=False),
    sa.Column("looked_at", _Time),
    sa.Column("result", sa.Text, nullable=False, server_default=""),
    sa.Column("sent_id", sa.Text),
    sa.Column("ended_at", _Time),
    sa.Index("attempts_draft", "draft_id"),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("connection", sa.Text, sa.ForeignKey("connections.name"), nullable=False),
    sa.Column("case_id", sa.BigInteger, sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("draft_id", sa.Text, sa.ForeignKey("drafts.id"), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("agent_id", sa.Text, nullable=False),
    sa.Column("agent_name", sa.Text, nullable=False),
    sa.Column("text_enc", sa.LargeBinary),
    sa.Column("text_hash", sa.Text, nullable=False, server_default=""),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("comment_enc", sa.LargeBinary),
    sa.Column("acknowledged", JSONB, nullable=False, server_default="[]"),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("decided_at", _Time, nullable=False),
    sa.Column("recorded_at", _Time, nullable=False, server_default=_now()),
    sa.UniqueConstraint("draft_id", "idempotency_key"),
    sa.Index("decisions_draft", "draft_id", "revision"),
)

articles = sa.Table(
    "articles",
    metadata,
    sa.Column("connection", sa.Text, sa.ForeignKey("connections.name"), primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False, server_default=""),
    sa.Column("version", sa.Text, nullable=False, server_default=""),
    sa.Column("updated_at", _Time),
    sa.Column("words", TSVECTOR, nullable=False),
    sa.Index("articles_words", "words", postgresql_using="gin"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value_enc", sa.LargeBinary, nullable=False),
    sa.Column("extra_enc", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", _Time),
)

cache_entries = sa.Table(
    "cache_entries",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value_enc", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", _Time, nullable=False),
)

call_budgets = sa.Table(
    "call_budgets",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("tokens", sa.Float, nullable=False),
    sa.Column("refilled_at", _Time, nullable=False),
)

encryption_keys = sa.Table(
    "encryption_keys",
    metadata,
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("canary", sa.LargeBinary, nullable=False),
    sa.Column("first_used_at", _Time, nullable=False, server_default=_now()),
)
