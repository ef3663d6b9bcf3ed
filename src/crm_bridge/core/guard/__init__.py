"""What is remarked on a proposed text before an agent sees it: flags, informing or blocking. Pure.

Judges the text against the case, the sources and the policy. It changes nothing: `visible` (from `textmatch`) takes
invisible characters out, the pipeline decides when. Which codes block is the operator's policy, not a rule here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crm_bridge.contract import CaseContext, Flag, Severity, Source
from crm_bridge.core.guard.amounts import check_amounts
from crm_bridge.core.guard.asking import check_asking
from crm_bridge.core.guard.contacts import check_contacts
from crm_bridge.core.guard.disclosures import check_attachments, check_notes, check_placeholders, check_secrets
from crm_bridge.core.guard.disguises import check_disguises
from crm_bridge.core.guard.grounds import Grounds, Remark, Said, grounds_of, said
from crm_bridge.core.guard.links import check_links
from crm_bridge.core.guard.look import Look, look_of
from crm_bridge.core.guard.promises import check_promises
from crm_bridge.core.policy import NO_VOICE, GuardPolicy, Voice
from crm_bridge.core.textmatch import Folded, fold, hidden_characters, visible

MAX_DRAFT_CHARS = 50_000
MAX_FLAGS_PER_CODE = 10
MAX_EXCERPT_CHARS = 160

CODES = frozenset(
    {
        "amount_echoed",
        "amount_not_found",
        "attachment_promised",
        "contact_echoed",
        "contact_not_in_sources",
        "disguised",
        "hidden_characters",
        "internal_note_overlap",
        "link_not_in_sources",
        "placeholder",
        "promise_not_found",
        "secret",
        "too_long",
        "unresolved_mask",
        "wrong_language",
    }
)
"""Every code there is."""

__all__ = ["CODES", "MAX_DRAFT_CHARS", "inspect", "visible"]


def inspect(
    text: str,
    *,
    context: CaseContext,
    sources: Sequence[Source],
    policy: GuardPolicy,
    unresolved: Sequence[str],
    expected_language: str | None,
    actual_language: str | None,
    voice: Voice = NO_VOICE,
) -> tuple[Flag, ...]:
    """Flags of a draft's text, blocking ones first.

    `unresolved` is what `Unmasking.unresolved` said of the proposal; a language that is None is not compared.
    `voice` is the company's own: a contact in it needs no source.
    """
    head = text[:MAX_DRAFT_CHARS]
    reply, grounds, look = said(head), grounds_of(context, sources), look_of(head)
    ours = f"{voice.greeting}\n{voice.closing}\n{voice.signer}"
    remarks = [
        *_check_form(text, unresolved),
        *_check_language(expected_language, actual_language),
        *_check_content(reply, look, grounds, policy),
        *check_contacts(look, grounds, policy, ours=ours),
        *check_disguises(look),
    ]
    folded = fold(head)
    flags = [_flag(remark, _as_written(remark.excerpt, text, folded), policy) for remark in _few(remarks)]
    return tuple(sorted(flags, key=lambda flag: flag.severity is not Severity.BLOCKING))


def _check_content(reply: Said, look: Look, grounds: Grounds, policy: GuardPolicy) -> Iterator[Remark]:
    yield from check_links(reply, grounds, policy)
    yield from check_amounts(reply, grounds)
    yield from check_promises(reply, grounds)
    yield from check_attachments(reply)
    yield from check_placeholders(reply, grounds)
    yield from check_secrets(reply, look)
    yield from check_asking(reply, grounds)
    yield from check_notes(reply, grounds)


def _check_form(text: str, unresolved: Sequence[str]) -> Iterator[Remark]:
    if len(text) > MAX_DRAFT_CHARS:
        yield Remark("too_long", f"{len(text)} characters; what follows {MAX_DRAFT_CHARS} was not looked at")
    hidden = dict.fromkeys(hidden_characters(text[:MAX_DRAFT_CHARS]))
    if hidden:
        yield Remark("hidden_characters", "invisible: " + ", ".join(f"U+{ord(item):04X}" for item in list(hidden)[:8]))
    for token in unresolved:
        yield Remark("unresolved_mask", "this stands for something that could not be put back", token)


def _check_language(expected: str | None, actual: str | None) -> Iterator[Remark]:
    if expected and actual and _primary(expected) != _primary(actual):
        yield Remark("wrong_language", f"the customer writes {_primary(expected)}, the draft is {_primary(actual)}")


def _primary(language: str) -> str:
    return language.replace("_", "-").split("-")[0].strip().lower()


def _few(remarks: Sequence[Remark]) -> Iterator[Remark]:
    """Each remark once, and not more of a kind than a person would read."""
    counts: dict[str, int] = {}
    for remark in dict.fromkeys(remarks):
        counts[remark.code] = counts.get(remark.code, 0) + 1
        if counts[remark.code] <= MAX_FLAGS_PER_CODE:
            yield remark


def _as_written(excerpt: str, text: str, folded: Folded) -> str:
    """The part of the draft itself, so that it can be shown where it stands; rules look at folded text."""
    place = folded.text.find(excerpt) if excerpt and excerpt not in text else -1
    if place < 0:
        return excerpt
    start, end = folded.span(place, place + len(excerpt))
    return text[start:end]


def _flag(remark: Remark, excerpt: str, policy: GuardPolicy) -> Flag:
    severity = Severity.BLOCKING if remark.code in policy.blocking else Severity.INFORMING
    seen = visible(excerpt)
    shortened = seen if len(seen) <= MAX_EXCERPT_CHARS else seen[: MAX_EXCERPT_CHARS - 1] + "…"
    return Flag(code=remark.code, severity=severity, detail=remark.detail, excerpt=shortened)
