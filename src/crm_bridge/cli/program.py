"""The commands under one name. Each is imported when it is asked for: a worker does not pay for the web server."""

from __future__ import annotations

from importlib import import_module

import click

from crm_bridge import __version__
from crm_bridge.cli.edge import Group

_COMMANDS = {
    "demo": "crm_bridge.cli.demo",
    "up": "crm_bridge.cli.up",
    "web": "crm_bridge.cli.web",
    "worker": "crm_bridge.cli.worker",
    "db": "crm_bridge.cli.database",
    "check": "crm_bridge.cli.check",
    "doctor": "crm_bridge.cli.doctor",
    "setup": "crm_bridge.cli.setup",
    "adapters": "crm_bridge.cli.adapters",
    "emulate": "crm_bridge.cli.emulate",
    "prove": "crm_bridge.cli.prove",
    "new-adapter": "crm_bridge.cli.new_adapter",
}


class Commands(Group):
    """A group that knows its commands by name and imports the one that runs."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[name]), name.replace("-", "_"))
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="crm-bridge")
def main() -> None:
    """Reply drafts inside the CRM: decided by a named person, sent at most once."""
