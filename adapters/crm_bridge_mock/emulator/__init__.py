"""The embedded CRM: a small help desk of its own, with an API, signed webhooks and an agent's desk in the browser."""

from crm_bridge_mock.emulator.mockcrm import MockCrm

build = MockCrm
"""The entry point of the group `crm_bridge.emulators`."""

__all__ = ["MockCrm", "build"]
