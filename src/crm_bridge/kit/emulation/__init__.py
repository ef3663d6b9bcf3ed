"""For authors of emulated CRMs: durable records, a settable clock, an outbox with its sender, faults, a server."""

from crm_bridge.kit.emulation.clock import EmulatorClock
from crm_bridge.kit.emulation.emulator import Emulator
from crm_bridge.kit.emulation.faults import FaultRule, Faults, parse_rules
from crm_bridge.kit.emulation.outbox import Batch, Outbox
from crm_bridge.kit.emulation.records import Record, RecordStore
from crm_bridge.kit.emulation.sender import WebhookSender
from crm_bridge.kit.emulation.server import Server
from crm_bridge.kit.emulation.transport import Outgoing, Reply, Transport, Unreachable, into_wsgi, over_http

__all__ = [
    "Batch",
    "Emulator",
    "EmulatorClock",
    "FaultRule",
    "Faults",
    "Outbox",
    "Outgoing",
    "Record",
    "RecordStore",
    "Reply",
    "Server",
    "Transport",
    "Unreachable",
    "WebhookSender",
    "into_wsgi",
    "over_http",
    "parse_rules",
]
