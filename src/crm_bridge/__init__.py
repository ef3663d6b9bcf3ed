"""crm_bridge: reply drafts inside the CRM, decided by a named person, sent at most once."""

__version__ = "0.1.0"
