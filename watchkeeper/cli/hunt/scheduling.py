"""`watchkeeper hunt schedule`, `hunt unschedule` and `hunt history`: hunts that the watch runs by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import data_folder
from watchkeeper.cli import options, output
from watchkeeper.cli.hunt import asking
from watchkeeper.core.clock import SECOND
from watchkeeper.detect.hunts.parameters import from_words, values
from watchkeeper.detect.hunts.standing.model import LEVELS, Run, Schedule, period


@click.command()
@click.argument("name")
@click.option("--every", default="1h", show_default=True, metavar="PERIOD", help="From one minute to 31 days.")
@click.option(
    "--range", "span", default="", metavar="AGE", help="How far back each run looks. Default: as the hunt says."
)
@click.option("--alert", type=click.Choice(LEVELS[1:]), help="Raise an alert of this level for each row that is new.")
@asking.parameters
@asking.tenant
@options.data
@options.as_json
@options.errors_told
def schedule(
    name: str, every: str, span: str, alert: str | None, words: tuple[str, ...], tenant: str, data: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Let the watch run a hunt again and again, keep each result, and say what is new in it.

    The first result is what is known; with --alert, what is new after it raises alerts.
    """
    hunt = asking.hunt_called(name, data)
    given = from_words(hunt, words)
    values(hunt, given)
    wanted = Schedule(hunt=name, tenant=tenant, every=period(every), parameters=given, range=span, alert=alert or "")
    done = Administration(data_folder(data)).call("hunts.schedule", schedule=msgspec.to_builtins(wanted))
    if as_json:
        output.as_json(done)
        return
    raises = f"; each new row raises an alert ({alert})" if alert else "; nobody is told of new rows (--alert)"
    output.text(f"{name} runs every {every} while the watch runs{raises}")


@click.command()
@click.argument("name")
@asking.tenant
@options.data
@options.errors_told
def unschedule(name: str, tenant: str, data: Path | None) -> None:
    """Let the watch run a hunt no more. Its history stays."""
    Administration(data_folder(data)).call("hunts.unschedule", hunt=name, tenant=tenant)
    output.text(f"{name} is not scheduled any more")


@click.command()
@click.argument("name", default="")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100), help="Runs at most.")
@asking.tenant
@options.data
@options.as_json
@options.errors_told
def history(name: str, limit: int, tenant: str, data: Path | None, as_json: bool) -> None:
    """Show what is scheduled, and the newest runs: how many rows, how many of them new, and what failed.

    With a NAME, its newest result, too.
    """
    ask = Administration(data_folder(data))
    schedules = [one for one in ask.call("hunts.schedules") if name in ("", one["hunt"]) and one["tenant"] == tenant]
    runs = [msgspec.convert(one, Run) for one in ask.call("hunts.runs", hunt=name, tenant=tenant, limit=limit)]
    if name and not schedules and not runs:
        asking.hunt_called(name, data)  # a hunt that is gone may have a history; one that never was has none
    if as_json:
        output.as_json({"schedules": schedules, "runs": runs})
        return
    output.table(
        ["hunt", "every", "alert", "last run", "next"],
        [[one["hunt"], _every(one["every"]), one["alert"] or "none", output.moment(one["last_at"]),
          output.moment(one["next_at"])] for one in schedules],
        empty="Nothing is scheduled. `watchkeeper hunt schedule NAME` lets the watch run a hunt by itself.",
    )  # fmt: skip
    if runs:
        click.echo()
        output.table(["run", "hunt", "rows", "new", "gone", "note"], [_row(run) for run in runs], empty="")
    if name and runs and not runs[0].failure:
        click.echo()
        _tell_result(runs[0])


def _row(run: Run) -> list[object]:
    if run.failure:
        return [output.moment(run.at), run.hunt, "-", "-", "-", f"FAILED: {run.failure}"]
    note = "the first result" if run.is_first else "cut" if run.is_cut else ""
    return [output.moment(run.at), run.hunt, run.rows, run.new, run.gone, note]


def _tell_result(run: Run) -> None:
    rows = [["new" if at in run.news else "", *map(_cell, row)] for at, row in enumerate(run.sample)]
    output.table(["", *run.columns], rows, empty="The newest run found nothing.")
    if run.rows > len(run.sample):
        output.text(f"The first {len(run.sample)} of {run.rows} rows.")


def _cell(value: Any) -> str:
    return "-" if value is None else ", ".join(value) if isinstance(value, list) else str(value)


def _every(microseconds: int) -> str:
    seconds = microseconds // SECOND
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
