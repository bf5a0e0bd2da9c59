"""`watchkeeper scan`: what our inspectors think of what a server shows, before anybody uses it."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.cases import judged
from watchkeeper.app.scanning import assessor
from watchkeeper.cli import options, output


@click.command()
@click.option(
    "--cases",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    metavar="FILE.jsonl[.gz]",
    help="Judge labelled records instead, one JSON line each: for scoring. Labels are not looked at.",
)
@options.errors_told
def scan(cases: Path) -> None:
    """Judge definitions and texts as the gateway would, without running anything.

    Exit code 0 when everything was judged.
    """
    for answer in judged(cases, assessor()):
        output.lines([answer])
