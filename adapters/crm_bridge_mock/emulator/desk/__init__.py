"""The agent's desk: the embedded CRM in a browser. `desk_pages` mounts it on any Flask app."""

from crm_bridge_mock.emulator.desk.pages import Desk, desk_pages, not_found

__all__ = ["Desk", "desk_pages", "not_found"]
