"""The page of the Salesforce adapter says everything there is to say, and nothing that is not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from crm_bridge.kit.services import in_memory_services
from crm_bridge_salesforce.adapter import build
from crm_bridge_salesforce.emulator import SalesforceCrm
from crm_bridge_salesforce.schemas import SalesforceConfigSchema

PAGE = "docs/adapters/salesforce.md"
KEYS = "The keys of its connection"


@pytest.fixture
def page(pages: dict[str, str]) -> str:
    return pages[PAGE]


def section(page: str, heading: str) -> str:
    return page.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> dict[str, list[str]]:
    """The first cell in backticks -> the other cells, of the tables in a text."""
    found = re.findall(r"^\| `([^`]+)` \|(.*)\|$", text, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in found}


def test_every_key_has_its_row_with_its_default(page: str) -> None:
    said = {name: cells[1].strip("`") for name, cells in rows(section(page, KEYS)).items()}
    known = SalesforceConfigSchema().fields
    assert set(said) == set(known)
    for name, field in known.items():
        assert said[name].strip('"') == ("" if field.required else written(field.load_default)), name


def written(default: object) -> str:
    """As the page has it: a list as `[]`, a number as short as it can be."""
    return "[]" if default is list else f"{default:g}" if isinstance(default, float) else str(default)


def test_every_key_has_an_example(page: str, tools: Any) -> None:
    text = (tools.ROOT / "config" / "salesforce.toml").read_text("utf-8")
    shown = set(tomllib.loads(text)["connections"]["support"]) | set(re.findall(r"^# ([a-z_]+) = ", text, re.MULTILINE))
    assert set(SalesforceConfigSchema().fields) <= shown
    in_page = set(re.findall(r"^([a-z_]+) = ", page, re.MULTILINE))
    assert set(SalesforceConfigSchema().fields) - in_page <= {"access_token"}


def test_what_doctor_says_is_what_it_says_on_the_emulated_org(page: str, services: Any) -> None:
    crm = SalesforceCrm()
    crm.start()
    adapter = build(crm.config, services)
    try:
        lines = [f"✓ support: {one.check}: {one.detail}" for one in adapter.diagnose() if one.status == "ok"]
    finally:
        adapter.close()
        crm.stop()
    shown = [line for line in page.splitlines() if line.startswith("✓ support: ")]
    assert shown == [line for line in lines if line.startswith("✓")]


@pytest.fixture
def services() -> Any:
    return in_memory_services()


def test_every_picture_is_shown_and_every_shown_one_is_there(page: str, tools: Any) -> None:
    folder: Path = tools.ROOT / "docs" / "adapters"
    shown = set(re.findall(r"!\[[^\]]+\]\((pictures/[^)]+)\)", page))
    assert shown == {f"pictures/{file.name}" for file in (folder / "pictures").glob("salesforce-*.png")}
    assert len(shown) <= 6
    assert all((folder / one).stat().st_size < 100_000 for one in shown)


def test_what_is_named_in_the_org_has_that_name_in_what_is_deployed(page: str, tools: Any) -> None:
    source = tools.ROOT / "adapters" / "crm_bridge_salesforce" / "crm_app" / "force-app" / "main" / "default"
    labels = set()
    for file in source.rglob("*-meta.xml"):
        labels |= set(re.findall(r"<(?:label|masterLabel)>([^<]+)</", file.read_text("utf-8")))
    named = set(re.findall(r"\*(CRM Bridge[^*]+)\*", page))
    assert named
    assert named <= labels
