"""What named agents said of drafts: append-only rows, never changed (the database refuses)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from crm_bridge.contract import Agent
from crm_bridge.store.drafts import DraftRow
from crm_bridge.store.encryption import Cipher
from crm_bridge.store.tables import decisions


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One decision: a `DecisionKind`, or undo, settle_sent, settle_resend.

    `source`: panel, crm (read back from the record) or observed (seen in the thread).
    """

    kind: str
    revision: int
    agent: Agent
    source: str
    late: bool = False
    text: str | None = None
    reason: str = ""
    comment: str = ""
    acknowledged: tuple[str, ...] = ()
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionRow:
    draft_id: str
    revision: int
    kind: str
    source: str
    late: bool
    agent_id: str
    agent_name: str
    text_hash: str
    reason: str
    idempotency_key: str | None
    decided_at: datetime


_COLUMNS = [decisions.c[name] for name in DecisionRow.__dataclass_fields__]


def text_hash(text: str | None) -> str:
    return "" if text is None else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def record(connection: sa.Connection, cipher: Cipher, draft: DraftRow, said: Said, at: datetime) -> None:
    connection.execute(
        insert(decisions).values(
            connection=draft.connection,
            case_id=draft.case_id,
            draft_id=draft.id,
            revision=said.revision,
            kind=said.kind,
            source=said.source,
            late=said.late,
            agent_id=said.agent.id,
            agent_name=said.agent.name,
            text_enc=cipher.encrypt_optional(said.text),
            text_hash=text_hash(said.text),
            reason=said.reason,
            comment_enc=cipher.encrypt(said.comment) if said.comment else None,
            acknowledged=list(said.acknowledged),
            idempotency_key=said.idempotency_key,
            decided_at=at,
        )
    )


def of_draft(connection: sa.Connection, draft_id: str) -> Sequence[DecisionRow]:
    """Newest first."""
    rows = connection.execute(
        sa.select(*_COLUMNS).where(decisions.c.draft_id == draft_id).order_by(decisions.c.id.desc())
    ).all()
    return [DecisionRow(**row._mapping) for row in rows]


def newest_of_case(connection: sa.Connection, case_id: int) -> DecisionRow | None:
    row: Any = connection.execute(
        sa.select(*_COLUMNS).where(decisions.c.case_id == case_id).order_by(decisions.c.id.desc()).limit(1)
    ).one_or_none()
    return None if row is None else DecisionRow(**row._mapping)
