"""What a reader takes a draft for: links and identifiers of its visible text, with their places in the text itself."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from crm_bridge.core.guard.linkforms import find_links
from crm_bridge.core.masking.identifiers import find_identifiers
from crm_bridge.core.masking.lookalikes import skeleton
from crm_bridge.core.masking.spans import Kind, Span, merged
from crm_bridge.core.textmatch import fold, hidden_characters, visible


@dataclass(frozen=True, slots=True)
class Seen:
    """A link (`kind` None) or an identifier: `text[start:end]` of the draft, read as `looks[first:last]`."""

    kind: Kind | None
    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Look:
    """A draft as it looks. `looks` is folded, with look-alike letters of other scripts replaced by Latin ones."""

    text: str
    looks: str
    hidden: Sequence[int]
    links: tuple[Seen, ...]
    identifiers: tuple[Seen, ...]
    secrets: tuple[Span, ...]
    """Card numbers and their codes, as places in `looks`."""

    def hidden_between(self, start: int, end: int) -> bool:
        """Whether a character nobody sees stands in `text[start:end]`."""
        place = bisect_left(self.hidden, start)
        return place < len(self.hidden) and self.hidden[place] < end


_SHOWN_KINDS = frozenset({Kind.EMAIL, Kind.IBAN, Kind.IP, Kind.PHONE, Kind.WALLET})


def look_of(text: str) -> Look:
    """Find what stands in a draft, as somebody who reads it would."""
    shown, kept, hidden = _visible(text)
    folded = fold(shown)
    looks = skeleton(folded.text)
    found = find_identifiers(looks)

    def seen(kind: Kind | None, first: int, last: int) -> Seen:
        start, end = folded.span(first, last)
        # Not what follows unseen: `span` takes that along, `hidden_between` is asked for it.
        return Seen(kind, kept[start], kept[min(end, len(kept)) - 1] + 1, first, last)

    return Look(
        text,
        looks,
        hidden,
        tuple(seen(None, *place) for place in find_links(looks)),
        tuple(
            seen(span.kind, span.start, span.end)
            # Apart from the others: a wallet may hold digits that look like a card.
            for kinds in (_SHOWN_KINDS, {Kind.CARD})
            for span in merged(span for span in found if span.kind in kinds)
        ),
        tuple(span for span in found if span.kind in {Kind.CARD, Kind.CVV}),
    )


def _visible(text: str) -> tuple[str, Sequence[int], Sequence[int]]:
    """The visible text, where each of its characters stands, and where each hidden one does."""
    if not hidden_characters(text):
        return text, range(len(text)), ()
    shown = visible(text)
    kept: list[int] = []
    hidden: list[int] = []
    for place, character in enumerate(text):
        if len(kept) < len(shown) and character == shown[len(kept)]:
            kept.append(place)
        else:
            hidden.append(place)
    return shown, kept, hidden
