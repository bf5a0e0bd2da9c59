"""`watchkeeper hunt run` and `hunt test`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import options, output
from watchkeeper.cli.hunt import asking
from watchkeeper.cli.querying import answer, options_of_a_query
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.hunts.loading import find
from watchkeeper.detect.hunts.own import known_hunts
from watchkeeper.detect.hunts.parameters import from_words
from watchkeeper.detect.hunts.pivots import pivots, timeline
from watchkeeper.detect.hunts.trials import test_hunt
from watchkeeper.events.lake.sql.model import Answer


@click.command()
@click.argument("name")
@click.option("--pivots", "row", type=click.IntRange(1), metavar="ROW", help="Also the ways on from this row.")
@click.option("--timeline", "in_order", is_flag=True, help="Also the result as it happened, moment by moment.")
@asking.parameters
@asking.since
@asking.until
@asking.tenant
@asking.folder
@options.data
@options.as_json
@options.errors_told
@options_of_a_query
def run(
    name: str, row: int | None, in_order: bool, words: tuple[str, ...], since: str, until: str, tenant: str,
    folders: tuple[Path, ...], data: Path | None, asked: Any, **_: Any,
) -> None:  # fmt: skip
    """Run one hunt over the lake and the journal's newest."""
    hunt = asking.hunt_called(name, data, folders)
    lake, prepared = asking.prepared_of(hunt, data, words, since, until, tenant)
    given = from_words(hunt, words)
    for key, one in hunt.parameters.items():
        if key not in given and not asked.only_plan:
            output.text(f"note: {key} is {asking.shown(one.default)}; --param {key}=… says another", err=True)
    require_journal(data_folder(data))
    found = answer(lake, prepared, asked)
    if found is not None and row is not None:
        _tell_pivots(found, row)
    if found is not None and in_order:
        _tell_timeline(found)


@click.command()
@click.argument("names", nargs=-1)
@asking.folder
@options.data
@options.as_json
@options.errors_told
def test(names: tuple[str, ...], folders: tuple[Path, ...], data: Path | None, as_json: bool) -> None:
    """Run the tests inside of hunts: events given, rows expected, on the real engine.

    Exit code 65 when one fails.
    """
    found = known_hunts(data_folder(data), folders)
    chosen = [find(found, name) for name in names] or list(found.values())
    wrong = {hunt.name: test_hunt(hunt) for hunt in chosen}
    if as_json:
        output.lines([{"hunt": name, "wrong": faults} for name, faults in wrong.items()])
    else:
        for name, faults in wrong.items():
            output.text("\n".join([f"{'FAIL' if faults else 'ok  '} {name}", *(f"     {fault}" for fault in faults)]))
    failed = [name for name, faults in wrong.items() if faults]
    if failed:
        raise Invalid(f"{len(failed)} of {len(wrong)} hunts fail their tests: {', '.join(failed)}")


def _tell_pivots(found: Answer, number: int) -> None:
    rows = list(found.records())
    if number > len(rows):
        raise Invalid(f"there is no row {number}", hint=f"the hunt found {len(rows)}")
    ways = pivots(rows[number - 1], dict(zip(found.columns, found.types, strict=True)))
    output.text(f"\nFrom row {number}" if ways else f"\nRow {number} leads nowhere: it names no one and no moment.")
    for way in ways:
        output.text(f"  {way.says}: {way.value}\n    {way.command}")


def _tell_timeline(found: Answer) -> None:
    moments = timeline(list(found.records()), dict(zip(found.columns, found.types, strict=True)))
    if not moments:
        output.text("\nThe result has no moments, so there is no order to tell.")
        return
    output.text("\nAs it happened")
    for moment, name, row in moments:
        rest = "  ".join(str(value) for key, value in row.items() if key != name and isinstance(value, str) and value)
        output.text(f"  {moment[:-4]}Z  {name:12} {rest}")
