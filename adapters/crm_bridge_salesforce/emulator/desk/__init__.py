"""The agents' pages of the emulated org, with the package's component on the case page. `desk_pages` mounts them."""

from crm_bridge_salesforce.emulator.desk.pages import desk_pages, lightning_links

__all__ = ["desk_pages", "lightning_links"]
