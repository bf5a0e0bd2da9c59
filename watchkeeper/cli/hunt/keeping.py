"""`watchkeeper hunt save` and `hunt remove`: hunts of one's own, kept beside the data."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import data_folder
from watchkeeper.cli import options, output
from watchkeeper.core.errors import Invalid


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Write over one that is saved already.")
@options.data
@options.errors_told
def save(file: Path, force: bool, data: Path | None) -> None:
    """Keep a hunt of your own, so that it can be run by its name, and scheduled.

    FILE is called as the hunt is. It is taken once its query may run and its own tests (20 at most, five seconds each)
    pass. That it was saved goes into the journal, with who did it.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}", hint="check its mode; save it as UTF-8") from error
    done = Administration(data_folder(data)).call("hunts.save", name=file.stem, text=text, force=force)
    output.text(f"saved {done['hunt']}; run it: watchkeeper hunt run {done['hunt']}")


@click.command()
@click.argument("name")
@options.data
@options.errors_told
def remove(name: str, data: Path | None) -> None:
    """Forget a hunt of your own. Its schedule, if it has one, ends with it; the history stays."""
    done = Administration(data_folder(data)).call("hunts.remove", hunt=name)
    output.text(f"removed {name}" + (", and it is not scheduled any more" if done["schedules"] else ""))
