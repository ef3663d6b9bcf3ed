"""`new-adapter`: a package to fill in, with its own emulator and the contract suite. The templates are `scaffold/`.

It owns which names are good, where the package goes and what is said; it never writes over anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

import click
from jinja2 import Environment, StrictUndefined

from crm_bridge import __version__
from crm_bridge.kit.quality import blank_quality
from crm_bridge.registry import adapter_names, emulator_names

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
MAX_NAME = 30
SUFFIX = ".jinja"
RENAMED = {"gitignore": ".gitignore"}
"""Files that a version control system would take for its own among the templates."""


@click.command("new-adapter")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder it goes into, new or empty; else ./crm-bridge-NAME.",
)
def new_adapter(name: str, into: Path | None) -> None:
    """Make a package for the new adapter NAME.

    It installs and is discovered, and its tests say what to write next.
    """
    _check_name(name)
    words = _words(name)
    folder = into or Path(words["distribution"])
    _check_folder(folder)
    made = write(folder, words)
    click.echo(_said(folder, words, made))


def write(folder: Path, words: Mapping[str, str]) -> list[Path]:
    """The files of the package, written; their paths inside `folder`, sorted."""
    made = []
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - no HTML
    for path, template in sorted(_templates(resources.files("crm_bridge") / "scaffold", Path())):
        target = Path(*(words["package"] if part == "PACKAGE" else RENAMED.get(part, part) for part in path.parts))
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        with (folder / target).open("x", encoding="utf-8") as file:
            file.write(environment.from_string(template.read_text("utf-8")).render(words))
        made.append(target)
    return sorted(made)


def _templates(folder: Traversable, path: Path) -> Iterator[tuple[Path, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _templates(entry, path / entry.name)
        elif entry.name.endswith(SUFFIX):
            yield path / entry.name.removesuffix(SUFFIX), entry


def _words(name: str) -> dict[str, str]:
    """What the templates are filled with."""
    return {
        "name": name,
        "title": "".join(part.capitalize() for part in name.split("-")),
        "package": f"crm_bridge_{name.replace('-', '_')}",
        "distribution": f"crm-bridge-{name}",
        "version": __version__,
        "quality": blank_quality(),
    }


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        rule = "small letters, digits and single hyphens between them, beginning with a letter"
        raise click.BadParameter(f"expected {rule}, at most {MAX_NAME} characters: acme, acme-desk", param_hint="NAME")
    if name in {*adapter_names(), *emulator_names()} or find_spec(_words(name)["package"]) is not None:
        raise click.BadParameter(
            f"an adapter {name!r} is installed already (crm-bridge adapters lists them): take another name",
            param_hint="NAME",
        )


def _check_folder(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise click.BadParameter(f"{folder} is not empty: give a new or an empty folder", param_hint="--into")


def _said(folder: Path, words: Mapping[str, str], made: list[Path]) -> str:
    source = f"src/{words['package']}"
    return f"""\
Made {words["distribution"]} in {folder}: {len(made)} files, an adapter named {words["name"]!r}.

  {source}/adapter.py    what your CRM can, and the methods to write
  {source}/emulator      the CRM as the tests play it
  tests/not_yet.py{" " * (len(source) - 1)}the rules that cannot hold yet, each with what to write for it

What comes in is verified and parsed already. Type next:

  cd {folder}
  python -m pip install -e '.[test]'
  python -m pytest
  crm-bridge adapters {words["name"]}

README.md there has the next three steps; docs/write-an-adapter.md of the bridge builds a whole adapter."""
