"""`watchkeeper events`: every fact of the estate, searched while the service runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import options, output
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Invalid
from watchkeeper.events import Event
from watchkeeper.events.lake.filters import parse_time
from watchkeeper.events.lake.search import Search

NO_LAKE = "there is no lake yet"
OUTCOMES = ("allow", "modify", "ask", "deny", "success", "failure")


@click.group()
def events() -> None:
    """Recorded events."""


@events.command()
@click.argument("text", required=False, default="")
@click.option(
    "--since", default="24h", show_default=True, help="A time (2026-11-22T16:00Z), an age (15m, 24h, 7d), or `all`."
)
@click.option("--until", default="", help="The same; default: now.")
@click.option("--kind", default="", help="A kind, or the beginning of one: gateway.request.")
@click.option("--server", default="", help="The server's name.")
@click.option("--actor", default="", help="The principal: agent:NAME.")
@click.option("--target", default="", help="The tool, prompt, resource or order.")
@click.option("--outcome", default="", type=click.Choice(["", *OUTCOMES]), metavar="OUTCOME", help=", ".join(OUTCOMES))
@click.option("--tenant", default="default", show_default=True, help="Whose events.")
@click.option("--label", "labels", multiple=True, help="Such as exercise or shadow; may be repeated.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@options.data
@options.as_json
@options.errors_told
def search(text: str, since: str, until: str, data: Path | None, as_json: bool, **filters: Any) -> None:
    """Search events, newest first; TEXT is looked for in arguments, results and reasons.

    `--json` prints one event a line.
    """
    folder, now = data_folder(data), SystemClock().now()
    begin = None if since == "all" else parse_time(since, now)
    end = parse_time(until, now) if until else None
    if begin is not None and end is not None and begin >= end:
        raise Invalid(f"the range ends before it begins: {since} until {until}", hint="exchange --since and --until")
    require_journal(folder)
    found = Search(folder).events(since=begin, until=end, unbounded=since == "all", text=text, **filters)
    if found.note and found.note != NO_LAKE:
        click.echo(f"note: {found.note}; the journal answered alone", err=True)
    if found.unreadable:
        click.echo(f"note: {found.unreadable} records cannot be read any more (erased)", err=True)
    if as_json:
        output.lines(found.events)
        return
    output.table(
        ["time", "event", "kind", "actor", "server", "target", "outcome", "reason"],
        [_row(event) for event in found.events],
        empty=_nothing(since, until),
        below=("event", "reason"),
    )
    if found.is_cut:
        click.echo(f"\nThe first {len(found.events)} only; narrow the search, or raise --limit.", err=True)


@events.command()
@click.argument("event_id")
@options.data
@options.as_json
@options.errors_told
def show(event_id: str, data: Path | None, as_json: bool) -> None:
    """Show one event in full, and where the journal keeps it."""
    folder = data_folder(data)
    require_journal(folder)
    position, event = Search(folder).find(event_id)
    if as_json:
        output.as_json({"writer": position.writer, "index": position.index, "event": event})
        return
    output.text(f"entry {position.index} of the log {position.writer}, {output.moment(event.time)}")
    output.as_json(event)


def _nothing(since: str, until: str) -> str:
    if since == "all":
        return "Nothing matches."
    return f"Nothing matches in this range ({since} until {until or 'now'}). Widen it with --since 7d, or --since all."


def _row(event: Event) -> list[str]:
    reason = str(event.body.get("reason") or event.body.get("title") or "")
    return [
        output.moment(event.time),
        event.id,
        event.kind,
        event.actor or "-",
        event.server or "-",
        event.target or "-",
        event.outcome or "-",
        reason,
    ]
