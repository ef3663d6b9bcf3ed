"""The live rules in the order in which they are run, with the capabilities each proves. A table and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from crm_bridge.kit.matrix import ALWAYS
from crm_bridge.testing.live import reading, told, writing
from crm_bridge.testing.live.stage import LiveStage


@dataclass(frozen=True, kw_only=True)
class Check:
    """One live rule. It proves `proves` when it holds; when it does not, it also stands in the way of `guards`.

    `run` returns a detail for the report, or raises `Broken`, `NotPossible` or an error of the contract. `waits`: for a
    person, as long as the run allows.
    """

    run: Callable[[LiveStage], str]
    proves: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    waits: bool = False

    @property
    def name(self) -> str:
        """As it is kept in a record."""
        return self.run.__name__

    @property
    def sentence(self) -> str:
        """What holds, for people."""
        return (self.run.__doc__ or self.name).strip().splitlines()[0].removesuffix(".")


CHECKS: tuple[Check, ...] = (
    Check(run=reading.diagnosed, proves=(ALWAYS,)),
    Check(run=reading.planned, proves=(ALWAYS,)),
    Check(run=reading.opened_case_is_found, proves=("reconcile",), waits=True),
    Check(run=reading.case_is_read, proves=(ALWAYS,)),
    Check(run=reading.case_is_read_again, proves=(ALWAYS,)),
    Check(run=reading.nobody_is_no_case, proves=(ALWAYS,)),
    Check(run=reading.case_resolves_to_itself, proves=(ALWAYS,)),
    Check(run=reading.articles_are_listed, proves=("knowledge",)),
    Check(run=reading.agents_are_asked_for, proves=(ALWAYS,)),
    Check(run=writing.draft_is_written, proves=("targets",)),
    Check(run=writing.draft_stays_inside, proves=("targets",)),
    Check(run=writing.draft_is_written_once, proves=("targets",)),
    Check(run=writing.draft_is_known_again, proves=("targets",)),
    Check(run=reading.own_changes_are_told_apart, guards=("reconcile",)),
    Check(run=writing.draft_is_replaced_only_as_said, proves=("targets",)),
    Check(run=writing.what_it_cannot_do_is_said, proves=("targets",)),
    Check(run=writing.state_is_shown, proves=("targets",)),
    Check(run=writing.draft_is_withdrawn_only_as_said, proves=("targets",)),
    Check(run=reading.never_sent_is_never_found, guards=("send_marker",)),
    Check(run=writing.nothing_is_sent_unasked, proves=("sends",)),
    Check(run=writing.finding_was_not_asked, proves=("send_marker",)),
    Check(run=told.deliveries_are_proven, proves=("delivery_auth",)),
    Check(run=told.deliveries_are_understood, guards=("delivery_auth",)),
    Check(run=told.the_panel_is_not_called, proves=("panel",)),
    Check(run=told.nothing_is_deleted, proves=("deletions",)),
)
"""What is run unless more is asked for: it sends nothing."""

_ASKED: Mapping[Callable[[LiveStage], str], Callable[[LiveStage], str]] = {
    writing.nothing_is_sent_unasked: writing.reply_is_sent,
    writing.finding_was_not_asked: writing.sent_reply_is_found,
}
CHECKS_THAT_SEND: tuple[Check, ...] = tuple(replace(one, run=_ASKED.get(one.run, one.run)) for one in CHECKS)
"""The same, with a reply to the case's customer."""
