"""For authors of emulated CRMs: an author writes routes and payloads, everything else is here.

Durable records, cases and the people who write in them, a settable clock, an outbox with its sender, a token endpoint,
rate limits, faults, a call counter, a server and a command line.
"""

from crm_bridge.kit.emulation.answers import HttpAnswer, json_answer, problem_answer
from crm_bridge.kit.emulation.cases import BRIDGE_USER, CaseEmulator
from crm_bridge.kit.emulation.clock import EmulatorClock
from crm_bridge.kit.emulation.emulator import Emulator
from crm_bridge.kit.emulation.faults import ANY_OPERATION, WEBHOOK, FaultRule, Faults, parse_rules, read_rules
from crm_bridge.kit.emulation.held import HeldWebhooks
from crm_bridge.kit.emulation.outbox import Batch, Outbox
from crm_bridge.kit.emulation.rates import RateLimit, Usage
from crm_bridge.kit.emulation.records import Record, RecordStore
from crm_bridge.kit.emulation.sender import WebhookSender
from crm_bridge.kit.emulation.server import Server
from crm_bridge.kit.emulation.signers import StandardSigner
from crm_bridge.kit.emulation.tokens import Issued, TokenEndpoint, standard_form, standard_refusal
from crm_bridge.kit.emulation.transport import Outgoing, Reply, Transport, Unreachable, into_wsgi, over_http

__all__ = [
    "ANY_OPERATION",
    "BRIDGE_USER",
    "WEBHOOK",
    "Batch",
    "CaseEmulator",
    "Emulator",
    "EmulatorClock",
    "FaultRule",
    "Faults",
    "HeldWebhooks",
    "HttpAnswer",
    "Issued",
    "Outbox",
    "Outgoing",
    "RateLimit",
    "Record",
    "RecordStore",
    "Reply",
    "Server",
    "StandardSigner",
    "TokenEndpoint",
    "Transport",
    "Unreachable",
    "Usage",
    "WebhookSender",
    "into_wsgi",
    "json_answer",
    "over_http",
    "parse_rules",
    "problem_answer",
    "read_rules",
    "standard_form",
    "standard_refusal",
]
