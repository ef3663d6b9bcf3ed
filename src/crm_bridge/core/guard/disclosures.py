"""What a draft must not hold whoever said it: gaps, files nobody attaches, secrets, words of internal notes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crm_bridge.core.guard.grounds import Grounds, Remark, Said, sentences, wording, words
from crm_bridge.core.guard.look import Look
from crm_bridge.core.masking.spans import Kind

SHARED_WORDS = 6
"""So many words in a row shared with an internal note are no chance; a shorter note counts as a whole."""

_MIN_NOTE_WORDS = 3

_PLACEHOLDER = re.compile(
    r"\[(?=[^\[\]\n]{0,60}[^\W\d_]{2})[^\[\]\n]{2,80}\](?!\()|\{\{[^{}\n]{0,60}\}\}|\{[a-z_][\w .]{1,40}\}"
    r"|\$\{\w{1,40}\}"
    r"|<(?!https?:|mailto:|[^<>\s]{1,64}@)/?[a-z!][^<>\n]{0,80}>|%\(\w{1,40}\)s|%[A-Z_]{3,40}%"
    r"|(?<![^\W_])(?:x{3,}|tbd|todo|fixme|lorem ipsum)(?![^\W_])|_{4,}|\?{4,}|\.{5,}",
    re.IGNORECASE,
)


def check_placeholders(reply: Said, grounds: Grounds) -> Iterator[Remark]:
    """Gaps left to fill in, and mark-up. A menu called [Settings] in a source is none."""
    for match in _PLACEHOLDER.finditer(reply.shown):
        if match.group() not in grounds.company.shown:
            yield Remark("placeholder", "this looks like a gap to be filled in", match.group())


_ATTACHED = re.compile(
    r"\b(?:i|we)(?:'ve| have|'m| am| are| will|'ll)?(?: \w+)? attach(?:ed|ing)?\b"
    r"|\battached (?:is|are|you|please|find|to this|herewith|hereto|the (?:form|document|file|invoice|label|pdf|copy))"
    r"|\b(?:find|see|is|are)(?: \w+){0,3} (?:attached|enclosed)\b|\b(?:in|see|open|find) the (?:attach|enclos)\w+"
    r"|\bas an attachment\b|\benclosed (?:is|are|you|please|find)\b"
    r"|\bim anhang\b|\bin der anlage\b|\bals anhang\b|\banbei\b|\bbeigefugt|\bangehangt"
    r"|\badjunt(?:o|amos|a|ado|ada)\b|\ben (?:el|un) (?:archivo )?adjunto\b"
    r"|\bci-joint\w*|\ben piece jointe\b|\bje joins\b|\bnous joignons\b"
)
_THEIRS = re.compile(
    r"\b(?:your|ihr\w*|dein\w*|su|tu|votre|vos)(?: \w+){0,2} "
    r"(?:attachments?|anhang\w*|anlagen?|adjuntos?|pieces? jointes?)\b"
    r"|\byou(?: \w+){0,2} attached\b|\b(?:sie|du)(?: \w+){0,4} (?:angehangt|beigefugt) ha\w+|\b(?:ha|has) adjuntado\b"
    r"|\bvous avez joint\w*|\battach\w*(?: \w+){0,2} you (?:sent|provided|shared)\b"
    r"|\b(?:please|can you|could you|bitte|por favor|veuillez|kindly) (?:\w+ ){0,2}(?:attach|adjunte|joindre)\b"
)


def check_attachments(reply: Said) -> Iterator[Remark]:
    """A draft carries no files, so it must not speak of one that comes with it."""
    for sentence in sentences(reply.folded):
        if _ATTACHED.search(sentence) and not _THEIRS.search(sentence):
            yield Remark("attachment_promised", "a draft carries no attachment", sentence)


_KEYS = re.compile(
    r"-----BEGIN [A-Z ]{3,40}-----|\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)?[-_]?[A-Za-z0-9_\-]{16,}"
    r"|\bAKIA[0-9A-Z]{12,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bxox[abprs]-[A-Za-z0-9\-]{10,}"
    r"|\bAIza[\w\-]{30,}|\bwhsec_[A-Za-z0-9+/=]{16,}|\beyJ[\w\-]{8,}\.eyJ[\w\-]{8,}|\bglpat-[\w\-]{16,}"
    r"|\bBearer [A-Za-z0-9._\-]{20,}|\b00D[A-Za-z0-9]{12,15}![\w.]{20,}|\bpat-[a-z]{2}\d-[0-9a-f\-]{20,}"
)
_PASSWORD_TOLD = re.compile(
    r"\b(?:password|passwort|kennwort|contrasena|mot de passe|passcode|api[ -]?key|secret)(?: is| ist| es| est)?"
    r"\s?[:=]\s?[\"'`]?(?=\S*[\d\W_])\S{6,}|\b(?:password|passwort|kennwort|contrasena|mot de passe) (?:is|ist|es|est) "
    r"[\"'`]?(?=\S*\d)\S{6,}"
)


def check_secrets(reply: Said, look: Look) -> Iterator[Remark]:
    """Text that is a secret. Excerpts never show one whole."""
    for match in [*_KEYS.finditer(reply.shown), *_PASSWORD_TOLD.finditer(reply.folded)]:
        yield Remark("secret", "this looks like a key or a password", match.group()[:6] + "…")
    for span in look.secrets:
        if span.kind is Kind.CARD:
            yield Remark("secret", "this is a card number", "…" + look.looks[span.end - 4 : span.end])
        else:
            yield Remark("secret", "this looks like the security code of a card")


def check_notes(reply: Said, grounds: Grounds) -> Iterator[Remark]:
    """Words of an internal note that nobody said in public."""
    spoken = words(reply.folded)
    public = _runs(words(grounds.company.folded)) | _runs(words(grounds.customer.folded))
    for note in grounds.notes:
        noted = words(note.folded)
        length = min(SHARED_WORDS, len(noted))
        if length < _MIN_NOTE_WORDS:
            continue
        shared = _runs(spoken, length) & _runs(noted, length)
        if length == SHARED_WORDS:
            shared -= public
        elif wording(note.folded) in wording(f"{grounds.company.folded}\n{grounds.customer.folded}"):
            continue
        if shared:
            yield Remark("internal_note_overlap", "this stands in an internal note", " ".join(min(shared)))


def _runs(spoken: list[str], length: int = SHARED_WORDS) -> set[tuple[str, ...]]:
    return {tuple(spoken[index : index + length]) for index in range(len(spoken) - length + 1)}
