"""The command `watchkeeper` and its groups."""

from __future__ import annotations

from importlib.metadata import version

import click

from watchkeeper.cli.clients import clients
from watchkeeper.cli.config import config
from watchkeeper.cli.console import console
from watchkeeper.cli.demo import demo
from watchkeeper.cli.events import events
from watchkeeper.cli.incidents import incidents
from watchkeeper.cli.journal import journal
from watchkeeper.cli.pins import pins
from watchkeeper.cli.quarantine import quarantine
from watchkeeper.cli.service import service
from watchkeeper.cli.up import up


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("watchkeeper"), prog_name="watchkeeper")
def main() -> None:
    """Watchkeeper: the security operations platform for MCP systems.

    `watchkeeper demo` shows an attack stopped, contained and proven; `watchkeeper up` runs it in front of your servers.

    Exit codes: 0 all well · 2 wrong usage · 65 bad input · 66 not found · 70 a service failed · 73 in use ·
    75 try again later · 76 did not verify · 77 denied · 78 settings. `journal verify` and `demo` have their own.
    """


for command in (clients, config, console, demo, events, incidents, journal, pins, quarantine, service, up):
    main.add_command(command)
