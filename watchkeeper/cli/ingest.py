"""`watchkeeper ingest`: facts from elsewhere, by hand or as the running watch takes them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.ingesting import import_file, ingest_status, preview_file
from watchkeeper.app.settings import data_folder
from watchkeeper.cli import options, output
from watchkeeper.core.errors import Invalid
from watchkeeper.events.ingest import SourceSettings, Tally
from watchkeeper.events.ingest.formats import ABOUT
from watchkeeper.events.ingest.formats.mapping import read_mapping

_SHOWN = 3


@click.group()
def ingest() -> None:
    """Records of other systems, taken into the journal.

    They are marked as theirs (label `ingested`), pass the same inspectors and rules, and are never taken for decisions
    of this gateway. The watch follows files and takes OTLP, OCSF and JSON lines over HTTP: see `[ingest]` in the
    settings.
    """


@ingest.command("file")
@click.argument("path", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--format", "form", required=True, type=click.Choice(sorted(ABOUT)), help="What wrote it.")
@click.option("--mapping", default="", help="The mapping file of `jsonl`.")
@click.option("--source", default="", help="Its name in events; default: the format's name.")
@click.option("--server", default="", help="The server's name where a record does not say one.")
@click.option("--tenant", default="default", show_default=True, help="Whose events they are.")
@click.option("--dry-run", is_flag=True, help="Say what would be recorded, and record nothing.")
@options.data
@options.as_json
@options.errors_told
def take_file(path: Path, form: Any, data: Path | None, dry_run: bool, as_json: bool, **given: str) -> None:
    """Take in the file PATH (plain, gzip or zstd; - is standard input).

    The same records twice are recorded once. Exit code 65 when not one could be read.
    """
    source = SourceSettings(format=form, mapping=given["mapping"], tenant=given["tenant"], server=given["server"])
    name = given["source"] or form
    events: list[Any] = []
    if dry_run:
        tally, events = preview_file(path, name, source, most=_SHOWN)
    else:
        tally = import_file(data_folder(data), path, name, source, told=_progress(as_json))
    if as_json:
        output.as_json({"tally": tally, "events": events, "recorded": not dry_run})
    else:
        _say(tally, dry_run)
        for event in events:
            output.as_json(event)
    if not tally.taken and not tally.doubled and tally.refused:
        raise Invalid(f"nothing of {path} could be read as {form}", hint="see `watchkeeper ingest formats`")


@ingest.command()
@options.as_json
def formats(as_json: bool) -> None:
    """List the formats."""
    if as_json:
        output.as_json(ABOUT)
        return
    output.table(["format", "what it is"], list(ABOUT.items()), empty="")


@ingest.command()
@click.argument("mapping", type=click.Path(path_type=Path))
@options.as_json
@options.errors_told
def check(mapping: Path, as_json: bool) -> None:
    """Check the mapping file MAPPING, its own tests included."""
    read_mapping(mapping)
    if as_json:
        output.as_json({"ok": True, "mapping": str(mapping)})
        return
    click.echo(f"{mapping} is a mapping, and its tests pass.")


@ingest.command()
@options.data
@options.as_json
@options.errors_told
def status(data: Path | None, as_json: bool) -> None:
    """Show what became of each source's records since the watch began."""
    told = ingest_status(data_folder(data))
    if as_json:
        output.as_json(told)
        return
    rows = [
        [one["name"], one["format"], one["where"], *_counts(one["tally"]), one["failure"] or "-"]
        for one in told["sources"]
    ]
    output.table(
        ["source", "format", "where", "taken", "flagged", "doubled", "passed over", "refused", "failure"],
        rows,
        empty="No source is set. Name one in the settings: [ingest.sources], see docs/guides/ingest.md; or take a file "
        "in with `watchkeeper ingest file`.",
    )


def _counts(tally: dict[str, Any]) -> list[object]:
    refused = tally["refused"]
    return [
        *(tally[name] for name in ("taken", "flagged", "doubled", "passed_over")),
        f"{sum(refused.values())} ({', '.join(refused)})" if refused else 0,
    ]


def _say(tally: Tally, dry_run: bool) -> None:
    verb = "would be recorded" if dry_run else "recorded"
    click.echo(
        f"{tally.taken} {verb}, {tally.flagged} of them with findings; {tally.doubled} told before; "
        f"{tally.passed_over} passed over (no MCP in them); {sum(tally.refused.values())} refused."
    )
    for why, count in sorted(tally.refused.items()):
        output.text(f"  refused: {count} times {why}")


def _progress(as_json: bool) -> Any:
    shown = time.monotonic()

    def told(at: int, size: int, tally: Tally) -> None:
        nonlocal shown
        if as_json or time.monotonic() - shown < 1 or not sys.stderr.isatty():
            return
        shown = time.monotonic()
        share = f"{100 * at // size} %, " if size else ""
        click.echo(f"\r{share}{tally.taken} events", nl=False, err=True)

    return told
