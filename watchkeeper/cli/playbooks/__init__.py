"""`watchkeeper playbooks`: what is done about incidents, what would be, and what waits for a person."""

from __future__ import annotations

import click

from watchkeeper.cli.playbooks import deciding, proving, running, seeing, trading


@click.group(short_help="What is done about incidents, and what waits for you.")
def playbooks() -> None:
    """Playbooks: what is done about incidents, step by step; their runs, and the decisions that wait for a person.

    Calls of agents that wait for a person are another inbox: `watchkeeper approvals`.
    """


for command in (*seeing.COMMANDS, *proving.COMMANDS, *running.COMMANDS, *deciding.COMMANDS, *trading.COMMANDS):
    playbooks.add_command(command)
