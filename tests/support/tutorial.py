"""Follows a page that builds a package: writes its files, puts its code into files that are there, shortens a list.

Comments before the blocks say what is done: `file: PATH` writes it, `into: PATH` writes definitions over those of the
same names (a class is merged with the one of its name), `remove: PATH` removes it, `off: WORDS` takes off `not_yet.py`
what begins with one of them.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STEP = re.compile(
    r"<!-- (file|into): (\S+) -->\n```\w+\n(.*?)^```$|<!-- (remove|off): (.+?) -->", re.MULTILINE | re.DOTALL
)
NOT_YET = Path("tests/not_yet.py")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing a reader does. `text`: of a block."""

    kind: str
    about: str
    text: str = ""

    def do(self, package: Path) -> None:
        """In the folder of the package."""
        if self.kind == "off":
            off(package, self.about.split())
        elif self.kind == "remove":
            shutil.rmtree(package / self.about)
        else:
            file = package / self.about
            text = self.text if self.kind == "file" else spliced(file.read_text("utf-8"), self.text)
            file.write_text(text, "utf-8")


def steps_of(page: str) -> Iterator[Step]:
    """In the order of the page."""
    for found in _STEP.finditer(page):
        yield Step(kind=found[1] or found[4], about=found[2] or found[5], text=found[3] or "")


def off(package: Path, words: list[str]) -> list[str]:
    """Take rules off the list; which ones."""
    lines = (package / NOT_YET).read_text("utf-8").splitlines(keepends=True)
    taken = [line for line in lines if re.match(rf'    "test_\w+": "(?:{"|".join(words)}):', line)]
    (package / NOT_YET).write_text("".join(line for line in lines if line not in taken), "utf-8")
    assert taken, f"nothing on the list begins with {words}"
    return re.findall(r'^    "(test_\w+)"', "".join(taken), re.MULTILINE)


def spliced(source: str, block: str) -> str:
    """The source with the block's definitions in place of those of the same names, or after them; imports on top."""
    for node in ast.parse(block).body:
        given = _text(block, node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            source = _inserted(source, _line_of_imports(source), f"{given}\n")
        elif isinstance(node, ast.ClassDef) and (known := _named(ast.parse(source).body, node.name)) is not None:
            assert isinstance(known, ast.ClassDef)
            for member in node.body:
                source = _into_class(source, node.name, member, _text(block, member))
        else:
            known = _named(ast.parse(source).body, _name(node))
            source = f"{source}\n\n{given}\n" if known is None else _replaced(source, known, given)
    return source


def _into_class(source: str, owner: str, member: ast.stmt, given: str) -> str:
    kept = _named(ast.parse(source).body, owner)
    assert isinstance(kept, ast.ClassDef)
    known = _named(kept.body, _name(member))
    if known is not None:
        return _replaced(source, known, given)
    if isinstance(member, ast.FunctionDef):
        return _inserted(source, kept.end_lineno or 0, f"\n{given}\n")
    first = kept.body[0]  # its docstring
    return _inserted(source, first.end_lineno or 0, f"\n{given}\n")


def _named(body: list[ast.stmt], name: str) -> ast.stmt | None:
    return next((node for node in body if name and _name(node) == name), None)


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return ""


def _text(source: str, node: ast.stmt) -> str:
    return "\n".join(source.splitlines()[_first(node) - 1 : node.end_lineno])


def _first(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _replaced(source: str, node: ast.stmt, given: str) -> str:
    lines = source.splitlines()
    lines[_first(node) - 1 : node.end_lineno] = [given]
    return "\n".join(lines) + "\n"


def _inserted(source: str, line: int, given: str) -> str:
    lines = source.splitlines(keepends=True)
    return "".join([*lines[:line], given, *lines[line:]])


def _line_of_imports(source: str) -> int:
    """Behind the last import of the module."""
    found = [node.end_lineno or 0 for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return max(found)
