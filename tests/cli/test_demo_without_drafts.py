"""A demo whose assistant does not answer is a demo all the same: it says where the desk is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from rich.console import Console

from crm_bridge.cli import demo
from crm_bridge.cli.demo_crm import DemoCrm


def test_without_a_first_draft_it_says_so_and_where_the_desk_is(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/desk/").respond_with_data("the desk")
    httpserver.expect_request("/desk/api/cases").respond_with_json([{"state": {"kind": "drafting"}}])
    httpserver.expect_request("/readyz").respond_with_data("ready")
    monkeypatch.setattr(demo, "READY_WITHIN_S", 1.0)
    url = httpserver.url_for("").rstrip("/")
    crm = DemoCrm(name="mock", port=httpserver.port, data_dir=tmp_path, public_url=url, faults=None)
    told = io.StringIO()
    wanted = demo._Demo(port=httpserver.port, data_dir=tmp_path, crm=crm)
    watch = demo._Watch(wanted, Console(file=told, width=200), opens=False, quotes_only=False)
    watch._run()
    assert "! no draft yet: perhaps the assistant does not answer" in told.getvalue()
    assert f"The desk is open: {crm.page}" in told.getvalue()
    assert watch.code == 0
