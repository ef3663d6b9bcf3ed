"""Ids of Salesforce: what one looks like, its two spellings, and which object it names. Pure.

An id of 18 characters is one of 15 with a suffix that says which letters are capitals. Nothing that is no id comes into
a URL or a query: simple-salesforce joins an absolute URL given as an id into a call with the token (measured).
"""

from __future__ import annotations

import re

from crm_bridge.contract import Permanent

_ID = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?")
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

CASE, EMAIL, COMMENT, ORGANIZATION, GROUP = "500", "02s", "00a", "00D", "00G"
"""The first three characters of an id: the object it belongs to."""


def is_id(text: object, prefix: str = "") -> bool:
    """Whether it has the shape of an id (of this object)."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None and text.startswith(prefix)


def full(text: str) -> str:
    """The spelling with 18 characters. Raises `ValueError` for what is no id."""
    if not is_id(text):
        raise ValueError("not an id of Salesforce")
    bare = text[:15]
    chunks = (bare[start : start + 5] for start in (0, 5, 10))
    return bare + "".join(_SUFFIX[sum(one.isupper() << place for place, one in enumerate(chunk))] for chunk in chunks)


def same(one: str, other: str) -> bool:
    """Whether two ids name the same record, in either spelling."""
    return is_id(one) and is_id(other) and one[:15] == other[:15]


def checked(text: object, prefix: str = "") -> str:
    """An id in its full spelling. Raises `Permanent` for anything else, before a call could be made with it."""
    if not isinstance(text, str) or not is_id(text, prefix):
        raise Permanent("this is no id of Salesforce", code="unusable_id")
    return full(text)
