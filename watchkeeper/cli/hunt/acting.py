"""`watchkeeper hunt escalate`: a row becomes an alert, and an incident of it."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import options, output
from watchkeeper.cli.hunt import asking
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.hunts.standing.changes import digest
from watchkeeper.detect.hunts.standing.model import LEVELS


@click.command()
@click.argument("name")
@click.option("--row", "number", type=click.IntRange(1), default=1, show_default=True, help="Which row of the result.")
@click.option("--level", type=click.Choice(LEVELS[1:]), default="high", show_default=True, help="Of the alert.")
@asking.parameters
@asking.since
@asking.until
@asking.tenant
@asking.folder
@options.data
@options.as_json
@options.errors_told
def escalate(
    name: str, number: int, level: str, words: tuple[str, ...], since: str, until: str, tenant: str,
    folders: tuple[Path, ...], data: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Run a hunt and make an alert of one of its rows; response opens an incident of it, as of any alert."""
    hunt = asking.hunt_called(name, data, folders)
    require_journal(data_folder(data))
    found = asking.answer_of(hunt, data, words, since, until, tenant)
    rows = list(found.records())
    if number > len(rows):
        raise Invalid(f"there is no row {number}", hint=f"the hunt found {len(rows)}")
    row = rows[number - 1]
    named = digest(row, dict(zip(found.columns, found.types, strict=True)))
    ask = Administration(data_folder(data))
    done = ask.call("hunts.escalate", hunt=name, row=row, digest=named, level=level, tenant=tenant)
    if as_json:
        output.as_json(done)
    else:
        output.text(f"raised the alert {done['alert']}; see `watchkeeper incidents list`")
