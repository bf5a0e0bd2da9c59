"""`watchkeeper events export`: everything that a search finds, in one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.lakes import search_in
from watchkeeper.cli import options, output
from watchkeeper.cli.events.asking import asked_for, opened, options_of_a_search
from watchkeeper.events.search.export import export as write_export
from watchkeeper.events.search.formats import FORMATS


@click.command()
@options_of_a_search
@click.option("--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="Of the file.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file; a manifest lies beside it."
)
@click.option("--force", is_flag=True, help="Write over a file of that name.")
@options.data
@options.as_json
@options.errors_told
def export(
    query: tuple[str, ...], form: str, out: Path, force: bool, data: Path | None, as_json: bool, **chosen: Any
) -> None:
    """Write everything that a search finds into one file, however much it is.

    The file is there whole or not at all. Beside it lies FILE.manifest.json: the query, the range, how many events,
    the SHA-256, and up to where each log was read. CSV is for spreadsheets: cells that one would calculate get an
    apostrophe. JSON lines and Parquet hold the exact values; Parquet has the columns of the lake's schema.
    """
    folder, now = opened(data)
    asked = asked_for(query, now, **chosen)
    shows_progress = sys.stderr.isatty() and not as_json

    def progress(done: int) -> None:
        if shows_progress:
            click.echo(f"\r{done:,} events", nl=False, err=True)

    manifest = write_export(
        search_in(folder), asked.filter, out, form=form, query=asked.text, now=now, force=force, progress=progress
    )
    if shows_progress:
        click.echo("\r", nl=False, err=True)
    if as_json:
        output.as_json(manifest)
        return
    output.text(f"wrote {manifest.events:,} events to {out} ({manifest.bytes:,} bytes)\nsha256 {manifest.sha256}")
    if manifest.unreadable:
        click.echo(f"note: {manifest.unreadable} records cannot be read any more (erased)", err=True)
    if manifest.note:
        output.text(f"note: {manifest.note}", err=True)
