"""The parts of the pages that are made from the code, between `<!-- made: NAME -->` and `<!-- end: NAME -->`.

`python docs/generate.py` says which are out of date (exit code 1), `--write` makes them anew. A test does the first.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from crm_bridge.cli import main as program
from crm_bridge.cli.adapters import calls_in_words
from crm_bridge.cli.matrix import alike, matrix_of
from crm_bridge.contract import NoDraftReason, StateKind
from crm_bridge.core import lifecycle, visible
from crm_bridge.core.lifecycle import DraftState, DraftStep
from crm_bridge.kit.quality import QUALITY_RULES
from crm_bridge.registry import adapter_names, declared_capabilities
from crm_bridge_mock.profiles import DEFAULT_PROFILE, PROFILES, Profile

ROOT = Path(__file__).parents[1]
MANY = 3
"""A step that leads from so many states to one is drawn once, from all of them together."""

_PART = re.compile(r"(<!-- made: ([a-z-]+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)


def table(heads: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


# --- the life of a draft ------------------------------------------------------------------------------------------


def lifecycle_table() -> str:
    return table(["state", "what can happen, and what it is then"], [_life(state) for state in DraftState])


def _life(state: DraftState) -> tuple[str, str]:
    steps = [
        f"{code(step)} → {code(after)}" if after is not state else f"{code(step)} (stays, and a new draft starts)"
        for (before, step), after in lifecycle.TABLE.items()
        if before is state
    ]
    return (f"**{code(state)}**" if state in lifecycle.LIVE else code(state)), ", ".join(steps) or "nothing: an end"


def lifecycle_diagram() -> str:
    edges: dict[tuple[DraftStep, DraftState], list[DraftState]] = {}
    for before in DraftState:
        for step, after in ((step, lifecycle.TABLE.get((before, step))) for step in DraftStep):
            if after is not None and after is not before:
                edges.setdefault((step, after), []).append(before)
    groups = {tuple(before): f"group{number}" for number, before in enumerate(_groups(edges), start=1)}
    arrows: dict[tuple[str, str], list[str]] = {}
    for (step, after), sources in edges.items():
        for source in [groups[tuple(sources)]] if tuple(sources) in groups else sources:
            arrows.setdefault((source, after.value), []).append(step.value)
    lines = ["stateDiagram-v2", "    direction LR", f"    [*] --> {DraftState.DRAFTING}"]
    lines += [f'    state "{_listed(states)}" as {name}' for states, name in groups.items()]
    lines += [f"    {source} --> {after}: {', '.join(steps)}" for (source, after), steps in arrows.items()]
    lines += [f"    {state} --> [*]" for state in DraftState if state in lifecycle.OUTCOMES]
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def _groups(edges: Mapping[tuple[DraftStep, DraftState], list[DraftState]]) -> list[tuple[DraftState, ...]]:
    return list(dict.fromkeys(tuple(sources) for sources in edges.values() if len(sources) >= MANY))


def _listed(states: Sequence[DraftState]) -> str:
    return ", ".join(states[:-1]) + f" or {states[-1]}"


# --- what an agent sees -------------------------------------------------------------------------------------------


def visible_states() -> str:
    rows = [_seen(state) for state in DraftState if visible.VISIBLE[state] is not StateKind.NO_DRAFT]
    late = visible.kind_words(StateKind.DECIDED_TOO_LATE)
    rows.append(("a decision on an older revision", code(StateKind.DECIDED_TOO_LATE), late.sentence, late.action))
    rows += [
        (f"{code(state)}, {code(reason)}", code(visible.VISIBLE[state]), words.sentence, words.action)
        for (state, reason), words in visible.BY_REASON.items()
    ]
    settled = [state for state in DraftState if state in visible.SETTLED_REASONS]
    return table(["state of the draft", "kind", "sentence", "action"], rows + [_seen(state) for state in settled])


def _seen(state: DraftState) -> tuple[str, str, str, str]:
    words = visible.words(state)
    return code(state), code(visible.VISIBLE[state]), words.sentence, words.action


def no_draft_reasons() -> str:
    words = {reason: visible.no_draft_words(reason) for reason in NoDraftReason}
    rows = [(code(reason), said.sentence, said.action) for reason, said in words.items()]
    return table(["reason", "sentence", "action"], rows)


# --- commands -----------------------------------------------------------------------------------------------------


def commands() -> str:
    return "\n".join(_described(command, name) for name, command in _commands(program, "crm-bridge"))


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for below in command.list_commands(context):
        found = command.get_command(context, below)
        assert found is not None
        yield from _commands(found, f"{name} {below}")


def _described(command: click.Command, name: str) -> str:
    options = [option for option in command.params if isinstance(option, click.Option)]
    text = f"## `{name}`\n\n{(command.help or '').strip()}\n"
    return f"{text}\n{table(['option', 'default', 'meaning'], [_option(one) for one in options])}" if options else text


def _option(option: click.Option) -> tuple[str, str, str]:
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('x')))}"
    default = code(str(option.default)) if option.show_default else "required" if option.required else ""
    return code(option.opts[0] + value.replace("INTEGER RANGE", "NUMBER")), default, option.help or ""


# --- profiles -----------------------------------------------------------------------------------------------------


def profiles() -> str:
    heads = ["profile", "deliveries", "the draft is a", "who decides", "who sends", "recognised by", "besides"]
    assert declared_capabilities("mock") == {name: row.capabilities for name, row in PROFILES.items()}
    return table(heads, [_profile(row) for row in PROFILES.values()])


def _profile(row: Profile) -> tuple[str, ...]:
    has = row.capabilities
    target = has.target
    besides = {
        "the default": row.name == DEFAULT_PROFILE,
        "webhooks name a thread, not the case": row.looks_before_known is not None,
        "times are cut to the second": row.whole_seconds,
        "a send repeated with its key is sent again": not row.keys_sends,
        "what was written cannot be taken back or read back": not target.withdrawable and not target.readable,
        "no panel": not has.panel,
        "longer texts are cut off": row.longest_text is not None,
        "calls also need an access token, and tokens end": row.tokens,
        "the signature covers method and target, too": row.signs_requests,
    }
    return (
        code(row.name),
        has.delivery_auth.kind.replace("_", " "),
        target.kind.replace("_", " "),
        " and ".join(sorted(target.decides)) or "nobody",
        has.sends.value,
        has.send_marker.replace("_", " "),
        "; ".join(said for said, is_so in besides.items() if is_so),
    )


# --- what is proven -----------------------------------------------------------------------------------------------

BUILT_IN = ("mock", "salesforce", "hubspot")
"""Those of this repository, as far as they are there: another package installed beside it is no part of its pages."""


def capabilities() -> str:
    parts = []
    for name in (one for one in BUILT_IN if one in adapter_names()):
        for variants in alike(matrix_of(name)["variants"]):
            first = variants[0]
            rows = [(code(one["capability"]), one["declared"] or "", one["sentence"]) for one in first["capabilities"]]
            title = ", ".join(code(variant["variant"]) for variant in variants)
            heads = ["capability", "declared", "stands at"]
            parts.append(f"**{name}**: {title}\n\n{table(heads, rows)}\n{calls_in_words(first['calls'])}.\n")
    return "\n".join(parts)


def quality() -> str:
    names = [one for one in BUILT_IN if one in adapter_names()]
    answers = {name: {one["rule"]: one for one in matrix_of(name)["quality"]} for name in names}
    rows = [
        (code(rule.name), rule.sentence, *(_answer(answers[name].get(rule.name)) for name in names))
        for rule in QUALITY_RULES
    ]
    return table(["rule", "what it asks", *names], rows)


def _answer(said: Mapping[str, str] | None) -> str:
    if said is None:
        return ""
    return f"{said['status']}: {said['comment']}" if said["comment"] else said["status"]


PARTS: Mapping[str, Callable[[], str]] = {
    "capabilities": capabilities,
    "quality": quality,
    "lifecycle-table": lifecycle_table,
    "lifecycle-diagram": lifecycle_diagram,
    "visible-states": visible_states,
    "no-draft-reasons": no_draft_reasons,
    "commands": commands,
    "profiles": profiles,
}


def made_anew(text: str) -> str:
    """A page with its made parts as they are now. Raises `KeyError` for a part nobody makes."""
    return _PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n{match[3]}", text)


def pages() -> list[Path]:
    return sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})


def out_of_date() -> list[Path]:
    return [page for page in pages() if made_anew(page.read_text("utf-8")) != page.read_text("utf-8")]


def main(arguments: Sequence[str]) -> int:
    old = out_of_date()
    for page in old:
        if "--write" in arguments:
            page.write_text(made_anew(page.read_text("utf-8")), "utf-8")
        print(f"{page.relative_to(ROOT)} {'made anew' if '--write' in arguments else 'is out of date'}")
    return 1 if old and "--write" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
