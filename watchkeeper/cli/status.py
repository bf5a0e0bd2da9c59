"""`watchkeeper status`: what runs on a data folder, and how it stands."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from watchkeeper.app.settings import data_folder
from watchkeeper.app.standing import is_well, standing
from watchkeeper.cli import options, output
from watchkeeper.core.text import visible


@click.command()
@options.data
@options.as_json
@options.errors_told
def status(data: Path | None, as_json: bool) -> None:
    """Say which services run on the data folder, and how they stand.

    Exit code 0 if all of them run and are well, else 1.
    """
    folder = data_folder(data)
    rows = standing(folder)
    if as_json:
        output.as_json({"data": folder, "well": is_well(rows), "services": rows})
    else:
        output.text(f"data folder {folder}")
        for row in rows:
            click.echo(f"  {row['service']:8} {row['state']:10} {visible(row['detail'])}".rstrip())
        if not is_well(rows):
            click.echo("\n`watchkeeper up` starts what is stopped; the logs lie in the data folder, in logs/.")
    sys.exit(0 if is_well(rows) else 1)
