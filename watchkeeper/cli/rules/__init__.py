"""`watchkeeper rules`: what detection asks of events. One module a command, loaded when it is called."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "backtest": "backtesting",
    "coverage": "covering",
    "disable": "disabling",
    "enable": "enabling",
    "eval": "evaluating",
    "lint": "linting",
    "list": "listing",
    "show": "showing",
    "simulate": "simulating",
    "states": "standings",
    "test": "testing",
}
"""Name of a command, and the module here that has it as `command`."""


class Commands(click.Group):
    """Loads the command that is asked for: the rule engine takes a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = import_module(f"watchkeeper.cli.rules.{module}").command
        return command


@click.group(cls=Commands)
def rules() -> None:
    """Detection rules: list, show, check, run them over events."""
