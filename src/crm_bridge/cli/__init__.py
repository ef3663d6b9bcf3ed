"""The command line. Each command has its own module; `edge` turns errors into words and exit codes."""

from crm_bridge.cli.program import main

__all__ = ["main"]
