"""Free text and HTML from outside made fit for storing and for reading.

Owns what is replaced, cut and kept. It does not decide what a text means and masks nothing. Bounded in time and size:
what is too large is cut, what is built to be costly is read plainly instead of laid out.
"""

from __future__ import annotations

import html as entities
import re
from collections import Counter

import ftfy
import inscriptis
import nh3
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.model.config import ParserConfig

MAX_TEXT_CHARS = 200_000
"""Longer HTML is cut before anything costly is done with it, and so is what becomes of it."""

_UNSTORABLE = re.compile("[\ud800-\udfff\x00]")
_CUT_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def clean_text(text: str) -> str:
    """The text as it stands, but storable: NUL removed, lone surrogates replaced by U+FFFD, pairs of them joined.

    Everything else survives byte for byte, bidirectional and zero-width characters too.
    """
    if not _UNSTORABLE.search(text):
        return text
    without_nul = text.replace("\x00", "")
    joined = _CUT_PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), without_nul)
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", joined)


# Only what is broken is repaired: no quotes straightened, no full-width digits narrowed, no entities decoded twice.
_REPAIRS = ftfy.TextFixerConfig(
    unescape_html=False,
    uncurl_quotes=False,
    fix_character_width=False,
    fix_latin_ligatures=False,
    normalization=None,
    explain=False,
)
MAX_REPAIR_CHARS = 50_000


def repair_text(text: str) -> str:
    """Readable text: mojibake, control characters, terminal escapes and line endings repaired.

    In texts longer than `MAX_REPAIR_CHARS` only the line endings are: looking for mojibake is costly.
    """
    storable = clean_text(text)
    if len(storable) > MAX_REPAIR_CHARS:
        return storable.replace("\r\n", "\n").replace("\r", "\n")
    return clean_text(ftfy.fix_text(storable, _REPAIRS))


# --- HTML ---------------------------------------------------------------------------------------------------------

MAX_TAGS = 5_000
MAX_NESTING = 60
"""libxml2 drops what lies deeper than 255 without a word, and nh3 needs 22 s for 100,000 levels (measured)."""

MAX_TABLE_CHARS = 10_000_000
"""Cells are padded to the widest of their column: 157 kB of HTML became 300 MB and 2.9 s (measured)."""

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})[^<>]*")
_CLOSED_BY_ITSELF = frozenset(
    re.findall(
        r"\w+", "area base br col dd dt embed hr img input li link meta option p param source td th tr track wbr"
    )
)
_LAYOUT = ParserConfig(css=STRICT_CSS_PROFILE.copy(), display_links=False, display_images=False)
_UNSEEN = frozenset({"script", "style", "title"})
_BLANK_LINES = re.compile(r"\n{3,}")


def plain_text(html: str) -> str:
    """HTML as a person would read it, columns of tables kept apart; scripts, styles and markup are gone."""
    readable = clean_text(html)[:MAX_TEXT_CHARS]
    if _is_costly(readable):
        text = _without_layout(readable)
    else:
        text = inscriptis.get_text(nh3.clean(readable, attributes={}, clean_content_tags=set(_UNSEEN)), _LAYOUT)
    lines = (line.rstrip() for line in text.split("\n"))
    # Blank lines first: the repair takes its time for every line (0.7 s for 49,000 of them, measured).
    return repair_text(_BLANK_LINES.sub("\n\n", "\n".join(lines))[:MAX_TEXT_CHARS]).strip()


def _is_costly(html: str) -> bool:
    """Whether laying this out could take much longer than its size suggests."""
    still_open: Counter[str] = Counter()
    depth = deepest = tags = rows = 0
    for closing, written in (found.groups() for found in _TAG.finditer(html)):
        name = written.lower()
        tags += 1
        rows += name == "tr" and not closing
        if name in _CLOSED_BY_ITSELF:
            continue
        if not closing:
            still_open[name] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif still_open[name]:
            still_open[name] -= 1
            depth -= 1
    return tags > MAX_TAGS or deepest > MAX_NESTING or rows * len(html) > MAX_TABLE_CHARS


# Each alternative takes the rest when its end is missing, so that no text is scanned twice.
_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|title)\b.*?(?:</\1[^<>]*>?|\Z)|<(/?[a-z][a-z0-9]{0,20})[^<>]*>?|<[!?][^<>]*>?",
    re.DOTALL | re.IGNORECASE,
)
_INLINE = frozenset(
    re.findall(r"\w+", "a abbr b big code em font i label mark s small span strike strong sub sup tt u wbr")
)


def _without_layout(html: str) -> str:
    def replacement(markup: re.Match[str]) -> str:
        name = markup[2]
        return "" if name is None or name.lower().removeprefix("/") in _INLINE else "\n"

    return entities.unescape(_MARKUP.sub(replacement, html))
