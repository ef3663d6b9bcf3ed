"""Drafts as stored. `take_step` is the only place that changes a draft's state, by the table of the lifecycle."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from crm_bridge.contract import Addressing, Draft, DraftRef, Finding, Fingerprint, Flag, Source
from crm_bridge.core.lifecycle import LIVE, NEW_REVISION, OUTCOMES, DraftState, DraftStep, after
from crm_bridge.store import cases
from crm_bridge.store.codec import addressing_from, findings_from, flags_from, sources_from, to_json
from crm_bridge.store.encryption import Cipher
from crm_bridge.store.tables import attempts, drafts

_PLAIN = (
    *("id", "connection", "case_id", "episode_id", "previous_id", "revision", "reason", "detail", "answers"),
    *("language", "context_id", "write_key", "remote_id", "fingerprint", "withdrawal", "decision"),
    *(
        "approver_id",
        "approver_name",
        "approved_at",
        "send_after",
        "sends",
        "sent_id",
        "superseded_by",
        "created_at",
        "state_since",
        "looked_at",
        "outcome_at",
    ),
)
NOT_THERE = "not_there"
"""What became of taking away a draft whose write was announced and never arrived, or cannot be asked for."""

_HAS_TEXT = drafts.c.text_enc.is_not(None)

_ENCRYPTED = {
    "text": "text_enc",
    "approved_text": "approved_enc",
    "working_text": "working_enc",
    "instruction": "instruction_enc",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What comes with a draft's text."""

    sources: tuple[Source, ...] = ()
    findings: tuple[Finding, ...] = ()
    flags: tuple[Flag, ...] = ()
    addressing: Addressing | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftRow:
    """A draft with its texts decrypted. `seen`: ids of the public messages it, or its approver, knew of."""

    id: str
    connection: str
    case_id: int
    episode_id: int | None
    previous_id: str | None
    revision: int
    state: DraftState
    reason: str
    detail: str
    answers: str
    seen: tuple[str, ...]
    language: str
    text: str | None
    approved_text: str | None
    working_text: str | None
    instruction: str | None
    content: Content
    context_id: str
    write_key: str | None
    remote_id: str | None
    fingerprint: str | None
    withdrawal: str
    decision: str
    approver_id: str | None
    approver_name: str | None
    approved_at: datetime | None
    send_after: datetime | None
    sends: int
    sent_id: str | None
    superseded_by: str | None
    created_at: datetime
    state_since: datetime
    looked_at: datetime | None
    outcome_at: datetime | None

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def may_stand(self) -> bool:
        """Ready, and its write was announced: it may stand in the CRM before the answer is here."""
        return self.state is DraftState.READY and self.write_key is not None

    @property
    def shown_state(self) -> DraftState:
        """The state people are shown: one that may stand there already is one they can decide on."""
        return DraftState.WRITTEN if self.may_stand else self.state

    @property
    def ref(self) -> DraftRef | None:
        """Where it stands in the CRM, if it does."""
        if self.remote_id is None or self.fingerprint is None:
            return None
        return DraftRef(id=self.remote_id, fingerprint=Fingerprint(value=self.fingerprint))

    def as_draft(self, addressing: Addressing) -> Draft:
        """The draft as an adapter writes it."""
        assert self.text is not None
        return Draft(
            id=self.id,
            revision=self.revision,
            answers=self.answers,
            made_from=self.seen,
            text=self.text,
            language=self.language,
            sources=self.content.sources,
            findings=self.content.findings,
            flags=self.content.flags,
            addressing=addressing,
        )


def _load(cipher: Cipher, row: Any) -> DraftRow:
    values = row._mapping
    texts: dict[str, Any] = {name: cipher.decrypt_optional(values[column]) for name, column in _ENCRYPTED.items()}
    plain = {name: values[name] for name in _PLAIN}
    return DraftRow(
        **plain,
        **texts,
        state=DraftState(values["state"]),
        seen=tuple(values["seen"]),
        content=_content_from(cipher.decrypt_json(values["content_enc"]) or {}),
    )


def _content_from(data: Mapping[str, Any]) -> Content:
    return Content(
        sources=sources_from(data.get("sources", ())),
        findings=findings_from(data.get("findings", ())),
        flags=flags_from(data.get("flags", ())),
        addressing=addressing_from(data.get("addressing")),
    )


