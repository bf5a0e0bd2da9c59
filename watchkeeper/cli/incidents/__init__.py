"""`watchkeeper incidents`: what happened, whose it is, what was done, what is left to do."""

from __future__ import annotations

import click

from watchkeeper.cli.incidents import arranging, bulk, deciding, reporting, seeing, writing


@click.group(short_help="Grouped alerts: their state, owner, tasks and timeline.")
def incidents() -> None:
    """Incidents: grouped alerts with their timeline, their playbook, and what people do about them.

    INCIDENT is a number such as INC-2026-0001, or an id.
    """


for command in (
    *seeing.COMMANDS,
    *deciding.COMMANDS,
    *writing.COMMANDS,
    *arranging.COMMANDS,
    *bulk.COMMANDS,
    *reporting.COMMANDS,
):
    incidents.add_command(command)
