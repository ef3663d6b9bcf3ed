"""Who said what: what the company stands behind, what only the customer wrote, what only notes hold.

The company is the sources and the public messages of its people. A quoted line in their mail is somebody else's,
and an automatic message may repeat the customer, so neither counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crm_bridge.contract import CaseContext, Source
from crm_bridge.core.question import ANSWERING
from crm_bridge.core.textmatch import fold, visible

MAX_GROUNDS_CHARS = 400_000
"""Of each kind: newer text first. What lies beyond was not looked at, so it grounds nothing."""

_INSIDE = r"[.!?](?!\s|\Z)|(?:(?<=\D\d)|(?<=\D\d\d))\.(?=\s[^\W\d_])"  # "10.5", "a.test", "12. november"
_SENTENCE = re.compile(rf"[^\n.!?]*(?:(?:{_INSIDE})[^\n.!?]*)*(?:[.!?]+|\n|\Z)")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Remark:
    """What a rule found. `excerpt` is the part of the draft it is about."""

    code: str
    detail: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A text in the two forms rules look at: as shown (for links) and folded (for words and numbers)."""

    shown: str
    folded: str


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a draft is held against."""

    company: Said
    agents: Said
    customer: Said
    notes: tuple[Said, ...]
    addresses: frozenset[str]
    phones: frozenset[str]


def said(text: str) -> Said:
    """Compatibility forms and other full stops are what a browser takes them for."""
    clipped = text[:MAX_GROUNDS_CHARS]
    shown = unicodedata.normalize("NFKC", visible(clipped)).replace("\u3002", ".").replace("\uff61", ".")
    return Said(shown, fold(clipped).text)


def grounds_of(context: CaseContext, sources: Sequence[Source]) -> Grounds:
    """Sort everything that is known by who stands behind it."""
    agents = "\n".join(
        _unquoted(message.text)
        for message in reversed(context.messages)
        if message.public and not message.automatic and message.author.kind in ANSWERING
    )
    articles = "\n".join(f"{source.title}\n{source.url}\n{source.excerpt}" for source in sources)
    customer = [message.text for message in reversed(context.messages) if message.author.kind == "customer"]
    customer += [context.subject, *(item.value for item in context.fields)]
    return Grounds(
        company=said(f"{articles}\n{agents}"),
        agents=said(agents),
        customer=said("\n".join(customer)),
        notes=tuple(said(message.text[:MAX_GROUNDS_CHARS]) for message in context.messages if not message.public)[-50:],
        addresses=frozenset(address.strip().casefold() for address in _addresses(context) if address.strip()),
        phones=frozenset(person.phone for person in (context.requester, context.owner) if person and person.phone),
    )


def sentences(folded: str) -> Iterator[str]:
    """Sentences of a folded text; a full stop inside a number or an address ends none."""
    for start, end in sentence_places(folded):
        yield folded[start:end]


def sentence_places(folded: str) -> Iterator[tuple[int, int]]:
    """Where the sentences stand, without the spaces around them."""
    for match in _SENTENCE.finditer(folded):
        sentence = match.group()
        kept = sentence.strip()
        if kept:
            start = match.start() + len(sentence) - len(sentence.lstrip())
            yield start, start + len(kept)


def words(folded: str) -> list[str]:
    """Words of a folded text."""
    return _WORD.findall(folded)


def wording(folded: str) -> str:
    """A sentence by its words alone, to recognise it elsewhere."""
    return " ".join(words(folded))


def _unquoted(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(">"))


def _addresses(context: CaseContext) -> Iterable[str]:
    """Addresses a reply may name because the case itself is between them."""
    for person in (context.requester, context.owner):
        if person is not None:
            yield person.email
    if context.addressing is not None:
        yield from (context.addressing.sender, *context.addressing.to, *context.addressing.cc)