_GET = sa.select(drafts).where(drafts.c.id == sa.bindparam("id"))
_OF_CASE = sa.select(drafts).where(drafts.c.case_id == sa.bindparam("case_id"))
_NEWEST = _OF_CASE.order_by(drafts.c.revision.desc()).limit(1)
_LIVE = _OF_CASE.where(drafts.c.state.in_([state.value for state in LIVE]))
_LAST_WRITTEN = _NEWEST.where(drafts.c.remote_id.is_not(None))
_STANDING = _LAST_WRITTEN.with_only_columns(
    drafts.c.remote_id, drafts.c.fingerprint, drafts.c.state, drafts.c.withdrawal
)
_UNSEEN = _NEWEST.where(drafts.c.write_key != sa.bindparam("key"), drafts.c.remote_id.is_(None), _HAS_TEXT)
_LAST_BEGUN = _NEWEST.where(
    sa.or_(drafts.c.remote_id.is_not(None), sa.and_(drafts.c.write_key.is_not(None), _HAS_TEXT)),
    drafts.c.withdrawal != NOT_THERE,
)


def get(connection: sa.Connection, cipher: Cipher, draft_id: str) -> DraftRow | None:
    return _one(connection, cipher, _GET, id=draft_id)


def latest(connection: sa.Connection, cipher: Cipher, case_id: int) -> DraftRow | None:
    """The newest draft of a case, live or not."""
    return _one(connection, cipher, _NEWEST, case_id=case_id)


def _one(connection: sa.Connection, cipher: Cipher, which: sa.Select[Any], **wanted: str | int) -> DraftRow | None:
    row = connection.execute(which, wanted).one_or_none()
    return None if row is None else _load(cipher, row)


def live(connection: sa.Connection, cipher: Cipher, case_id: int) -> DraftRow | None:
    return _one(connection, cipher, _LIVE, case_id=case_id)


def standing(connection: sa.Connection, case_id: int) -> DraftRef | None:
    """What of ours was written last for this case and was not taken away again."""
    row = connection.execute(_STANDING, {"case_id": case_id}).one_or_none()
    if row is None or row.state == DraftState.GONE or row.withdrawal == "done":
        return None
    return DraftRef(id=row.remote_id, fingerprint=Fingerprint(value=row.fingerprint))


def last_written(connection: sa.Connection, cipher: Cipher, case_id: int) -> DraftRow | None:
    """The draft of a case that was written into the CRM last, whatever became of it."""
    return _one(connection, cipher, _LAST_WRITTEN, case_id=case_id)


def outdated(connection: sa.Connection, cipher: Cipher, case_id: int) -> DraftRow | None:
    """The draft whose write was begun last, when it has ended and may still stand there for anybody to use.

    One without `ref` was announced and its answer never seen: whether it stands there is still to be asked.
    """
    last = _one(connection, cipher, _LAST_BEGUN, case_id=case_id)
    ended = last is not None and not last.live and last.state not in {DraftState.GONE, DraftState.MERGED}
    return last if ended and last is not None and not last.withdrawal else None


def lost_write(connection: sa.Connection, cipher: Cipher, case_id: int, *, key: str) -> DraftRow | None:
    """The newest draft whose write, under another key, was begun and its answer never seen: it may stand there."""
    return _one(connection, cipher, _UNSEEN, case_id=case_id, key=key)


def begin(
    connection: sa.Connection,
    cipher: Cipher,
    *,
    name: str,
    case_id: int,
    episode_id: int | None,
    answers: str,
    seen: Sequence[str],
    previous_id: str | None = None,
    instruction: str | None = None,
    working_text: str | None = None,
) -> DraftRow:
    """A new draft in `drafting`. The case row must be locked; a live draft of the case is a unique violation."""
    revision, _sequence = cases.step(connection, case_id, new_revision=True)
    row = connection.execute(
        insert(drafts)
        .values(
            id=f"dr_{uuid.uuid4().hex}",
            connection=name,
            case_id=case_id,
            episode_id=episode_id,
            previous_id=previous_id,
            revision=revision,
            state=DraftState.DRAFTING.value,
            answers=answers,
            seen=list(seen),
            instruction_enc=cipher.encrypt_optional(instruction),
            working_enc=cipher.encrypt_optional(working_text),
        )
        .returning(drafts)
    ).one()
    return _load(cipher, row)


def begin_again(connection: sa.Connection, cipher: Cipher, old: DraftRow, instruction: str) -> DraftRow:
    """A new draft for the same message, with what the agent asked for."""
    return begin(
        connection,
        cipher,
        name=old.connection,
        case_id=old.case_id,
        episode_id=old.episode_id,
        answers=old.answers,
        seen=old.seen,
        previous_id=old.id,
        instruction=instruction,
        working_text=old.working_text,
    )


def take_step(
    connection: sa.Connection,
    cipher: Cipher,
    draft: DraftRow,
    step: DraftStep,
    **changes: Any,
) -> DraftRow:
    """Move a draft along the table and count it on the case. Raises `IllegalStep`.

    The case row must be locked and `draft` read under that lock. `changes` are fields of `DraftRow`.
    """
    state, new_revision = after(draft.state, step), step in NEW_REVISION
    revision, _sequence = cases.step(connection, draft.case_id, new_revision=new_revision)
    values: dict[str, Any] = {
        "state": state.value,
        "state_since": sa.func.clock_timestamp(),
        **({"revision": revision} if new_revision else {}),
        **({"outcome_at": sa.func.clock_timestamp()} if state in OUTCOMES and draft.state in LIVE else {}),
        **_columns(cipher, changes),
    }
    row = connection.execute(sa.update(drafts).where(drafts.c.id == draft.id).values(**values).returning(drafts)).one()
    return _load(cipher, row)


