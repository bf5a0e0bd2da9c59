"""`watchkeeper events search`: the matching events, newest first, a page at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.lakes import search_in
from watchkeeper.cli import options, output
from watchkeeper.cli.events.asking import asked_for, nothing, opened, options_of_a_search
from watchkeeper.events import Event
from watchkeeper.events.lake.search import NO_LAKE, Found

HEADINGS = ["time", "event", "kind", "actor", "server", "target", "outcome", "reason"]


@click.command()
@options_of_a_search
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@click.option("--after", default="", metavar="CURSOR", help="The next page: the cursor that the one before ended with.")
@click.option("--oldest-first", is_flag=True, help="In the order in which things happened.")
@click.option("--link", is_flag=True, help="Also print the search with absolute times, as a page of the console.")
@options.data
@options.as_json
@options.errors_told
def search(
    query: tuple[str, ...],
    limit: int,
    after: str,
    oldest_first: bool,
    link: bool,
    data: Path | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Search events, newest first.

    QUERY is words and fields, which must all hold:

    \b
      secret "two words"          anywhere: arguments, results, reasons, names
      server:git tool:create_*    fields; * stands for anything
      outcome:deny,ask            one of several
      severity:>=high  duration:>100ms  status:>=400
      -label:exercise             not; also NOT, OR, (brackets)
      session:*                   has a session
      finding:secret  body.route:all    members of the event's body
      after:2026-11-22T16:00Z before:1h

    Fields: kind, server, tool (target), actor, claimed, outcome, severity, method, label, rule, reason, status,
    duration, era, trace, session, finding, approval, incident, principal, event, arguments, result, id, writer.
    A query that begins with - goes behind `--`. `--json` prints one event a line.
    """
    folder, now = opened(data)
    asked = asked_for(query, now, **chosen)
    found = search_in(folder).events(
        since=asked.since,
        until=asked.until,
        unbounded=True,
        limit=limit,
        after=after,
        newest_first=not oldest_first,
        tenant=asked.filter.tenant,
        where=asked.whole,
    )
    notes(found.note, found.unreadable)
    if as_json:
        output.lines(found.events)
    else:
        rows = [row(event, now) for event in found.events]
        output.table(HEADINGS, rows, empty=nothing(chosen, is_everything=not asked.text), below=("event", "reason"))
    _ending(found)
    if link:
        output.text(f"\nthe same search in the console: /events?{asked.link(now)}", err=True)


def notes(note: str, unreadable: int) -> None:
    """What one must know of a search, beside what programs read."""
    if note and note != NO_LAKE:
        output.text(f"note: {note}", err=True)
    if unreadable:
        click.echo(f"note: {unreadable} records cannot be read (erased, or corrupt)", err=True)


def row(event: Event, now: int) -> list[str]:
    """One line of the table; what claims to be later than now is marked."""
    reason = str(event.body.get("reason") or event.body.get("title") or "")
    return [
        output.moment(event.time) + (" (future)" if event.time > now else ""),
        event.id,
        event.kind,
        event.actor or "-",
        event.server or "-",
        event.target or method(event) or "-",
        event.outcome or "-",
        reason,
    ]


def method(event: Event) -> str:
    """What was asked for where nothing has a name, in brackets: a list, a ping."""
    said = event.body.get("method")
    return f"({said})" if isinstance(said, str) and said else ""


def _ending(found: Found) -> None:
    if found.is_cut:
        click.echo(
            f"\nThe first {len(found.events)} only; narrow the search, raise --limit, or go on: --after {found.next}",
            err=True,
        )
