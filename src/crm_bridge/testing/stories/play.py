"""One story while it is told: its cases, what people did, what was approved, and the words for all of it.

It owns what is known independently of the bridge; what must hold is `laws.py`, what people do `people.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from crm_bridge.contract import CaseRef, Delivery
from crm_bridge.core.masking import MaskedContext
from crm_bridge.core.textmatch import normalise
from crm_bridge.pipeline.panel import PanelView
from crm_bridge.testing.stories.stage import Company, Stage

CUSTOMERS = ("Carla", "Dora", "Emil", "Fritz")
AGENTS = ("Ana", "Ben")
MARKS = ("harbour", "meadow", "copper", "violet")
"""A word that stands in everything a case's customer writes, and nowhere else."""


class Broken(BaseException):
    """Something that must hold did not. No Exception: what is being tested must not catch it."""


@dataclass(kw_only=True, eq=False)
class Ticket:
    """A case of the story. `human`: what a person wrote over our draft, until somebody decides on it.

    `typed`: all that persons ever wrote over it. `removed`: a person took our draft away. `decided`: the text somebody
    decided on in the CRM.
    """

    number: int
    connection: str
    company: Company
    ref: CaseRef
    customer: str
    mark: str
    human: str | None = None
    typed: set[str] = field(default_factory=set)
    removed: bool = False
    decided: str | None = None
    deleted: bool = False
    merged_into: Ticket | None = None

    @property
    def home(self) -> Ticket:
        return self if self.merged_into is None else self.merged_into.home

    @property
    def alive(self) -> bool:
        return not self.deleted and self.merged_into is None

    def __str__(self) -> str:
        return f"case {self.number}"


@dataclass(kw_only=True, eq=False)
class Letter:
    """A webhook on its way. `label` says what it is in the story's words."""

    connection: str
    delivery: Delivery
    label: str


@dataclass(kw_only=True)
class Play:
    """`approved`: how often each text may go out. `written`: ids of messages people sent without us."""

    stage: Stage
    words: list[str] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    approved: Counter[str] = field(default_factory=Counter)
    counted: set[tuple[str, ...]] = field(default_factory=set)
    approvals_of: dict[str, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    memories: dict[tuple[str, int], PanelView] = field(default_factory=dict)
    bags: dict[str, list[Letter]] = field(default_factory=dict)
    told: list[Letter] = field(default_factory=list)
    stored: dict[str, set[str]] = field(default_factory=dict)
    keyless: Counter[str] = field(default_factory=Counter)
    stopped: set[str] = field(default_factory=set)
    seen_revisions: dict[tuple[int, int], tuple[str, str | None]] = field(default_factory=dict)
    seen_sequences: dict[int, int] = field(default_factory=dict)
    decrypted: dict[str, str] = field(default_factory=dict)
    first_event: int = 0
    first_case: int = 0
    writes: int = 0
    depth: int = 0

    def __post_init__(self) -> None:
        self.bags = {connection: [] for connection in self.stage.companies}
        self.stored = {connection: set() for connection in self.stage.companies}
        newest = "select (select coalesce(max(id), 0) from events), (select coalesce(max(id), 0) from cases)"
        self.first_event, self.first_case = self.stage.ask(newest)[0]
        self.stage.assistant.seen = self.look_at_prompt

    # --- words ----------------------------------------------------------------------------------------------------

    def tell(self, sentence: str) -> None:
        self.words.append("   " * self.depth + sentence)

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """What happens now happens while a worker is at work."""
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def require(self, holds: object, law: str) -> None:
        if not holds:
            raise Broken(law)

    def another(self) -> int:
        """A number no text of this story has had."""
        self.writes += 1
        return self.writes

    # --- choosing -------------------------------------------------------------------------------------------------

    def ticket(self, choice: int) -> Ticket | None:
        """One of the cases that still are cases, by an arbitrary number."""
        alive = [ticket for ticket in self.tickets if ticket.alive]
        return alive[choice % len(alive)] if alive else None

    # --- approvals ------------------------------------------------------------------------------------------------

    def approve(self, ticket: Ticket, said: tuple[str, ...], draft_id: str, text: str) -> None:
        """A person approved a text. Saying the same thing again approves nothing more."""
        text = normalise(text)
        self.approvals_of[draft_id] = text
        if said in self.counted:
            return
        self.counted.add(said)
        self.approved[text] += 1
        ticket.human = None

    def take_back(self, draft_id: str) -> None:
        """The approval of a draft was undone: what was said of it may be said again."""
        text = self.approvals_of.pop(draft_id)
        self.approved[text] -= 1
        self.counted = {said for said in self.counted if said[0] != draft_id}

    # --- what is looked at while it happens -----------------------------------------------------------------------

    def look_at_prompt(self, context: MaskedContext) -> None:
        """One case per prompt: whatever is in it comes from one customer's case, or cases merged with it."""
        texts = [context.subject, context.instruction, context.previous_text]
        text = " ".join([*texts, *(message.text for message in context.messages)])
        marks = {mark for mark in MARKS if re.search(rf"\b{mark}\b", text)}
        homes = {ticket.home.number for ticket in self.tickets if ticket.mark in marks}
        self.require(len(homes) <= 1, f"the assistant was given words of cases {sorted(homes)} in one prompt")
