"""What `doctor` says of the assistant: can it be reached, does it take our credentials.

The cheapest call that proves something, bounded like every other one, and without a word of any customer: a server of
your own gets a test question, signed as always; one that speaks the OpenAI protocol is asked which models it has.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from crm_bridge.assistants.protocol import Assistant
from crm_bridge.contract import Diagnosis, OutboundError, Permanent, Reauthenticate
from crm_bridge.core.masking import MaskedContext, MaskedMessage

CHECK = "assistant"
MAX_CHECK_S = 15.0

TEST_CONTEXT = MaskedContext(
    subject="Test of the connection",
    channel="other",
    language="en",
    messages=(
        MaskedMessage(
            id="doctor",
            author="customer",
            text="This is a test of the connection. No customer wrote it; please abstain.",
            sent_at=datetime(2026, 1, 1, tzinfo=UTC),
            internal=False,
        ),
    ),
    fields=(),
    context_id="doctor",
)


@runtime_checkable
class Checkable(Protocol):
    """An assistant that can be looked at without a case."""

    def diagnose(self) -> Diagnosis:
        """One bounded call at most. Raises nothing a call can fail with."""


def diagnosed(assistant: Assistant) -> Diagnosis:
    """What was found of whichever assistant is configured."""
    if isinstance(assistant, Checkable):
        return assistant.diagnose()
    return Diagnosis(check=CHECK, status="ok", detail="It is part of the bridge and makes no call.")


def tried(call: Callable[[], Diagnosis]) -> Diagnosis:
    """What a call found, or what its failure means."""
    try:
        return call()
    except Reauthenticate as error:
        detail = f"The assistant was reached and does not take our credentials, or we not its own ({error.code})."
        action = "Compare the secret or the key in [assistant] with the assistant's; then restart the bridge."
    except Permanent as error:
        detail = f"The assistant was reached, and its answer cannot be used ({error.code}): {error.detail}"
        action = "Check base_url and what the assistant answers."
    except OutboundError as error:
        detail = f"The assistant does not answer ({error.code}); cases wait for it meanwhile."
        action = "Check base_url, the network section, and whether the assistant runs."
    return Diagnosis(check=CHECK, status="failed", detail=detail, action=action)
