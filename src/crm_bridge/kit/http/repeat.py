"""When a failed call is tried again at once: a few times, inside its deadline, with short random waits in between.

Only what a moment may heal is repeated (the network, a gateway), and never a call that would happen twice. Everything
else, a wish to be asked later among it, is raised for the pipeline, which pauses the connection and holds no worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from crm_bridge.contract import OutboundError, Retry
from crm_bridge.kit.http.judge import TRANSIENT_CODES, Effect

T = TypeVar("T")

MAX_ATTEMPTS = 3
MIN_ATTEMPT_S = 0.5
"""With less time left than this no further attempt is begun."""

WAIT = tenacity.wait_random(min=0.05, max=0.3)


class Believed(Exception):
    """Carries an error whose answer said itself when to come back: raised as it is, never hurried."""

    def __init__(self, error: OutboundError) -> None:
        super().__init__(error.code)
        self.error = error


def heals_at_once(error: BaseException, effect: Effect) -> bool:
    """Whether the same call may succeed a moment later."""
    return isinstance(error, Retry) and effect is not Effect.ONCE and error.code in TRANSIENT_CODES


def repeated(attempt: Callable[[], T], *, effect: Effect, ends_at: float) -> T:
    """What `attempt` returns, or the last `OutboundError` it raised (or `Believed` carried). `ends_at` is monotonic."""

    def give_up(state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= MAX_ATTEMPTS or time.monotonic() + MIN_ATTEMPT_S > ends_at

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: heals_at_once(error, effect)),
        stop=give_up,
        wait=WAIT,
        reraise=True,
    )
    try:
        return retrying(attempt)
    except Believed as believed:
        raise believed.error from None
