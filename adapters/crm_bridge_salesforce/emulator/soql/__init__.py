"""SOQL as far as the emulator speaks it: `parse` makes a tree of a statement, `Evaluation` finds the rows it means."""

from crm_bridge_salesforce.emulator.soql.evaluate import Evaluation
from crm_bridge_salesforce.emulator.soql.lexer import malformed
from crm_bridge_salesforce.emulator.soql.parser import parse

__all__ = ["Evaluation", "malformed", "parse"]
