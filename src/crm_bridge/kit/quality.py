"""The quality scale of adapters: one list of rules, and how an adapter's `quality.toml` answers each of them.

It owns the list and reading the file. Whether an answer is true is checked in tests (`crm_bridge.testing.quality`):
where a rule names rules of the contract suite, "done" means that the shipped proof shows them to hold.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

QUALITY_FILE = "quality.toml"
MAX_QUALITY_BYTES = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityRule:
    """One thing that makes an adapter good. `rules`: the rules of the contract suite that show it, where any do."""

    name: str
    sentence: str
    rules: tuple[str, ...] = ()


def _rule(name: str, sentence: str, *rules: str) -> QualityRule:
    return QualityRule(name=name, sentence=sentence, rules=rules)


QUALITY_RULES: tuple[QualityRule, ...] = (
    _rule(
        "signed-deliveries",
        "A delivery is believed only with a signature over its body and its time.",
        "test_every_changed_bit_of_the_body_is_refused",
        "test_every_changed_bit_of_a_security_header_is_refused",
        "test_the_signed_time_itself_is_covered",
    ),
    _rule("secret-rotation", "Secrets are a list: several verify, and the first one signs.", "test_secrets_rotate"),
    _rule(
        "unknown-events-kept",
        "An event of an unknown kind is kept, and no bytes break parsing.",
        "test_an_unknown_kind_is_kept",
        "test_no_bytes_break_parsing",
    ),
    _rule(
        "recorded-samples",
        "The samples of the tests were recorded from the real CRM, and are understood.",
        "test_recorded_samples_are_understood",
    ),
    _rule(
        "complete-reads",
        "A case is read whole: long threads, authors, HTML, and what may not be read is named.",
        "test_a_long_thread_is_read_to_its_first_message",
        "test_every_message_has_its_direction_and_author",
        "test_html_is_read_as_plain_text",
        "test_what_may_not_be_read_is_named",
    ),
    _rule(
        "reconcile",
        "With every webhook lost, a poll finds what changed, several in one second and over all pages.",
        "test_every_kind_of_change_is_found",
        "test_the_second_change_of_a_second_is_found",
        "test_many_changes_of_one_second_are_found_over_all_pages",
        "test_a_cursor_survives_a_restart",
    ),
    _rule(
        "idempotent-writes",
        "A draft is written once by its key, also after a lost answer and from two processes.",
        "test_writing_twice_with_one_key_is_once",
        "test_a_write_whose_answer_was_lost_is_still_once",
        "test_two_processes_that_write_at_once_write_once",
    ),
    _rule(
        "human-text-kept",
        "What a person wrote over a draft is never written over and never withdrawn.",
        "test_the_words_of_a_person_are_never_written_over",
        "test_the_words_of_a_person_are_never_withdrawn",
    ),
    _rule(
        "send-at-most-once",
        "A reply goes out at most once, whatever is lost, and is found again.",
        "test_a_lost_answer_is_ambiguous_and_sends_once",
        "test_what_went_out_is_found_after_a_lost_answer",
        "test_an_attempt_proven_absent_cannot_arrive_late",
    ),
    _rule(
        "named-errors",
        "Every failure is one named error, in bounded time and memory.",
        "test_a_read_that_fails_names_what_to_do",
        "test_a_write_that_fails_names_what_to_do",
        "test_a_redirect_is_never_followed",
    ),
    _rule(
        "limits-declared",
        "The CRM's rate limits are declared as data, and each of its refusals is known.",
        "test_every_rate_limit_of_this_crm_is_known",
    ),
    _rule(
        "token-single-flight",
        "An ended token is refreshed once by all threads and processes.",
        "test_an_ended_token_is_refreshed_once_by_all_threads_and_processes",
    ),
    _rule(
        "call-budget",
        "CRM calls of each operation stay within a declared budget.",
        "test_reading_stays_within_its_budget",
        "test_writing_stays_within_its_budget",
        "test_looking_stays_within_its_budget",
    ),
    _rule(
        "diagnose",
        "diagnose() says in words what is wrong with credentials, permissions, limits and clock.",
        "test_diagnosing_says_something_and_changes_nothing",
    ),
    _rule(
        "setup-plan",
        "provision() sets up what the CRM needs, twice without harm, and says it before.",
        "test_a_plan_changes_nothing",
        "test_setting_up_twice_finds_everything_present",
    ),
    _rule(
        "panel-identity",
        "A call of the panel is believed only for the agent the CRM signed for.",
        "test_nobody_else_can_be_named_in_a_panel_call",
    ),
    _rule("least-scopes", "The scopes and permissions it needs are documented, each with its reason."),
    _rule("panel-accessible", "What agents see in the CRM is tested for accessibility."),
    _rule("docs-page", "Its page says how to set it up, every key of its connection, and what it cannot do."),
    _rule("emulator", "It ships an emulator of its CRM, which `emulate` and `demo` play."),
    _rule("live-proof", "It ships a record of `crm-bridge prove` against the real CRM that is current."),
)
"""Every rule, in the order in which pages show them."""


class Status(StrEnum):
    """How an adapter answers a rule."""

    DONE = "done"
    TODO = "todo"
    EXEMPT = "exempt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What an adapter says of one rule. An exemption says why in its comment."""

    status: Status
    comment: str = ""


class InvalidQuality(ValueError):
    """A `quality.toml` that is none; the text says which rule and what was expected."""


def read_quality(file: Path) -> Mapping[str, Answer]:
    """The answers of an adapter by rule, in the order of the list; none where it has no such file.

    Raises `InvalidQuality` for a file that leaves a rule out, names another one, or exempts without a comment.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_QUALITY_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidQuality(f"{file.name} cannot be read ({type(error).__name__})") from error
    try:
        given = tomllib.loads(content[:MAX_QUALITY_BYTES].decode("utf-8")).get("rules", {})
    except ValueError as error:
        raise InvalidQuality(f"{file.name}: {error}") from error
    return _answers(given)


def _answers(given: Any) -> Mapping[str, Answer]:
    names = [rule.name for rule in QUALITY_RULES]
    if not isinstance(given, Mapping):
        raise InvalidQuality("rules: expected a table")
    if unknown := sorted(set(given) - set(names)):
        raise InvalidQuality(f"{unknown[0]}: is no rule of the scale")
    if missing := [name for name in names if name not in given]:
        raise InvalidQuality(f"{missing[0]}: expected done, todo or exempt")
    return {name: _answer(name, given[name]) for name in names}


def _answer(name: str, given: Any) -> Answer:
    table = given if isinstance(given, Mapping) else {"status": given}
    status, comment = table.get("status"), table.get("comment", "")
    if status not in set(Status) or not isinstance(comment, str) or set(table) - {"status", "comment"}:
        raise InvalidQuality(f'{name}: expected done, todo or exempt, or {{ status = "…", comment = "…" }}')
    if status == Status.EXEMPT and not comment.strip():
        raise InvalidQuality(f"{name}: an exemption needs a comment that says why")
    return Answer(status=Status(status), comment=comment.strip())


def blank_quality() -> str:
    """A `quality.toml` for a new adapter: everything still to be done."""
    lines = [f'# {rule.sentence}\n{rule.name} = "todo"\n' for rule in QUALITY_RULES]
    return "# done, todo, or exempt with a comment that says why\n[rules]\n" + "".join(lines)
