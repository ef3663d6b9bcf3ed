"""Links and identifiers that are not what they look like: other letters, unseen characters, another target.

Such a one is remarked on even where it stands in a source: a person can no longer check it by reading.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache, partial

from crm_bridge.core.guard.grounds import Remark
from crm_bridge.core.guard.linkforms import find_links, host_of, plain
from crm_bridge.core.guard.look import Look, Seen
from crm_bridge.core.masking.lookalikes import LOOKALIKES
from crm_bridge.core.masking.spans import Kind

_remark = partial(Remark, "disguised")
_REORDERING = re.compile("[\u202a\u202b\u202d\u202e\u2066\u2067]")
_HOST = re.compile(r"\A(?:[a-z][a-z0-9+.\-]{0,20}:)?(?://|\\\\)?(?:[^/?#\s]*@)?([^/?#:\s]*)", re.IGNORECASE)
_MARKDOWN = re.compile(r"\[([^\[\]\n]{1,300})\]\(\s{0,3}<?([^\s()<>]{1,2000})")
_WRITTEN_TOGETHER = frozenset({"HAN", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "KATAKANA-HIRAGANA", "CJK"})


def check_disguises(look: Look) -> Iterator[Remark]:
    """At most one remark for each link and identifier."""
    for seen in (*look.links, *look.identifiers):
        reason = _unseen(look, seen) or _looks_alike(look, seen)
        if reason:
            yield _remark(reason, look.text[seen.start : seen.end])
    for match in _MARKDOWN.finditer(look.text):
        if _shows_another_host(match.group(1), match.group(2)):
            yield _remark("the text of this link shows another host than it goes to", match.group())


def _unseen(look: Look, seen: Seen) -> str:
    if look.hidden_between(seen.start - 1, seen.end + 1):
        return "an invisible character stands in it or beside it"
    if look.hidden:
        line = look.text.rfind("\n", 0, seen.start) + 1
        if _REORDERING.search(look.text, max(line, seen.start - 500), seen.start):
            return "invisible characters before it change the order in which it is read"
    return ""


def _looks_alike(look: Look, seen: Seen) -> str:
    if seen.kind not in {None, Kind.EMAIL}:
        return ""
    written = plain(look.text[seen.start : seen.end])
    host = written if seen.kind is Kind.EMAIL else _host_as_written(written)
    labels = [part for part in re.split(r"[.@]", host) if part]
    if any(_is_mixed(label) for label in labels):
        return "it mixes letters of several alphabets that look alike"
    return ""


def _host_as_written(link: str) -> str:
    match = _HOST.match(link)
    return match.group(1) if match else ""


def _is_mixed(label: str) -> bool:
    """Letters of several scripts, letters that only pose as Latin ones, or wide forms of them."""
    shown = _decoded(label)
    if shown is None:
        return True
    scripts = {_script(letter) for letter in shown if letter.isalpha()}
    foreign = {letter for letter in shown.lower() if letter.isalpha() and _script(letter) != "LATIN"}
    if "LATIN" in scripts:
        return bool(foreign) or any(_is_wide(letter) for letter in shown)
    if len(scripts - _WRITTEN_TOGETHER) > 1 or any(_is_wide(letter) for letter in shown):
        return True
    return bool(foreign) and foreign <= LOOKALIKES


def _decoded(label: str) -> str | None:
    """What a browser may show for a label in Punycode (RFC 3492); None when it is none."""
    if not label.lower().startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").removeprefix("FULLWIDTH ").split(" ")[0]


def _is_wide(letter: str) -> bool:
    """Another form of an ASCII letter or digit, such as the fullwidth ones."""
    return not letter.isascii() and unicodedata.normalize("NFKC", letter).isascii()


def _shows_another_host(text: str, target: str) -> bool:
    shown = [host_of(text[start:end]) for start, end in find_links(text)]
    goes_to = host_of(target).removeprefix("www.")
    return any(host.removeprefix("www.") != goes_to for host in shown)
