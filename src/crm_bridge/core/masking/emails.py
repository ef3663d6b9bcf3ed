"""E-mail addresses in folded text, also where somebody hid the @ or the dots from robots: `ada (at) shop [dot] com`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crm_bridge.core.masking.spans import Kind, Span

MAX_LOCAL_CHARS = 64
"""RFC 5321, 4.5.3.1.1. Of a longer one the last characters are looked at where the @ is hidden."""

_LOCAL = re.compile(r"[^\s@<>()\[\]{},;:\"\\|]")
_LABEL = r"[^\W_](?:[\w\-]{0,61}[^\W_])?"
_DOMAIN = re.compile(rf"@((?:{_LABEL}\.){{1,10}}[^\W\d_][\w\-]{{0,61}}[^\W_])")

_OPEN, _CLOSE = r"[ ]?[(\[{<*_|][ ]?", r"[ ]?[)\]}>*_|][ ]?"
_DOT_WORD = r"(?:dot|punkt|punto|point|ponto)"
_ANY_DOT = rf"(?:\.|[ ]\.[ ]?|&#0{{0,4}}46;|&period;|{_OPEN}(?:{_DOT_WORD}|\.){_CLOSE}|[ ]{_DOT_WORD}[ ])"
_SPOKEN_DOT = rf"(?:{_OPEN}(?:{_DOT_WORD}|\.){_CLOSE}|[ ]{_DOT_WORD}[ ])"
_AT_WORD = r"(?:at|arroba|arobase|arobas|klammeraffe)"
_HIDDEN_AT = (
    rf"(?:[ ]?(?:&#0{{0,4}}64;|&#x0{{0,4}}40;|&commat;)[ ]?|%40|{_OPEN}(?:{_AT_WORD}|a|@){_CLOSE}|[ ]@[ ]?|@[ ])"
)
_SPLIT = re.compile(rf"{_HIDDEN_AT}{_LABEL}(?:{_ANY_DOT}{_LABEL}){{0,5}}{_ANY_DOT}[^\W\d_]{{2,24}}(?![\w\-])")
_SPOKEN_ENDS = (
    r"(?:com|net|org|edu|gov|info|biz|io|co|uk|de|at|ch|es|fr|eu|it|nl|be|us|ca|au|mx|ar|cl|pe|pl|pt|br|se|dk|fi|ie|ru"
    r"|cn|in|jp|me|app|dev|xyz|online|shop|test|example)"
)
_SPOKEN = re.compile(
    rf"[ ]{_AT_WORD}[ ]{_LABEL}(?:(?:{_ANY_DOT}|-){_LABEL}){{0,4}}{_SPOKEN_DOT}"
    rf"(?:{_LABEL}{_ANY_DOT}){{0,2}}{_SPOKEN_ENDS}(?![\w\-])"
)
"""Where nothing but words says that it is an address, the last one has to be a usual end of one."""
_BROKEN = re.compile(rf"@(?:{_LABEL}{_ANY_DOT}){{1,5}}[^\W\d_]{{2,24}}(?![\w\-])")
_SPOKEN_AT = re.compile(rf"[ ]{_AT_WORD}[ ]")
_WORD_AND_DOT = re.compile(rf"[^\W_][\w+\-]{{0,40}}{_SPOKEN_DOT}\Z")


def find_emails(text: str) -> Iterator[Span]:
    """Addresses, plain ones first. Spans may overlap."""
    for match in _DOMAIN.finditer(text):
        start = match.start()
        while start > 0 and _LOCAL.match(text[start - 1]):
            start -= 1
        while start < match.start() and text[start] in ".'!?=&#/*":
            start += 1
        if start < match.start():
            yield Span(Kind.EMAIL, start, match.end())
    for pattern in (_SPLIT, _SPOKEN, _BROKEN):
        for match in pattern.finditer(text):
            local = _local_part(text, match.start())
            if local < match.start():
                yield Span(Kind.EMAIL, local, match.end())


def _local_part(text: str, end: int) -> int:
    """Where the local part that ends here begins; `end` when there is none."""
    start = end
    while start > max(0, end - MAX_LOCAL_CHARS) and (text[start - 1].isalnum() or text[start - 1] in "._+-"):
        start -= 1
    if start < end and not text[start:end].strip("._+-"):
        return end
    return _before_spoken_dot(text, start) if start < end else end


def _before_spoken_dot(text: str, start: int) -> int:
    """`ada dot lovelace (at) …`: one word more when it is joined by a dot that is spelled out."""
    before = text[max(0, start - 60) : start]
    match = _WORD_AND_DOT.search(before)
    return start - len(before) + match.start() if match else start


def plain_address(written: str) -> str:
    """The address behind any of these writings, in small letters: what two spellings of it have in common."""
    spelled = re.sub(r"&#0{0,4}46;|&period;", ".", re.sub(_HIDDEN_AT, "@", written.strip().lower(), count=1))
    if "@" not in spelled:
        spelled = _SPOKEN_AT.sub("@", spelled, count=1)
    return "".join(re.sub(_SPOKEN_DOT, ".", spelled).split())
