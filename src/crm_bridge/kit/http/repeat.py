"""When a failed call is tried again at once: a few times, inside its deadline, with short random waits in between.

Only what a moment may heal is repeated (the network, a gateway), and never a call that would happen twice. Everything
else, a wish to be asked later among it, is raised for the pipeline, which pauses the connection and holds no worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from crm_bridge.contract import Retry
from crm_bridge.kit.http.judge import TRANSIENT_CODES, AskedToWait, Effect

T = TypeVar("T")

MAX_ATTEMPTS = 3
MIN_ATTEMPT_S = 0.5
"""With less time left than this no further attempt is begun."""

_WAIT = tenacity.wait_random(min=0.05, max=0.3)


def heals_at_once(error: BaseException, effect: Effect) -> bool:
    """Whether the same call may succeed a moment later. A CRM that named its own time is believed, not hurried."""
    return (
        isinstance(error, Retry)
        and not isinstance(error, AskedToWait)
        and effect is not Effect.ONCE
        and error.code in TRANSIENT_CODES
    )


def repeated(attempt: Callable[[], T], *, effect: Effect, ends_at: float) -> T:
    """What `attempt` returns, or the last `OutboundError` it raised. `ends_at` is monotonic."""

    def give_up(state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= MAX_ATTEMPTS or time.monotonic() + MIN_ATTEMPT_S > ends_at

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: heals_at_once(error, effect)),
        stop=give_up,
        wait=_WAIT,
        reraise=True,
    )
    return retrying(attempt)
