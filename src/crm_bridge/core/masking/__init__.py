"""Masking: structured identifiers and everything the CRM knows of the customer, reversibly per case. Pure."""

from crm_bridge.core.masking.cards import find_cards
from crm_bridge.core.masking.context import MaskedContext, MaskedMessage, mask
from crm_bridge.core.masking.tokens import Unmasking

__all__ = ["MaskedContext", "MaskedMessage", "Unmasking", "find_cards", "mask"]
