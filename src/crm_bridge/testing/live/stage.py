"""`LiveStage`: what the live rules are written with: an adapter on a real CRM, one case, and how to say what came out.

It owns the case and what stands on it because of us, so that it can be taken away again, and no rule.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from crm_bridge.contract import (
    Adapter,
    Agent,
    ApprovedReply,
    Capabilities,
    CaseContext,
    CaseRef,
    Change,
    Delivery,
    Draft,
    DraftRef,
)

TEXT = "A test of the crm-bridge: this is not an answer, and nobody has to do anything."
NEWER_TEXT = "A test of the crm-bridge: the second text, in place of the first one."
MAX_PAGES = 50


class Broken(Exception):
    """A rule does not hold; the text says what was expected and what was found, without customers' words."""


class NotPossible(Exception):
    """A rule cannot be looked at here; the text says why, and what would make it possible."""


def expect(holds: object, otherwise: str) -> None:
    """Raise `Broken` unless it holds."""
    if not holds:
        raise Broken(otherwise)


def needed(possible: object, why_not: str) -> None:
    """Raise `NotPossible` unless it is possible."""
    if not possible:
        raise NotPossible(why_not)


@dataclass(kw_only=True)
class LiveStage:
    """One run. `another` builds one more adapter for the connection, as another process would have."""

    adapter: Adapter
    another: Callable[[], Adapter]
    case: CaseRef | None
    wait_s: float
    say: Callable[[str], None]
    deliveries: Callable[[], Sequence[Delivery]] | None = None
    mark: str = field(default_factory=lambda: secrets.token_hex(3))
    opened_meanwhile: bool = False
    cursor: str | None = None
    read: CaseContext | None = None
    written: DraftRef | None = None
    sent: tuple[ApprovedReply, str] | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What is declared, and so looked at."""
        return self.adapter.capabilities

    @property
    def title(self) -> str:
        """What the subject of a case opened for this run has to hold."""
        return f"crm-bridge prove {self.mark}"

    @property
    def known_case(self) -> CaseRef:
        """The case of this run."""
        if self.case is None:
            raise NotPossible("there is no case: name one with --case")
        return self.case

    @property
    def context(self) -> CaseContext:
        """The case as it was read first."""
        if self.read is None:
            raise NotPossible("the case could not be read")
        return self.read

    @property
    def standing(self) -> DraftRef:
        """The draft of ours that stands on the case."""
        if self.written is None:
            raise NotPossible("no draft could be written")
        return self.written

    def read_now(self) -> CaseContext:
        """The case as it is now."""
        found = self.adapter.read_case(self.known_case)
        expect(isinstance(found, CaseContext), f"read_case: expected the case, got {type(found).__name__}")
        assert isinstance(found, CaseContext)
        return found

    def draft(self, *, revision: int, text: str) -> Draft:
        """A draft that answers the newest public message."""
        addressing, public = self.context.addressing, self.context.public_messages
        if addressing is None or not public:
            raise NotPossible("the case has no customer to answer: name one with a public message of a customer")
        return Draft(
            id=f"prove-{self.mark}-{revision}",
            revision=revision,
            answers=public[-1].id,
            made_from=tuple(message.id for message in public),
            text=text,
            language=self.context.language or "en",
            addressing=addressing,
        )

    def an_agent(self) -> Agent:
        """An agent the CRM named on this case: its owner, else whoever wrote a message there."""
        owner = self.context.owner
        if owner is not None:
            return Agent(id=owner.id, name=owner.name)
        authors = [one.author for one in self.context.messages if one.author.kind == "agent"]
        if not authors:
            raise NotPossible("nobody of the team is named on the case: give it an owner")
        return Agent(id=authors[-1].id, name=authors[-1].name)

    def reply(self, text: str) -> ApprovedReply:
        """A reply to the newest public message."""
        draft = self.draft(revision=1, text=text)
        return ApprovedReply(
            draft_id=draft.id,
            revision=draft.revision,
            case=self.known_case,
            text=text,
            language=draft.language,
            addressing=draft.addressing,
            approver=self.an_agent(),
            answers=draft.answers,
            seen=draft.made_from,
        )

    def key(self, name: str) -> str:
        """An idempotency key nobody had before."""
        return f"prove-{self.mark}-{name}"

    def changes(self, cursor: str | None) -> tuple[list[Change], str]:
        """Everything after a cursor, over a bounded number of pages, and the last cursor."""
        found: list[Change] = []
        for page in range(MAX_PAGES):
            changes = self.adapter.changed_since(cursor)
            found += changes.items
            cursor = changes.cursor
            if not changes.more:
                return found, cursor
            expect(page < MAX_PAGES - 1, f"changed_since: still more after {MAX_PAGES} pages")
        raise AssertionError("unreachable")

    def clean_up(self) -> str:
        """Take our draft away, where that is possible; what is left behind, in words."""
        if self.written is None:
            return ""
        if not self.capabilities.target.withdrawable:
            return "The draft cannot be withdrawn from this kind of target and stays on the case."
        ref, self.written = self.written, None
        self.adapter.withdraw_draft(ref, ref.fingerprint)
        return ""


def cases_of(stage: LiveStage, changes: Sequence[Change]) -> Iterator[tuple[CaseRef, Change]]:
    """The cases changes are about, resolved where they name something else."""
    for change in changes:
        known = change.ref if isinstance(change.ref, CaseRef) else stage.adapter.resolve(change.ref)
        if isinstance(known, CaseRef):
            yield known, change
