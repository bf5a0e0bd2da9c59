"""`watchkeeper console link`: how an operator enters the console."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output


@click.group()
def console() -> None:
    """The console of a running `watchkeeper up`."""


@console.command()
@click.option("--name", default="", help="The operator's name. Default: the name of the user who asks.")
@options.data
@options.as_json
@options.errors_told
def link(name: str, data: Path | None, as_json: bool) -> None:
    """Make a link that lets one browser in, once, within 15 minutes."""
    made = Administration.at(data).call("console.link", name=name)
    if as_json:
        output.as_json(made)
    else:
        click.echo(made["url"])
