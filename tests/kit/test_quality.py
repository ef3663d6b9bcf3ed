"""The quality scale: its list, and what a `quality.toml` may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_bridge.kit.quality import QUALITY_RULES, InvalidQuality, Status, blank_quality, read_quality
from crm_bridge.testing import rules


def written(folder: Path, text: str) -> Path:
    file = folder / "quality.toml"
    file.write_text(text)
    return file


def test_every_rule_has_a_name_of_its_own_and_a_sentence() -> None:
    assert len({rule.name for rule in QUALITY_RULES}) == len(QUALITY_RULES)
    assert all(rule.sentence.endswith(".") for rule in QUALITY_RULES)


def test_every_rule_of_the_suite_that_the_scale_names_is_one() -> None:
    assert {name for rule in QUALITY_RULES for name in rule.rules} <= set(rules())


def test_a_blank_one_answers_every_rule_with_todo(tmp_path: Path) -> None:
    answers = read_quality(written(tmp_path, blank_quality()))
    assert [*answers] == [rule.name for rule in QUALITY_RULES]
    assert {answer.status for answer in answers.values()} == {Status.TODO}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('reconcile = "todo"', ""), "reconcile: expected"),
        (('reconcile = "todo"', 'reconcile = "maybe"'), "reconcile: expected"),
        (('reconcile = "todo"', 'reconcile = "exempt"'), "reconcile: an exemption needs a comment"),
        (('reconcile = "todo"', 'reconcile = { status = "exempt", comment = " " }'), "needs a comment"),
        (('reconcile = "todo"', 'reconcile = { status = "done", why = "x" }'), "reconcile: expected"),
        (('reconcile = "todo"', 'reconcile = "todo"\nfrobnicates = "done"'), "frobnicates"),
        (("[rules]", "rules = 3\n[other]"), "expected a table"),
        (("[rules]", "[rules"), "quality.toml"),
    ],
)
def test_what_is_no_answer_is_refused_by_name(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    with pytest.raises(InvalidQuality, match=says):
        read_quality(written(tmp_path, blank_quality().replace(*change)))


def test_an_exemption_says_why(tmp_path: Path) -> None:
    exempt = 'panel-identity = { status = "exempt", comment = "There is no panel." }'
    answers = read_quality(written(tmp_path, blank_quality().replace('panel-identity = "todo"', exempt)))
    assert (answers["panel-identity"].status, answers["panel-identity"].comment) == (
        Status.EXEMPT,
        "There is no panel.",
    )
