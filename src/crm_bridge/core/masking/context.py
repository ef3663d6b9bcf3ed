"""What an assistant may read: a case with every identifier replaced, and the way back kept apart from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from crm_bridge.contract import CaseContext, Message, Source
from crm_bridge.contract.case import AuthorKind
from crm_bridge.core.masking.identifiers import find_identifiers
from crm_bridge.core.masking.known import Known, known_of
from crm_bridge.core.masking.lookalikes import skeleton
from crm_bridge.core.masking.spans import Kind, Span, merged
from crm_bridge.core.masking.tokens import TokenIssuer, Unmasking, find_lookalikes
from crm_bridge.core.policy import NO_VOICE, MaskingPolicy, Voice
from crm_bridge.core.question import open_question
from crm_bridge.core.textmatch import fold

MAX_MESSAGES = 100
"""Only the newest are read by an assistant."""

MAX_TEXT_CHARS = 30_000
"""Of one text; an identifier that crosses the end is masked whole."""

MAX_CASE_CHARS = 120_000
"""Of all messages of a case together."""

_LOOK_AHEAD = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskedMessage:
    """One message, masked. `id` counts within the context ("m1" is the oldest): ids of CRMs can hold addresses."""

    id: str
    author: AuthorKind
    text: str
    sent_at: datetime
    internal: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskedContext:
    """All that reaches an assistant. Holds no reference to the case it was made from.

    `customer` is the token of the requester's name ("" when unknown). `context_id` is a SHA-256 over everything
    here but the sources, so grounding does not change it.
    """

    subject: str
    channel: str
    language: str | None
    messages: tuple[MaskedMessage, ...]
    fields: tuple[tuple[str, str], ...]
    sources: tuple[Source, ...] = ()
    instruction: str = ""
    previous_text: str = ""
    voice: Voice = NO_VOICE
    customer: str = ""
    context_id: str = ""

    def with_sources(self, sources: Sequence[Source]) -> MaskedContext:
        """The same case, grounded."""
        return replace(self, sources=tuple(sources))

    @property
    def question(self) -> str:
        """What the customer wrote that nobody answered yet; else their newest message; "" when there is none."""
        public = [message for message in self.messages if not message.internal]
        waiting = open_question([message.author for message in public])
        return "\n\n".join(public[index].text for index in waiting)


def mask(
    context: CaseContext,
    policy: MaskingPolicy,
    *,
    instruction: str = "",
    previous_text: str = "",
    voice: Voice = NO_VOICE,
) -> tuple[MaskedContext, Unmasking]:
    """Replace every identifier. The same context gives the same tokens; automatic messages are left out."""
    masker = _Masker(known_of(context))
    name = context.requester.name.strip() if context.requester else ""
    customer = masker.issuer.issue(Kind.NAME, name[:MAX_TEXT_CHARS]) if name else ""
    masked = MaskedContext(
        subject=masker.mask(context.subject),
        channel=context.channel if _CHANNEL.fullmatch(context.channel) else "other",
        language=context.language if context.language and _LANGUAGE.fullmatch(context.language) else None,
        messages=tuple(
            MaskedMessage(
                id=f"m{position}",
                author=message.author.kind,
                text=masker.mask(message.text),
                sent_at=message.sent_at,
                internal=not message.public,
            )
            for position, message in enumerate(_readable(context, policy), start=1)
        ),
        fields=_masked_fields(context, policy, masker),
        instruction=masker.mask(instruction),
        previous_text=masker.mask(previous_text),
        voice=voice,
        customer=customer,
    )
    return replace(masked, context_id=_identity(masked)), masker.issuer.unmasking()


_CHANNEL = re.compile(r"[A-Za-z][A-Za-z_\-]{0,39}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")


class _Masker:
    """Masks the texts of one case, one token space for all of them."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.issuer = TokenIssuer()

    def mask(self, text: str) -> str:
        head = text[: MAX_TEXT_CHARS + _LOOK_AHEAD]
        folded = fold(head)
        if not folded.text:
            return head[:MAX_TEXT_CHARS]
        looks = skeleton(folded.text)
        found = [*find_lookalikes(looks), *find_identifiers(looks), *self._known.find(looks)]
        pieces: list[str] = []
        done = 0
        for span in merged(Span(span.kind, *folded.span(span.start, span.end)) for span in found):
            if span.start >= MAX_TEXT_CHARS:
                break
            pieces += [head[done : span.start], self.issuer.issue(span.kind, head[span.start : span.end])]
            done = span.end
        pieces.append(head[done : max(done, MAX_TEXT_CHARS)])
        return "".join(pieces)


def _readable(context: CaseContext, policy: MaskingPolicy) -> list[Message]:
    chosen = [
        message for message in context.messages if not message.automatic and (message.public or policy.internal_notes)
    ]
    return _newest_that_fit(chosen[-MAX_MESSAGES:])


def _newest_that_fit(chosen: list[Message]) -> list[Message]:
    """Newest first until there is enough to read: a case of any size costs a bounded time. The newest always fits."""
    fitting: list[Message] = []
    room = MAX_CASE_CHARS
    for message in reversed(chosen):
        room -= min(len(message.text), MAX_TEXT_CHARS)
        if room < 0 and fitting:
            break
        fitting.append(message)
    return fitting[::-1]


def _masked_fields(context: CaseContext, policy: MaskingPolicy, masker: _Masker) -> tuple[tuple[str, str], ...]:
    allowed = {name.casefold() for name in policy.field_allow_list}
    return tuple((item.name, masker.mask(item.value)) for item in context.fields if item.name.casefold() in allowed)


def _identity(masked: MaskedContext) -> str:
    content = {
        "subject": masked.subject,
        "channel": masked.channel,
        "language": masked.language,
        "messages": [
            [message.id, message.author, message.text, message.sent_at.timestamp(), message.internal]
            for message in masked.messages
        ],
        "fields": masked.fields,
        "instruction": masked.instruction,
        "previous_text": masked.previous_text,
        "voice": [masked.voice.greeting, masked.voice.closing, masked.voice.signer],
        "customer": masked.customer,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
