"""The commands under one name."""

from __future__ import annotations

import click

from crm_bridge import __version__
from crm_bridge.cli.adapters import adapters
from crm_bridge.cli.check import check
from crm_bridge.cli.database import db
from crm_bridge.cli.demo import demo
from crm_bridge.cli.edge import Group
from crm_bridge.cli.serve import up, web, worker


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="crm-bridge")
def main() -> None:
    """Reply drafts inside the CRM: decided by a named person, sent at most once."""


for _command in (demo, up, web, worker, db, check, adapters):
    main.add_command(_command)
