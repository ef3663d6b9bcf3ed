"""The edge of the process: errors become one sentence on stderr and an exit code, never a traceback.

0 fine, 1 found something wrong (said in words), 2 wrong usage or config.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import click

from crm_bridge.contract import InvalidConfig
from crm_bridge.settings import CONFIG_VARIABLE, DEFAULT_FILE, Settings, load_settings
from crm_bridge.store.database import StoreUnavailable
from crm_bridge.store.embedded import EmbeddedDatabaseError
from crm_bridge.store.migrate import SchemaOutdated
from crm_bridge.telemetry import configure_logging

WRONG = 1
MISCONFIGURED = 2

config_option = click.option(
    "--config",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file; else $CRM_BRIDGE_CONFIG, else config/crm-bridge.toml, else the demo's defaults.",
)
port_option = click.option("--port", type=click.IntRange(1, 65535), help="Listen here instead of the configured port.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


class Group(click.Group):
    """A group whose commands fail in words."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except InvalidConfig as error:
            raise _Misconfigured(f"configuration: {error}") from error
        except (EmbeddedDatabaseError, SchemaOutdated) as error:
            raise _Wrong(str(error)) from error
        except StoreUnavailable as error:
            raise _Wrong(f"the database cannot be used: {error}; see database_url") from error
        except OSError as error:
            raise _Wrong(f"{error.strerror or error}: {error.filename or 'see above'}") from error


class _Wrong(click.ClickException):
    """Something is wrong, said in one sentence."""

    exit_code = WRONG


class _Misconfigured(click.ClickException):
    """Wrong usage or config, said in one sentence."""

    exit_code = MISCONFIGURED


def loaded(config: Path | None) -> Settings:
    """The settings of a command, with logging set up as they say. Raises `InvalidConfig`."""
    settings = load_settings(config, os.environ)
    configure_logging(settings.log_format)
    return settings


def loaded_for_a_person(config: Path | None) -> Settings:
    """The same for a command that talks to a person: it says which file it found, and logs only what is wrong."""
    settings = load_settings(config, os.environ)
    configure_logging(settings.log_format, level=logging.WARNING)
    if config is None:
        click.echo(which_configuration(settings), err=True)
    return settings


def which_configuration(settings: Settings) -> str:
    """What a command that was given no file goes by."""
    if settings.demo:
        return f"No configuration file was found ({CONFIG_VARIABLE}, {DEFAULT_FILE}): the demo's defaults apply."
    return f"The configuration is {os.environ.get(CONFIG_VARIABLE) or DEFAULT_FILE}."
