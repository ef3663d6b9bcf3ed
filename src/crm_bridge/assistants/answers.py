"""When an assistant's answer may be used, whoever gave it, and what a failed call to one means.

Everything from an assistant is untrusted: it may only name sources it was given, and its text is plain and bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from crm_bridge.assistants.language import primary_code
from crm_bridge.assistants.protocol import (
    ABSTENTION_REASONS,
    MAX_DETAIL_CHARS,
    MAX_TEXT_CHARS,
    Abstention,
    AbstentionReason,
    Proposal,
    Usage,
)
from crm_bridge.contract import OutboundError, Permanent, Reauthenticate, Retry
from crm_bridge.core.masking import MaskedContext
from crm_bridge.kit.text import repair_text

_ABOUT_THIS_ANSWER = frozenset({"oversize", "not_json", "invalid_json"})
"""Failures of the client that the same question would meet again: no reason to hold up every other case."""


def unusable(code: str, detail: str) -> Permanent:
    """The error for an answer that came, and cannot be used. Quotes nothing of it."""
    return Permanent(f"the assistant's answer cannot be used: {detail}", code=code)


def proposal(
    context: MaskedContext,
    *,
    text: str,
    sources: Sequence[str],
    language: str | None,
    usage: Usage | None = None,
) -> Proposal:
    """A proposal that keeps the rules. Raises `Permanent` for an empty or endless text, or a source never given."""
    unknown = set(sources) - {source.id for source in context.sources}
    if unknown:
        raise unusable("assistant_unknown_source", f"it names {len(unknown)} source(s) it was not given")
    plain = repair_text(text).strip()
    if not plain:
        raise unusable("assistant_empty", "its text is empty")
    if len(plain) > MAX_TEXT_CHARS:
        raise unusable("assistant_too_long", f"its text is longer than {MAX_TEXT_CHARS} characters")
    return Proposal(text=plain, sources=tuple(dict.fromkeys(sources)), language=primary_code(language), usage=usage)


def abstention(reason: str, detail: str, *, usage: Usage | None = None) -> Abstention:
    """An abstention on one bounded line; a reason outside the closed list counts as `unsure`."""
    known: AbstentionReason = next((known for known in ABSTENTION_REASONS if known == reason), "unsure")
    line = " ".join(repair_text(detail[:MAX_TEXT_CHARS]).split())
    return Abstention(reason=known, detail=line[:MAX_DETAIL_CHARS], usage=usage)


@contextmanager
def named_errors() -> Iterator[None]:
    """Failed calls as the three errors `Assistant.draft` promises.

    What concerns this one answer is `Permanent`; the rest stays a fact about the assistant.
    """
    try:
        yield
    except (Reauthenticate, Permanent):
        raise
    except Retry as error:
        if error.code in _ABOUT_THIS_ANSWER:
            raise Permanent(error.detail, code=error.code) from error
        raise
    except OutboundError as error:
        raise Permanent(error.detail, code=error.code) from error
