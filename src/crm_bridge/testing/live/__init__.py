"""The safe part of the contract against a real CRM: what `crm-bridge prove` runs. Sends nothing unless asked to."""

from crm_bridge.testing.live.checks import CHECKS, CHECKS_THAT_SEND, Check
from crm_bridge.testing.live.listen import Listener
from crm_bridge.testing.live.redact import Redactor
from crm_bridge.testing.live.run import Outcome, Result, live_proof, run, variant_of, will_touch
from crm_bridge.testing.live.stage import LiveStage
from crm_bridge.testing.live.tape import Tape

__all__ = [
    "CHECKS",
    "CHECKS_THAT_SEND",
    "Check",
    "Listener",
    "LiveStage",
    "Outcome",
    "Redactor",
    "Result",
    "Tape",
    "live_proof",
    "run",
    "variant_of",
    "will_touch",
]
