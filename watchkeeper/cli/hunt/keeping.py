"""`watchkeeper hunt save` and `hunt remove`: hunts of one's own, kept beside the data."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.settings import data_folder
from watchkeeper.cli import options, output
from watchkeeper.detect.hunts import own


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Write over one that is saved already.")
@options.data
@options.errors_told
def save(file: Path, force: bool, data: Path | None) -> None:
    """Keep a hunt of your own, so that it can be run by its name, and scheduled.

    FILE is called as the hunt is. It is taken once its query may run and its own tests pass.
    """
    hunt = own.save(data_folder(data), file, force=force)
    output.text(f"saved {hunt.name}; run it: watchkeeper hunt run {hunt.name}")


@click.command()
@click.argument("name")
@options.data
@options.errors_told
def remove(name: str, data: Path | None) -> None:
    """Forget a hunt of your own. Its schedule, if it has one, ends with a failure that says so."""
    own.remove(data_folder(data), name)
    output.text(f"removed {name}")
