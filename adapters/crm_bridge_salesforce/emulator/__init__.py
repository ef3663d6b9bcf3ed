"""An emulated Salesforce org: REST API, SOQL, tokens, limits, outbound messages and what the package's Apex does."""

from crm_bridge_salesforce.emulator.handle import SalesforceCrm

build = SalesforceCrm
"""The entry point of the group `crm_bridge.emulators`."""

__all__ = ["SalesforceCrm", "build"]
