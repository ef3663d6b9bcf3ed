"""One run of the live rules: bounded, cleaned up after, and told in words. It owns the order and no rule."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from crm_bridge import __version__
from crm_bridge.contract import BridgeError, Capabilities, OutboundError
from crm_bridge.kit.proof import Proof
from crm_bridge.testing.live.checks import Check
from crm_bridge.testing.live.stage import Broken, LiveStage, NotPossible
from crm_bridge.testing.live.writing import reply_is_sent
from crm_bridge.testing.proof import NOT_DECLARED, PASSED, capabilities_shown

CHECK_WITHIN_S = 60.0
CLEAN_UP = "clean_up"


class Outcome(StrEnum):
    """What a rule came to."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_POSSIBLE = "not possible here"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One rule, what it came to, and what there is to say about it."""

    check: Check
    outcome: Outcome
    said: str = ""
    ended: bool = True


def run(
    stage: LiveStage,
    checks: Sequence[Check],
    tell: Callable[[Result], None],
    begins: Callable[[str], None] = lambda _name: None,
    *,
    within_s: float = CHECK_WITHIN_S,
) -> list[Result]:
    """Run the rules one after the other, and take our draft away at the end, whatever happened.

    A rule that does not end within its time fails and ends the run: nobody knows what it may still do.
    """
    results: list[Result] = []
    try:
        for check in checks:
            begins(check.name)
            result = _result(check, stage, within_s + (stage.wait_s if check.waits else 0.0))
            results.append(result)
            tell(result)
            if not result.ended:
                break
    finally:
        begins(CLEAN_UP)
        leftover = _cleaned_up(stage, within_s)
        if leftover is not None:
            results.append(leftover)
            tell(leftover)
    return results


def _result(check: Check, stage: LiveStage, within_s: float) -> Result:
    ended: list[Result] = []

    def act() -> None:
        try:
            ended.append(Result(check=check, outcome=Outcome.PASSED, said=check.run(stage)))
        except NotPossible as error:
            ended.append(Result(check=check, outcome=Outcome.NOT_POSSIBLE, said=str(error)))
        except Exception as error:  # noqa: BLE001 - the edge of a thread: whatever it was, it is told
            ended.append(Result(check=check, outcome=Outcome.FAILED, said=in_words(error)))

    thread = threading.Thread(target=act, name=f"prove-{check.name}", daemon=True)
    thread.start()
    thread.join(within_s)
    if ended:
        return ended[0]
    return Result(check=check, outcome=Outcome.FAILED, said=f"did not end within {within_s:.0f} s", ended=False)


def in_words(error: Exception) -> str:
    """What went wrong. Of an error nobody declared only its class is told: its text may hold a customer's words."""
    if isinstance(error, Broken):
        return str(error)
    if isinstance(error, OutboundError):
        return f"{type(error).__name__} ({error.code}): {error.detail}"
    kind = type(error).__name__
    return f"{kind}: {error}" if isinstance(error, BridgeError) else f"{kind}, which is no error of the contract"


def _cleaned_up(stage: LiveStage, within_s: float) -> Result | None:
    """None when nothing was left to take away."""
    if stage.written is None:
        return None

    def clean_up(stage: LiveStage) -> str:
        """What stood there because of us is gone."""
        left = stage.clean_up()
        if left:
            raise NotPossible(left)
        return ""

    return _result(Check(run=clean_up), stage, within_s)


def live_proof(results: Sequence[Result], *, code: str, api_version: str, at: datetime | None = None) -> Proof:
    """What a run showed, as it is kept."""
    words = {Outcome.PASSED: PASSED, Outcome.FAILED: "failed", Outcome.NOT_POSSIBLE: NOT_DECLARED}
    outcomes = {result.check.name: words[result.outcome] for result in results}
    proves = {
        result.check.name: (
            *result.check.proves,
            *(result.check.guards if result.outcome is Outcome.FAILED else ()),
        )
        for result in results
    }
    return Proof(
        code=code,
        suite=__version__,
        capabilities=capabilities_shown(outcomes, proves),
        at=(at or datetime.now(UTC)).replace(microsecond=0),
        api_version=api_version,
    )


def variant_of(has: Capabilities, declared: Mapping[str, Capabilities], config: Mapping[str, Any]) -> str:
    """Which variant of an adapter a connection is: one that declares the same, by name where several do."""
    alike = [name for name, other in declared.items() if other == has]
    named = [name for name in alike if name in [value for value in config.values() if isinstance(value, str)]]
    return next(iter([*named, *alike]), "default")


def will_touch(has: Capabilities, checks: Sequence[Check]) -> list[str]:
    """What a run does in the CRM, one sentence each, for the person who has to agree."""
    target = has.target
    lines = ["It reads one case: its messages, its customer, and what the poll and the articles say."]
    stays = "and takes it away again" if target.withdrawable else "which STAYS there: this target cannot be withdrawn"
    lines.append(f"It writes a test draft on that case ({str(target.kind.value).replace('_', ' ')}), {stays}.")
    if target.shows_states:
        lines.append("It shows a state on that case, which stays until the bridge shows a newer one.")
    replies = any(check.run is reply_is_sent for check in checks)
    lines.append("It SENDS a reply to the customer of that case." if replies else "It sends nothing.")
    return lines
