"""What an assistant is: masked context in, a proposal or an honest abstention out.

Owns the Protocol and its values. Only a `MaskedContext` is ever accepted: a bare `CaseContext` is a type error.
An assistant has no effect outside, so it never raises `Ambiguous`: asking it again does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from crm_bridge.core.masking import MaskedContext

AbstentionReason = Literal["no_source", "refused", "unsure"]
"""`no_source` nothing fits the question, `refused` the assistant will not, `unsure` it has no answer to stand by."""

ABSTENTION_REASONS: tuple[AbstentionReason, ...] = ("no_source", "refused", "unsure")

MAX_TEXT_CHARS = 20_000
"""A reply longer than this is a mistake, whoever wrote it."""

MAX_DETAIL_CHARS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a proposal took. `cost` is in the currency of the configured prices, None when no price is known."""

    model: str
    input_tokens: int
    output_tokens: int
    cost: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A proposed reply in plain text, still masked.

    `sources` are the ids of what it is grounded in, all of them given in the context. `language` is a lower-case
    primary code such as `de`, None when the assistant does not say.
    """

    text: str
    sources: tuple[str, ...] = ()
    language: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Abstention:
    """No reply, and why. `detail` is one sentence for the agent; from outside, so untrusted and bounded."""

    reason: AbstentionReason
    detail: str = ""
    usage: Usage | None = None


class Assistant(Protocol):
    """The AI that proposes text, one case at a time. Usable from several threads at once."""

    @property
    def timeout_s(self) -> float:
        """One call of `draft` takes at most so long; whoever works on the case holds it that much longer."""

    def draft(self, context: MaskedContext) -> Proposal | Abstention:
        """A reply to `context.question`, grounded in `context.sources`.

        Bounded in time and size. Raises `Retry` (the assistant is in trouble), `Reauthenticate` (its credentials
        or ours are refused) or `Permanent` (this answer cannot be used); nothing else.
        """
