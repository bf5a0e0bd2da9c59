"""`watchkeeper events tail`: the matching events as they are recorded."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.cli import options, output
from watchkeeper.cli.events.asking import asked_for, opened, options_of_following
from watchkeeper.cli.events.search import row
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.signals import Wish
from watchkeeper.events.lake.search import NO_LAKE
from watchkeeper.events.search.following import Follower, Heard


@click.command()
@options_of_following
@click.option("--count", "most", default=0, type=click.IntRange(0), help="End after so many; default: with Ctrl-C.")
@options.data
@options.as_json
@options.errors_told
def tail(
    query: tuple[str, ...], most: int, data: Path | None, as_json: bool, since: str, until: str, **chosen: Any
) -> None:
    """Follow events as they are recorded; with `--since`, first what is there already.

    Goes on when services restart and logs begin new files. What nobody can read is counted on standard error. Ends
    with Ctrl-C, and when whoever reads the output has seen enough. `--json` prints one event a line.
    """
    folder, now = opened(data)
    asked = asked_for(query, now, since=since or "all", until=until, **chosen)
    begins_at_end = not since and asked.since is None
    stop = Wish()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    follower = Follower(folder, msgspec.structs.replace(asked.filter), from_the_end=begins_at_end)
    if begins_at_end and not as_json:
        output.text(f"following {asked.text or 'everything'}; Ctrl-C ends", err=True)
    shown = 0
    try:
        for heard in follower.heard(stop):
            shown += _tell(heard, most - shown if most else None, as_json=as_json)
            if most and shown >= most:
                break
    finally:
        follower.close()


def _tell(heard: Heard, most: int | None, *, as_json: bool) -> int:
    for note in heard.notes:
        if note != NO_LAKE:
            output.text(f"note: {note}", err=True)
    if heard.unreadable:
        click.echo(f"note: {heard.unreadable} records cannot be read (erased)", err=True)
    events, now = heard.events[:most], SystemClock().now()
    if as_json:
        output.lines(events)
    else:
        for event in events:
            time, _, kind, *rest = row(event, now)
            output.text("  ".join([time, f"{kind:26}", *(value for value in rest if value not in ("", "-"))]))
            if dropped := event.body.get("passed_over") or event.body.get("dropped"):
                output.text(f"note: the event before says that others were left out: {dropped}", err=True)
    return len(events)
