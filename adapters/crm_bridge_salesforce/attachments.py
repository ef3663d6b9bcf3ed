"""What some mails need besides their record: the HTML of those without plain text, and what hangs on them. Pure.

Names, types and sizes only; contents are never read. Older mails have attachments, newer ones files.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_bridge.contract import Attachment
from crm_bridge.kit.parsing import clean_text
from crm_bridge_salesforce.ids import full

Document = Mapping[str, Any]

_UNNAMED = Attachment(name="attachment")
"""Something hangs on a mail, and this user may not see what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class More:
    """By the ids of mails."""

    html: Mapping[str, str] = field(default_factory=dict)
    attached: Mapping[str, tuple[Attachment, ...]] = field(default_factory=dict)

    def of(self, record: Document) -> tuple[Attachment, ...]:
        """What hangs on this mail."""
        return self.attached.get(full(record["Id"]), (_UNNAMED,) if has_files(record) else ())


def needs_html(record: Document) -> bool:
    """A mail whose text stands in its HTML only."""
    return "TextBody" in record and not record["TextBody"]


def has_files(record: Document) -> bool:
    """A mail that something hangs on."""
    return record.get("HasAttachment") is True


def attached(attachments: Iterable[Document], files: Iterable[Document]) -> dict[str, tuple[Attachment, ...]]:
    """What hangs on mails, by their ids, in the order in which it was read."""
    found: dict[str, list[Attachment]] = {}
    for one in attachments:
        kind = str(one.get("ContentType") or "")
        found.setdefault(full(one["ParentId"]), []).append(_attachment(one["Name"], kind, one.get("BodyLength")))
    for one in files:
        about = one["ContentDocument"]
        ending = str(about.get("FileExtension") or "")
        name = str(about["Title"]) if not ending else f"{str(about['Title']).removesuffix(f'.{ending}')}.{ending}"
        found.setdefault(full(one["LinkedEntityId"]), []).append(_attachment(name, "", about.get("ContentSize")))
    return {mail: tuple(listed) for mail, listed in found.items()}


def _attachment(name: object, kind: str, size: object) -> Attachment:
    shown = clean_text(str(name))[:300]
    known = kind or mimetypes.guess_type(shown)[0] or ""
    return Attachment(name=shown, type=known[:100], size=int(size) if isinstance(size, int | float) else None)
