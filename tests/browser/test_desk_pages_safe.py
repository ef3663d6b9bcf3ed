"""Headers, tokens, cookies and vendored files of the desk; no browser needed."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from crm_bridge.contract import StateKind
from crm_bridge_mock.emulator.desk import desk_pages

from .fake_desk import FakeDesk

ROOT = Path(__file__).parents[2]
DESK = ROOT / "adapters" / "crm_bridge_mock" / "emulator" / "desk"
VENDORED = [DESK / "static" / "vendor", Path(__file__).parent / "vendor"]


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def client(desk: FakeDesk) -> Iterator[FlaskClient]:
    app = Flask("safe_test")
    app.register_blueprint(desk_pages(desk))
    with app.test_client() as client:
        yield client


def token_of(page: str) -> str:
    found = re.search(r'"X-CSRFToken": "([^"]+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize("folder", VENDORED, ids=["desk", "tests"])
def test_vendored_files_are_exactly_those_that_were_published(folder: Path) -> None:
    packages = tomllib.loads((folder / "VENDORED.toml").read_text("utf-8"))["package"]
    listed = {name: digest for package in packages for name, digest in package["sha256"].items()}
    here = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"VENDORED.toml"}
    assert here == set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    for package in packages:
        assert package["version"]
        assert package["licence"]
        assert set(package["licence_files"]) <= set(listed)


def test_no_page_has_inline_script_or_style_or_asks_another_host() -> None:
    for path in DESK.joinpath("templates").rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(
            r"<style|\sstyle=|\son[a-z]+=|hx-on|<script(?![^>]*\ssrc=)|javascript:|\|\s*safe\b", text
        ), path
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text), path


def test_every_answer_carries_the_protecting_headers(client: FlaskClient, desk: FakeDesk) -> None:
    case_id = desk.put(StateKind.READY)
    for path in ("/desk/", f"/desk/cases/{case_id}", f"/desk/cases/{case_id}/live", "/desk/cases/none", "/desk/new"):
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["draft/accept", "draft/undo", "messages", "customer", "close", "reopen"])
def test_no_change_without_a_token(client: FlaskClient, desk: FakeDesk, path: str) -> None:
    case_id = desk.put(StateKind.READY)
    answer = client.post(f"/desk/cases/{case_id}/{path}", data={"revision": "1", "text": "x"})
    assert answer.status_code == 400
    assert "out of date" in answer.text
    assert desk.calls == []


def test_everything_works_without_script(client: FlaskClient, desk: FakeDesk) -> None:
    case_id = desk.put(StateKind.READY)
    token = token_of(client.get(f"/desk/cases/{case_id}").text)
    form = {"csrf_token": token, "revision": "1", "text": "Changed without script."}
    answer = client.post(f"/desk/cases/{case_id}/draft/accept", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/desk/cases/{case_id}")
    assert desk.last("edit")["text"] == "Changed without script."


def test_a_refused_change_without_script_says_why(client: FlaskClient, desk: FakeDesk) -> None:
    case_id = desk.put(StateKind.READY)
    token = token_of(client.get(f"/desk/cases/{case_id}").text)
    answer = client.post(
        f"/desk/cases/{case_id}/draft/reject", data={"csrf_token": token, "revision": "7", "reason": "tone"}
    )
    assert answer.status_code == 409
    assert "Ben Ortiz" in answer.text


def test_an_unknown_agent_in_the_cookie_is_nobody(client: FlaskClient, desk: FakeDesk) -> None:
    case_id = desk.put(StateKind.READY)
    client.set_cookie("desk_agent", "Mallory<script>", path="/desk/")
    page = client.get(f"/desk/cases/{case_id}").text
    assert "Mallory" not in page
    form = {"csrf_token": token_of(page), "revision": "1", "reason": "tone"}
    client.post(f"/desk/cases/{case_id}/draft/reject", data=form)
    assert desk.last("reject")["agent"] == "Demo Agent"


def test_unknown_actions_and_cases_are_not_found(client: FlaskClient, desk: FakeDesk) -> None:
    case_id = desk.put(StateKind.READY)
    headers = {"X-CSRFToken": token_of(client.get(f"/desk/cases/{case_id}").text)}
    assert client.post(f"/desk/cases/{case_id}/draft/explode", headers=headers).status_code == 404
    assert client.post("/desk/cases/none/draft/accept", headers=headers).status_code == 404
    assert client.get("/desk/cases/none/live").status_code == 404


def test_a_session_key_the_app_has_is_kept() -> None:
    app = Flask("keyed")
    app.config["SECRET_KEY"] = "kept"
    app.register_blueprint(desk_pages(FakeDesk()))
    assert app.config["SECRET_KEY"] == "kept"
