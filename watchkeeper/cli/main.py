"""The command `watchkeeper` and its groups, each loaded when it is called: help must not wait for engines."""

from __future__ import annotations

import gc
from importlib import import_module
from importlib.metadata import version

import click

COMMANDS = (
    "alerts",
    "approvals",
    "baselines",
    "clients",
    "config",
    "console",
    "deadman",
    "demo",
    "events",
    "exercise",
    "gateway",
    "grants",
    "hunt",
    "incidents",
    "ingest",
    "integrations",
    "intel",
    "journal",
    "lake",
    "limits",
    "oncall",
    "operators",
    "pins",
    "playbooks",
    "policy",
    "privacy",
    "quarantine",
    "reload",
    "revocations",
    "rules",
    "scan",
    "service",
    "sessions",
    "sinks",
    "status",
    "up",
    "wrap",
)
"""Module in this package and name of the command in it."""


_OLDER = {"hunts": "hunt"}
"""A name that a command had before, and still answers to."""


class Commands(click.Group):
    """Knows its commands by name and loads the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = _OLDER.get(cmd_name, cmd_name)
        if cmd_name not in COMMANDS:
            return None
        gc.disable()  # what an import makes stays: looking through it again and again is a tenth of the start
        try:
            command: click.Command = getattr(import_module(f"watchkeeper.cli.{cmd_name}"), cmd_name)
        finally:
            gc.enable()
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("watchkeeper"), prog_name="watchkeeper")
def main() -> None:
    """Watchkeeper: the security operations platform for MCP systems.

    `watchkeeper demo` shows an attack stopped, contained and proven; `watchkeeper up` runs it in front of your servers.

    Exit codes: 0 all well · 2 wrong usage · 65 bad input · 66 not found · 70 a service failed · 73 in use ·
    75 try again later · 76 did not verify · 77 denied · 78 settings. `journal verify` and `demo` have their own.
    """
