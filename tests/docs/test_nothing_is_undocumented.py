"""What the code knows and what the pages list are the same: keys, codes, routes, flags, tokens, options."""

from __future__ import annotations

import argparse
import ast
import re
import tomllib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields

from crm_bridge.assistants.schemas import HttpConfigSchema, OfflineConfigSchema, OpenAIConfigSchema
from crm_bridge.contract import EventKind
from crm_bridge.core.guard import CODES
from crm_bridge.core.masking.spans import Kind
from crm_bridge.core.policy import BLOCKING_FLAGS, SHAREABLE_FIELDS
from crm_bridge.settings import demo_settings
from crm_bridge.settings.schema import ConnectionSchema, SettingsSchema
from crm_bridge.web import create_app
from crm_bridge_mock.emulator import MockCrm
from crm_bridge_mock.emulator.__main__ import _parser
from crm_bridge_mock.schemas import MockConfigSchema
from crm_bridge_mock.webhooks import EVENT_KINDS

if TYPE_CHECKING:
    from conftest import Block

CONFIGURATION = "docs/reference/configuration.md"
HTTP = "docs/reference/http.md"
MOCK = "docs/adapters/mock.md"
CONCEPTS = "docs/concepts.md"


def first_cells(text: str) -> list[str]:
    """What stands in backticks in the first cell of each row of the tables."""
    return re.findall(r"^\| `([^`]+)`[^|]*\|", text, re.MULTILINE)


# --- configuration ------------------------------------------------------------------------------------------------


def keys(schema: Schema, path: str = "") -> Iterator[str]:
    """The dotted paths of a schema's keys; tables count by what is in them."""
    for name, one in schema.fields.items():
        key = f"{path}{one.data_key or name}"
        if isinstance(one, fields.Nested):
            yield from keys(one.schema, f"{key}.")
        else:
            yield key


def known_keys() -> set[str]:
    top = set(keys(SettingsSchema())) - {"assistant", "connections"}
    assistants = (OfflineConfigSchema(), HttpConfigSchema(), OpenAIConfigSchema())
    return (
        top
        | {f"assistant.{key}" for schema in assistants for key in keys(schema)}
        | {f"connections.NAME.{key}" for schema in (ConnectionSchema(), MockConfigSchema()) for key in keys(schema)}
    )


def documented_keys(page: str) -> set[str]:
    """The first cells under each heading, with the table the heading names."""
    found = set()
    path = ""
    for line in page.splitlines():
        if heading := re.match(r"#+ (?:`\[(.+)\]`)?", line):
            path = f"{heading[1]}." if heading[1] else "connections.NAME." if "mock" in line else ""
        elif cells := first_cells(line):
            found.add(path + cells[0])
    return found


def test_every_key_of_the_configuration_is_on_its_page_and_no_other(pages: dict[str, str]) -> None:
    assert documented_keys(pages[CONFIGURATION]) == known_keys()


def test_every_key_has_an_example(blocks: list[Block]) -> None:
    shown = {
        re.sub(r"^connections\.[^.]+\.", "connections.NAME.", path)
        for block in blocks
        if block.page == CONFIGURATION and block.language == "toml"
        for path in paths(tomllib.loads(block.text))
    }
    missing = {key for key in known_keys() if not any(path == key or path.startswith(f"{key}.") for path in shown)}
    assert not missing


def paths(tree: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield f"{path}{key}"
        if isinstance(value, dict):
            yield from paths(value, f"{path}{key}.")


def test_defaults_on_the_page_are_those_of_the_code(pages: dict[str, str], tmp_path: Any) -> None:
    connection = demo_settings(data_dir=tmp_path).connections["demo"]
    plain = type(connection)(name="a", adapter="mock")
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]+\| ([^|]+) \|", pages[CONFIGURATION], re.MULTILINE))
    for key in ("debounce_s", "undo_s", "max_drafts_per_hour", "holdout"):
        assert float(rows[key]) == getattr(plain, key)
    assert rows["mode"] == f'`"{plain.mode}"`'
    assert rows["environment"] == f'`"{plain.environment}"`'
    assert set(re.findall(r"`(\w+)`", rows["field_allow_list"])) == SHAREABLE_FIELDS


