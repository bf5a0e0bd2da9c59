"""What `rules backtest` and `rules simulate` share: the past of an estate, and progress while it is read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from watchkeeper.app.lakes import search_in
from watchkeeper.app.settings import require_journal
from watchkeeper.cli import output
from watchkeeper.detect.proving.backtest import Backtest
from watchkeeper.detect.proving.past import Past, Tell


def past_of(folder: Path, since: int, until: int, tenant: str) -> Past:
    """Raises `NotFound` where nothing ever ran: an empty answer would pass for a quiet time."""
    require_journal(folder)
    return Past(search_in(folder), since, until, tenant)


@contextmanager
def progress() -> Iterator[Tell | None]:
    """A line that is written over, on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    yield lambda looked: click.echo(f"\r\x1b[K{looked:,} events", nl=False, err=True)
    click.echo("\r\x1b[K", nl=False, err=True)


LEFT_OUT = (
    "baselines and indicators of compromise are not among these: what they knew at the time is not kept, and with "
    "today's knowledge they answer another question; `watchkeeper intel retro` looks for indicators in the past"
)


def notes(past: Past, run: Backtest, *, is_of_all: bool) -> None:
    """What one must know to read the answer rightly; beside it. `is_of_all`: no rule was named."""
    if is_of_all:
        output.text(f"note: {LEFT_OUT}", err=True)
    if past.note and past.note != "there is no lake yet":
        output.text(f"note: {past.note}", err=True)
    if past.unreadable:
        output.text(f"note: {past.unreadable} records cannot be read any more (erased)", err=True)
    if run.late:
        output.text(f"note: {run.late} matches came out of order and were not correlated", err=True)
