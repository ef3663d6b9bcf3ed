"""The private mail draft an approved text becomes, as `CrmBridgeReplyEmail` fills it in. Pure; nothing is sent."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any

from crm_bridge_salesforce.emulator.rules import DRAFT

_RE = "re:"


def reply_draft(case: Mapping[str, Any], text: str, addressing: str | None, answers: str | None) -> dict[str, Any]:
    """The fields of the mail. `addressing`: the draft's JSON, else the case's own address is written to."""
    subject = str(case.get("Subject") or "")
    mail = {
        "Status": DRAFT,
        "IsPrivateDraft": True,
        "Incoming": False,
        "ParentId": case["Id"],
        "RelatedToId": case["Id"],
        "Subject": subject if subject.lower().startswith(_RE) else f"Re: {subject}",
        "TextBody": text,
        "HtmlBody": as_html(text),
        "ToAddress": _recipients(addressing, "to") or case.get("ContactEmail") or case.get("SuppliedEmail"),
        "CcAddress": _recipients(addressing, "cc"),
        "AutomationType": "AiAssisted",
    }
    if answers is not None and answers.startswith("02s"):
        mail["ReplyToEmailMessageId"] = answers
    return mail


def as_html(text: str) -> str:
    """The text as the mail's other body."""
    return html.escape(text.replace("\r\n", "\n")).replace("\n", "<br/>")


def _recipients(addressing: str | None, name: str) -> str | None:
    try:
        found = json.loads(addressing or "{}").get(name) or []
    except (ValueError, AttributeError):
        return None
    return "; ".join(str(one) for one in found) or None
