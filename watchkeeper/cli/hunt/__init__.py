"""`watchkeeper hunt`: questions to the lake that come with their reasons and their tests. One module a few commands."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "draft-rule": ("drafting", "draft_rule"),
    "escalate": ("acting", "escalate"),
    "history": ("scheduling", "history"),
    "list": ("showing", "list_"),
    "remove": ("keeping", "remove"),
    "run": ("running", "run"),
    "save": ("keeping", "save"),
    "schedule": ("scheduling", "schedule"),
    "show": ("showing", "show"),
    "test": ("running", "test"),
    "unschedule": ("scheduling", "unschedule"),
}
"""Name of a command, the module here, and what it is called there."""


class Commands(click.Group):
    """Loads the command that is asked for: the lake's engine takes a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"watchkeeper.cli.hunt.{module}"), name)
        return command


@click.group(cls=Commands, short_help="Questions to the lake: run, schedule, follow up.")
def hunt() -> None:
    """Hunts: list, run, schedule, and make incidents or rules of what they find."""