# --- HTTP ---------------------------------------------------------------------------------------------------------


def problem_codes(tools: Any) -> set[str]:
    """Every code the web layer can answer: rows of its tables, and literals given to what makes a problem."""
    found = set()
    for file in (tools.ROOT / "src/crm_bridge/web").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                found |= codes_in(node)
    from crm_bridge.web import problems

    return found | set(problems._CODES.values())


def codes_in(call: ast.Call) -> set[str]:
    name = getattr(call.func, "id", "")
    given = [item.value for item in call.keywords if item.arg == "code"]
    if name in {"Problem", "problem", "usable_id"} and len(call.args) > 1:
        given.append(call.args[1])
    return {node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_problem_code_is_listed(pages: dict[str, str], tools: Any) -> None:
    listed = first_cells(pages[HTTP].partition("## Problems")[2])
    assert set(listed) == problem_codes(tools)
    assert len(listed) == len(set(listed))


def routes_of(app: Any) -> set[str]:
    """`METHOD /path` with every parameter as `<name>`."""
    converter = re.compile(r"<(?:[a-z]+(?:[(][^)]*[)])?:)?([a-z_]+)>")
    rules = [(rule.methods, converter.sub(r"<\1>", rule.rule)) for rule in app.url_map.iter_rules()]
    return {f"{method} {rule}" for methods, rule in rules for method in methods - {"HEAD", "OPTIONS"}}


def test_every_route_is_listed(pages: dict[str, str]) -> None:
    app = create_app(runtime=object())  # type: ignore[arg-type]  # no request is made
    routes = {route for route in routes_of(app) if "/openapi" not in route or route.endswith(".json")}
    assert {cell for cell in first_cells(pages[HTTP]) if cell.startswith(("GET", "POST"))} == routes


# --- the embedded CRM ---------------------------------------------------------------------------------------------


def test_every_route_of_the_embedded_crm_is_listed(pages: dict[str, str]) -> None:
    crm = MockCrm()
    try:
        known = {route for route in routes_of(crm.app) if route.split(" ")[1].startswith(("/api/", "/desk/api/"))}
    finally:
        crm.stop()
    listed = {cell for cell in first_cells(pages[MOCK]) if "/api/" in cell}
    actions = {"accept", "edit", "reject", "respond", "undo", "resolve", "send"}
    expected = {re.sub(r"<(?:case_id|draft_id)>", "<id>", route) for route in known}
    expected -= {"POST /desk/api/cases/<id>/draft/<action>", "PUT /desk/api/cases/<id>/draft/<action>"}
    expected |= {f"POST /desk/api/cases/<id>/draft/{action}" for action in actions}
    expected |= {"PUT /desk/api/cases/<id>/draft/working-text"}
    assert listed == expected


def test_every_option_of_the_embedded_crm_is_listed(pages: dict[str, str]) -> None:
    parser: argparse.ArgumentParser = _parser()
    options = {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}
    listed = {cell.split(" ")[0] for cell in first_cells(pages[MOCK]) if cell.startswith("--")}
    assert listed == options


def test_every_event_type_is_listed(pages: dict[str, str]) -> None:
    assert EventKind.UNKNOWN not in EVENT_KINDS.values()
    assert all(f"`{kind}`" in pages[MOCK] for kind in EVENT_KINDS)


# --- rules --------------------------------------------------------------------------------------------------------


def test_every_flag_is_listed_with_whether_it_blocks(pages: dict[str, str]) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| (yes|no) \|$", pages[CONCEPTS], re.MULTILINE))
    assert rows == {code: "yes" if code in BLOCKING_FLAGS else "no" for code in CODES}


def test_every_kind_of_token_is_listed(pages: dict[str, str]) -> None:
    assert set(re.findall(r"`([A-Z]+)`", pages[CONCEPTS])) == {kind.value for kind in Kind}


def test_every_finding_is_listed(pages: dict[str, str], tools: Any) -> None:
    source = (tools.ROOT / "src/crm_bridge/core/quality.py").read_text("utf-8")
    codes = set(re.findall(r'(?:_informing|_blocking|finding)\(f?"([a-z_]+)', source))
    assert len(codes) > 5
    assert all(f"`{code}" in pages[CONCEPTS] for code in codes)
