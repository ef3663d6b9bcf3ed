"""The newest part of an e-mail: what its sender wrote, without the mails quoted below.

Owns when cutting is safe: a customer's own words are never dropped, so in doubt the whole text stays. The patterns are
those of mail-parser-reply; they backtrack badly on long lines and long texts, so they only ever see short ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import dropwhile

from mailparser_reply import EmailMessage

from crm_bridge.kit.text import clean_text

REPLY_LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pl", "da", "sv", "cs")

MAX_LINE_CHARS = 200
MAX_SCANNED_CHARS = 12_000
"""Where the newest part is longer than this, nothing is cut."""

MAX_SIGN_OFF_LINES = 10
MAX_SIGN_OFF_WORDS = 3

_STAND_IN = "\ue000{}\ue001"
_STAND_INS = re.compile("\ue000([0-9]{1,6})\ue001")
# Gmail writes one space before "escribió"; the library's pattern wants two.
_SPANISH_HEADER = re.compile(r"^(?:> ?)*El [^\n]{1,190} escribi\u00f3:$", re.MULTILINE)
_DELIMITER = re.compile(r"--|__")


def newest_reply(text: str, languages: Sequence[str] = REPLY_LANGUAGES) -> str:
    """What the sender wrote last, without quoted mails and sign-off; the whole text when in doubt.

    Answers written between or below quoted lines keep everything. Keep the raw text beside it.
    """
    lines = clean_text(text).replace("\r\n", "\n").strip().split("\n")
    whole = "\n".join(lines)
    if _answers_below_quotes(lines):
        return whole
    scanned, complete = _scannable(lines)
    spanish = _SPANISH_HEADER.search(scanned)
    own_part = scanned[: spanish.start()] if spanish else scanned
    replies = EmailMessage(text=own_part, languages=list(languages), keep_hyphen_lists=True).read().replies
    newest = replies[0]
    found_end = complete or spanish is not None or len(replies) > 1
    if newest.headers or not found_end:
        return whole
    body = newest.content
    sign_off = newest.signatures or ""
    if _is_sign_off(sign_off):
        body = body.removesuffix(sign_off)
    return _STAND_INS.sub(lambda found: lines[int(found[1])], body).strip() or whole


def _answers_below_quotes(lines: Sequence[str]) -> bool:
    after_quote = dropwhile(lambda line: not line.lstrip().startswith(">"), lines)
    return any(line.strip() and not line.lstrip().startswith(">") for line in after_quote)


def _scannable(lines: Sequence[str]) -> tuple[str, bool]:
    """The text with stand-ins for long lines and few blank ones, and whether that is all of it."""
    kept: list[str] = []
    blank = size = 0
    for number, line in enumerate(lines):
        blank = 0 if line.strip() else blank + 1
        if blank > 2:
            continue
        special = len(line) > MAX_LINE_CHARS or "\ue000" in line
        kept.append(_STAND_IN.format(number) if special else line)
        size += len(kept[-1]) + 1
        if size > MAX_SCANNED_CHARS:
            return "\n".join(kept), False
    return "\n".join(kept), True


def _is_sign_off(signature: str) -> bool:
    """Whether nothing would be missed: a delimited signature, or a greeting with a few short lines below."""
    lines = [line for line in signature.strip().split("\n") if line.strip()]
    if not lines or len(lines) > MAX_SIGN_OFF_LINES or "?" in signature or _STAND_INS.search(signature):
        return False
    return bool(_DELIMITER.match(lines[0])) or all(len(line.split()) <= MAX_SIGN_OFF_WORDS for line in lines)