def take_back(connection: sa.Connection, cipher: Cipher, draft: DraftRow, **changes: Any) -> DraftRow:
    """An approval undone: nobody has approved the text any more, and what they wrote stays theirs to go on with.

    `changes`: fields of `DraftRow` that become something else than that.
    """
    undone: dict[str, Any] = {
        # Our own words never take the place of what somebody typed on an earlier draft.
        "working_text": draft.approved_text
        if draft.decision == "edited"
        else draft.working_text or draft.approved_text,
        "text": draft.text or draft.approved_text,
        "approved_text": None,
        "send_after": None,
        "approver_id": None,
        "approver_name": None,
        "approved_at": None,
        "decision": "",
    }
    step = DraftStep.UNDO_UNWRITTEN if draft.remote_id is None else DraftStep.UNDO
    return take_step(connection, cipher, draft, step, **{**undone, **changes})


def change(connection: sa.Connection, cipher: Cipher, draft_id: str, **changes: Any) -> None:
    """Change fields that are no state: never `state`, `revision` or an outcome."""
    connection.execute(sa.update(drafts).where(drafts.c.id == draft_id).values(**_columns(cipher, changes)))


def _columns(cipher: Cipher, changes: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in changes.items():
        if name in _ENCRYPTED:
            values[_ENCRYPTED[name]] = cipher.encrypt_optional(value)
        elif name == "content":
            values["content_enc"] = cipher.encrypt_json(to_json(value))
        elif name == "seen":
            values["seen"] = list(value)
        else:
            values[name] = value
    return values


# --- attempts to send -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    key: str
    attempted_at: datetime
    looked_at: datetime | None


def attempt_key(draft_id: str, number: int) -> str:
    """The same for every try of one attempt; a person's "send again" makes the next number."""
    return hashlib.sha256(f"{draft_id}:{number}".encode()).hexdigest()[:32]


def record_attempt(connection: sa.Connection, draft_id: str, key: str) -> Attempt:
    """Committed before the call leaves. The same attempt tried again has the time of its last try."""
    begun = {"attempted_at": sa.func.clock_timestamp(), "result": "", "ended_at": None}
    statement = (
        insert(attempts)
        .values(key=key, draft_id=draft_id, attempted_at=sa.func.clock_timestamp())
        .on_conflict_do_update(index_elements=["key"], set_=begun)
        .returning(attempts.c.key, attempts.c.attempted_at, attempts.c.looked_at)
    )
    return Attempt(**connection.execute(statement).one()._mapping)


def current_attempt(connection: sa.Connection, draft: DraftRow) -> Attempt | None:
    row = connection.execute(
        sa.select(attempts.c.key, attempts.c.attempted_at, attempts.c.looked_at).where(
            attempts.c.key == attempt_key(draft.id, draft.sends)
        )
    ).one_or_none()
    return None if row is None else Attempt(**row._mapping)


def end_attempt(connection: sa.Connection, draft: DraftRow, result: str, sent_id: str | None = None) -> None:
    connection.execute(
        sa.update(attempts)
        .where(attempts.c.key == attempt_key(draft.id, draft.sends))
        .values(result=result, sent_id=sent_id, ended_at=sa.func.clock_timestamp())
    )


def own_messages(connection: sa.Connection, case_id: int) -> tuple[frozenset[str], frozenset[str]]:
    """(ids of messages our replies became, keys of every attempt) of a case."""
    rows = connection.execute(
        sa.select(attempts.c.key, attempts.c.sent_id)
        .join(drafts, drafts.c.id == attempts.c.draft_id)
        .where(drafts.c.case_id == case_id)
    ).all()
    sent = connection.execute(
        sa.select(drafts.c.sent_id).where(drafts.c.case_id == case_id, drafts.c.sent_id.is_not(None))
    ).scalars()
    ids = {row.sent_id for row in rows if row.sent_id} | set(sent)
    return frozenset(ids), frozenset(row.key for row in rows)


def note_look(connection: sa.Connection, cipher: Cipher, draft: DraftRow) -> None:
    """Remember that the CRM was asked for this attempt."""
    connection.execute(
        sa.update(attempts)
        .where(attempts.c.key == attempt_key(draft.id, draft.sends))
        .values(looked_at=sa.func.clock_timestamp())
    )
    change(connection, cipher, draft.id, looked_at=sa.func.clock_timestamp())
