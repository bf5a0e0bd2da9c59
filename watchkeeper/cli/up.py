"""`watchkeeper up`: the gateway, the watch and the console, under one command."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.settings import data_folder, load
from watchkeeper.app.up import Up
from watchkeeper.cli import demo as demo_command
from watchkeeper.cli import options, output
from watchkeeper.core.text import visible


@click.command()
@click.option("--demo", is_flag=True, help="Then run the demo's attacks, so that there is an incident to look at.")
@options.config
@options.data
@options.errors_told
def up(demo: bool, config: Path | None, data: Path | None) -> None:
    """Run Watchkeeper in front of your MCP servers, until Ctrl-C.

    Fronts the servers of the settings file; without any, real packaged ones. Everything listens on loopback.
    """
    loaded = load(config, data_folder(data))
    click.echo("Starting the gateway, the watch and the console …\n", err=True)
    with Up(loaded, demo=demo, told=lambda line: click.echo(visible(line, keep="\n"))) as running:
        output.text(running.summary())
        if demo:
            click.echo("\nThe demo's attacks, through the gateway that now runs:\n")
            report = running.exercise(demo_command.tell)
            click.echo(
                "\nAll of it was seen." if report.passed else "\nNot everything was seen: look at the lines marked ✗."
            )
            output.text(running.after_demo())
        click.echo("\nCtrl-C drains and stops.")
        running.wait()
    click.echo("Stopped. Nothing that was acknowledged is lost: `watchkeeper journal verify` says so.")
