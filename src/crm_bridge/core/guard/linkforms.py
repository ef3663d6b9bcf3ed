"""How a link can be written: finding links in a text, also defanged or bare ones, and what a browser makes of them.

Decides nothing about a link. Works on any text, also on one whose look-alike letters were replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

Place = tuple[int, int]

_GENERIC = (
    "com net org edu gov mil int info biz name pro mobi asia cat jobs tel travel post xxx aero coop museum arpa"
    " onion app"
    " dev xyz top shop store site online link click live page help support cloud web web3 tech blog news media email"
    " mail"
    " chat social video zip mov icu vip club website space fun buzz cfd sbs rest cam bond monster beauty hair skin"
    " makeup"
    " quest lol mom boats yachts autos homes pics press host hosting digital agency services service solutions systems"
    " world today life guru run work works team group global zone center company finance financial bank money cash loan"
    " loans credit creditcard insurance tax accountant accountants date dating download stream review reviews racing"
    " win"
    " bid trade party science men faith cricket party webcam gdn ooo kim ink wiki wang ren ltd inc llc gmbh limited"
    " network exchange direct express delivery market markets marketing sale deals discount gift gifts promo reisen"
    " capital fund holdings ventures care health doctor dental legal law lawyer expert plus one best cool ninja rocks"
    " codes code software computer technology school academy education training studio design photo photos art music"
    " game games bet casino poker io ai berlin hamburg koeln wien paris london nyc tokyo amsterdam madrid barcelona"
    " swiss istanbul moscow test example invalid localhost local lan internal"
)
_COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd"
    " cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge"
    " gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in iq ir is it je jm jo jp ke kg kh ki"
    " km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx"
    " my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc"
    " sd se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk"
    " us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
_ENDS = "|".join(sorted({*_GENERIC.split(), *_COUNTRIES.split()}, key=lambda end: (-len(end), end)))
_SAYABLE = (
    r"(?:com|net|org|info|biz|io|co|de|at|ch|es|fr|eu|uk|us|ru|cn|me|app|dev|xyz|top|shop|online|site|test|example)"
)

_LABEL = r"[^\W_](?:[\w\-]{0,61}[^\W_])?"
_DOT_WORD = r"(?:dot|punkt|punto|point)"
_DOT = rf"(?:\.|[ ]?[\[({{](?:\.|{_DOT_WORD})[\])}}][ ]?|[ ]\.[ ])"
_COLON = r"(?::|\[:\]|\(:\))"
_SCHEMES = (
    "https?|h[tx]{2}ps?|meows?|s?ftp|f[tx]p|javascript|vbscript|livescript|data|blob|file|tel|sms|whatsapp|slack|tg"
    "|skype"
    "|facetime|intent|itms-apps|market|bitcoin|ethereum|ms-[a-z]{1,20}"
)
_REST = r"(?:(?!\]\()[^\s<>\"])"
_LINK = re.compile(
    rf"(?:\b(?:{_SCHEMES}){_COLON}|\b[a-z][a-z0-9+.\-]{{1,20}}{_COLON}//|\b[a-z]{{3,10}}\[://\]"
    rf"|\bwww{_DOT}|(?<![\w:/.])(?://|\\\\)(?=[\w\[])){_REST}+",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"(?<![\w@./:\-\\])(?:{_LABEL}{_DOT}){{1,6}}"
    rf"(?:(?:{_ENDS})(?![\w\-@])(?:[:/?#]{_REST}*)?|[^\W\d_]{{2,24}}/{_REST}+)",
    re.IGNORECASE,
)
_SPOKEN = re.compile(
    rf"(?<![\w@./:\-\\]){_LABEL}(?:[ ]{_DOT_WORD}[ ]{_LABEL}){{0,3}}[ ]{_DOT_WORD}[ ]{_SAYABLE}(?!\w)", re.I
)
_NUMERIC = re.compile(
    r"(?<![\w.\-/:@])\d{1,3}(?:\.\d{1,3}){3}(?::\d{2,5}(?!\d)(?:/[^\s<>\"]*)?|/(?!\d{1,2}(?!\w))[^\s<>\"]+)"
)
_FILE = re.compile(r"[^/?#:]*\.(?:zip|mov|py|sh|md|pl|ps|ai|rs|cc|so|ms|st|mk)\Z", re.IGNORECASE)
_NEXT_SENTENCE = re.compile(
    r".*[a-z\d]\.(?:To|Me|It|No|In|At|Is|Es|Us|Be|So|Am|My|As|By|Do|De|La|Su|Se|Si|Un|Ne|Des)\Z"
)
"""`…your account.It is…`: a space was forgotten. Written like this, none of these is an end that is linked to."""

_TRAILING = frozenset(".,;:!?'*_`~")
_CLOSING = {")": "(", "]": "[", "}": "{"}


def find_links(text: str) -> list[Place]:
    """Links, bare domains and numeric hosts, in order and apart, without what belongs to the sentence around them."""
    places: list[Place] = []
    for pattern in (_LINK, _BARE, _SPOKEN, _NUMERIC):
        for match in pattern.finditer(text):
            start, end = match.start(), match.start() + _length(match.group())
            if pattern is not _BARE or not _is_no_link(text[start:end]):
                places.append((start, end))
    return list(_apart(sorted(places)))


def _is_no_link(written: str) -> bool:
    return bool(_FILE.match(written) or _NEXT_SENTENCE.match(written))


def _apart(places: list[Place]) -> Iterator[Place]:
    done = 0
    for start, end in places:
        if start >= done and end > start:
            yield start, end
            done = end


def _length(written: str) -> int:
    """How much of a match is the link: not its final punctuation, and no bracket that was opened before it."""
    surplus = {closing: written.count(closing) - written.count(opening) for closing, opening in _CLOSING.items()}
    end = len(written)
    while end:
        last = written[end - 1]
        if surplus.get(last, 0) > 0:
            surplus[last] -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return end


_DEFANGED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"{_DOT}|[ ]{_DOT_WORD}[ ]", re.IGNORECASE), "."),
    (re.compile(r"\[:\]|\(:\)"), ":"),
    (re.compile(r"\[://\]"), "://"),
    (re.compile(r"\A(?:hx+tps?|hxxps?|htxps?|meows?)(?=:)", re.IGNORECASE), "https"),
)


def plain(link: str) -> str:
    """The link without what keeps programs from recognising it."""
    for pattern, meant in _DEFANGED:
        link = pattern.sub(meant, link)
    return link


def comparable(link: str) -> str:
    """Scheme and the host's case make no other link; everything else does."""
    bare = re.sub(r"^https?://", "", plain(link), flags=re.IGNORECASE)
    host, slash, rest = bare.partition("/")
    return f"{host.lower()}{slash}{rest}".removesuffix("/")


def host_of(link: str) -> str:
    """The host of a plain web link, "" for anything a browser might read differently than we do."""
    link = plain(link)
    written = link if re.match(r"https?://", link, re.IGNORECASE) else f"https://{link.removeprefix('//')}"
    if "\\" in link or not written.isascii() or re.match(r"[a-z][a-z0-9+.\-]*:(?!//|\d)", link, re.IGNORECASE):
        return ""
    try:
        parts = urlsplit(written)
        return "" if "@" in parts.netloc else (parts.hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_under(host: str, listed: frozenset[str]) -> bool:
    """Whether a host is one of those listed, or below one. `listed` in small letters."""
    labels = host.split(".")
    return bool(host) and any(".".join(labels[first:]) in listed for first in range(min(len(labels), 12)))
