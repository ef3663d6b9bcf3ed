"""Turns what a form posted into the payloads of the desk's API, bounded and without guesses."""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import MultiDict

from crm_bridge_mock.emulator.desk.views import CaseView, same_text

MAX_TEXT = 50_000
MAX_LINE = 500
Form = MultiDict[str, str]


def decision_payload(action: str, form: Form, view: CaseView) -> tuple[str, dict[str, Any]]:
    """`(action, payload)` for the draft API.

    Accept and edit are told apart here by the text alone, so that neither button can ever throw typed text away.
    """
    payload: dict[str, Any] = {"revision": _number(form.get("revision"))}
    if form.getlist("acknowledged"):
        payload["acknowledged"] = [code[:MAX_LINE] for code in form.getlist("acknowledged")[:50]]
    if action in ("accept", "edit"):
        return _approval(payload, form, view)
    if action == "reject":
        return action, payload | {"reason": _line(form, "reason") or "other", "comment": _text(form, "comment")}
    if action == "respond":
        return action, payload | {"comment": _text(form, "comment")}
    if action == "resolve":
        return action, payload | {"sent": form.get("sent") == "yes"}
    if action == "send":
        return action, payload | {"text": _text(form, "text")}
    return action, payload


def _approval(payload: dict[str, Any], form: Form, view: CaseView) -> tuple[str, dict[str, Any]]:
    text = _text(form, "text")
    anyway = bool(form.get("answers"))
    if not anyway and view.draft and payload["revision"] == view.revision and same_text(text, view.text):
        return "accept", payload
    return "edit", payload | {"text": text} | ({"answers": _line(form, "answers")} if anyway else {})


def message_payload(form: Form, *, author: str) -> dict[str, Any]:
    """A message typed on the desk: a reply, an internal note (`kind=note`), or what the customer writes."""
    public = author == "customer" or form.get("kind") != "note"
    return {"author": author, "body": _text(form, "text"), "public": public}


def new_case_payload(form: Form) -> dict[str, Any]:
    return {
        "subject": _line(form, "subject"),
        "body": _text(form, "body"),
        "customer": {"name": _line(form, "name"), "email": _line(form, "email")},
    }


def _text(form: Form, name: str) -> str:
    return str(form.get(name, "")).replace("\r\n", "\n")[:MAX_TEXT]


def _line(form: Form, name: str) -> str:
    return " ".join(str(form.get(name, "")).split())[:MAX_LINE]


def _number(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 10 else 0
