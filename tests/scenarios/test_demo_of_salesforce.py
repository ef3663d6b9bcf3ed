"""`crm-bridge demo --crm salesforce` in its own processes: drafts stand in the records, and a decision comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import requests
from installation import Place, free_port, until
from process_table import belonging_to
from processes import Supervised

pytestmark = pytest.mark.kit


class Desk:
    """The emulated org's pages, as a browser asks for them."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
        self._session = requests.Session()

    def page(self, path: str) -> str:
        return self._session.get(f"{self._base}{path}", timeout=20).text

    def states(self) -> dict[str, tuple[str, str]]:
        """Subject -> (id, state)."""
        try:
            listed = json.loads(self.page("/desk/api/cases"))
        except (requests.RequestException, ValueError):
            return {}
        return {one["subject"]: (one["id"], one["state"]["kind"]) for one in listed}

    def post(self, path: str, document: dict[str, object] | None = None, **form: str) -> requests.Response:
        token = re.findall(r'name="csrf_token" value="([^"]+)"', self.page("/desk/new"))[0]
        headers = {"X-CSRFToken": token}
        return self._session.post(f"{self._base}{path}", json=document, data=form or None, headers=headers, timeout=20)


@pytest.fixture
def demo(place: Place) -> Iterator[tuple[Supervised, Desk]]:
    port, desk_port = free_port(), free_port()
    ports = ["--port", str(port), "--desk-port", str(desk_port)]
    running = Supervised(
        place, ["demo", "--crm", "salesforce", *ports, "--data-dir", place.data_dir, "--no-open"], None
    )
    try:
        running.start()
        yield running, Desk(f"http://127.0.0.1:{desk_port}")
    finally:
        running.close()


def test_drafts_stand_in_the_records_and_a_sent_mail_is_seen(demo: tuple[Supervised, Desk], place: Place) -> None:
    running, desk = demo
    subject = "I cannot sign in"
    until(lambda: desk.states().get(subject, ("", ""))[1] == "ready", "a draft stands on the case", within_s=90)
    assert "/desk/" in running.said()
    case = desk.states()[subject][0]
    draft = json.loads(desk.page(f"/desk/cases/{case}/component"))["draft"]
    accepted = {"draftRecordId": draft["recordId"], "revision": draft["revision"], "kind": "accept"}
    mail = desk.post(f"/desk/cases/{case}/decide", accepted).json()["emailMessageId"]
    until(lambda: desk.states()[subject][1] == "handed_over", "the bridge has heard of it", within_s=90)
    desk.post(f"/desk/mails/{mail}/send", body=draft["body"])
    until(lambda: desk.states()[subject][1] == "sent", "the bridge has seen it go out", within_s=90)
    assert running.interrupt() == 0
    assert belonging_to(str(place.root / "state")) == []
