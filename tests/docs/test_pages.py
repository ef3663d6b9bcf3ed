"""The pages as texts: links lead somewhere, made parts are current, the README's plain lines are the Makefile's."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/quickstart.md", "docs/concepts.md", "docs/operations.md")


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = HEADING.findall(FENCED.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_between_pages_leads_somewhere(pages: dict[str, str], tools: Any) -> None:
    broken = []
    for page, text in pages.items():
        for target in LINK.findall(FENCED.sub("", text)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (tools.ROOT / page).parent / path if path else tools.ROOT / page
            if not file.exists() or (anchor and anchor not in anchors(file.read_text("utf-8"))):
                broken.append(f"{page}: {target}")
    assert not broken


def test_every_page_can_be_reached_from_the_readme(pages: dict[str, str], tools: Any) -> None:
    reached, waiting = set(), ["README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page not in pages:
            continue
        reached.add(page)
        for target in LINK.findall(FENCED.sub("", pages[page])):
            path = target.partition("#")[0]
            if path and not re.match(r"[a-z]+:", target):
                waiting.append(str(((tools.ROOT / page).parent / path).resolve().relative_to(tools.ROOT.resolve())))
    assert reached == set(pages)


@pytest.mark.parametrize("page", PAGES)
def test_the_first_pages_are_there(page: str, pages: dict[str, str]) -> None:
    assert pages[page].startswith("# ")


def test_parts_made_from_the_code_are_current(tools: Any) -> None:
    generate = runpy.run_path(str(tools.ROOT / "docs/generate.py"))
    old = [str(page) for page in generate["out_of_date"]()]
    assert not old, "run: python docs/generate.py --write"


def test_every_part_that_can_be_made_is_on_a_page(pages: dict[str, str], tools: Any) -> None:
    generate = runpy.run_path(str(tools.ROOT / "docs/generate.py"))
    used = {name for text in pages.values() for name in re.findall(r"<!-- made: ([a-z-]+) -->", text)}
    assert used == set(generate["PARTS"])


def test_the_plain_lines_are_what_make_does(pages: dict[str, str], tools: Any) -> None:
    makefile = (Path(tools.ROOT) / "Makefile").read_text("utf-8")
    extras = "-e '.[embedded,ai,lang]'"
    assert f".venv/bin/python -m pip install {extras}" in pages["README.md"]
    assert extras in makefile


def test_lines_of_text_stay_readable(pages: dict[str, str]) -> None:
    """Tables, links, examples and made parts may be as long as they are."""
    long = [
        f"{page}: {line[:60]}"
        for page, text in pages.items()
        for line in FENCED.sub("", text).splitlines()
        if len(line) > 140 and not line.startswith("|")
    ]
    assert not long
