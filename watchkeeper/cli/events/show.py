"""`watchkeeper events show` and `conversation`: one event in full with what to ask next, and a session told."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from watchkeeper.app.lakes import search_in
from watchkeeper.cli import options, output
from watchkeeper.cli.events.asking import opened
from watchkeeper.cli.events.search import HEADINGS, row
from watchkeeper.core.clock import SECOND, to_iso
from watchkeeper.core.text import visible
from watchkeeper.events import Event
from watchkeeper.events.lake.search import NO_LAKE, Cursor, Search
from watchkeeper.events.query.written import term
from watchkeeper.events.search.conversation import Turn
from watchkeeper.events.search.gathering import gather

_AROUND = 30 * SECOND
_DETAIL = 600
"""Characters of what was said."""


@click.command()
@click.argument("event_id")
@click.option("--around", default=0, type=click.IntRange(0, 100), help="Also so many events before and after it.")
@click.option("--tenant", default="default", show_default=True, help="Whose event.")
@options.data
@options.as_json
@options.errors_told
def show(event_id: str, around: int, tenant: str, data: Path | None, as_json: bool) -> None:
    """Show one event in full, where the journal keeps it, and what to ask next."""
    folder, now = opened(data)
    search = search_in(folder)
    position, event = search.find(event_id, tenant)
    cursor = str(Cursor(event.time, position.writer, position.index))
    before, after = (_neighbours(search, event, cursor, around, newest_first=way) for way in (True, False))
    if as_json:
        told = {"writer": position.writer, "index": position.index, "event": event}
        output.as_json(told | ({"before": before, "after": after} if around else {}))
        return
    output.text(f"entry {position.index} of the log {position.writer}, {output.moment(event.time)}")
    output.as_json(event)
    if around:
        click.echo("")
        rows = [row(one, now) for one in (*reversed(before), event, *after)]
        output.table(HEADINGS, rows, empty="", below=("event", "reason"))
    click.echo("\nwhat to ask next:")
    for line in _pivots(event):
        output.text(f"  {line}")


def _neighbours(search: Search, event: Event, cursor: str, number: int, *, newest_first: bool) -> tuple[Event, ...]:
    if not number:
        return ()
    found = search.events(unbounded=True, limit=number, after=cursor, newest_first=newest_first, tenant=event.tenant)
    return found.events


def _pivots(event: Event) -> list[str]:
    since, until = to_iso(max(0, event.time - _AROUND)), to_iso(event.time + _AROUND)
    lines = [f"watchkeeper events conversation {event.id}", f"watchkeeper journal prove {event.id}"]
    for name, value in (("actor", event.actor), ("server", event.server), ("target", event.target)):
        if value:
            lines.append(f"watchkeeper events search --since {since} --until {until} {shlex.quote(term(name, value))}")
    return lines


@click.command()
@click.argument("key")
@click.option("--tenant", default="default", show_default=True, help="Whose.")
@options.data
@options.as_json
@options.errors_told
def conversation(key: str, tenant: str, data: Path | None, as_json: bool) -> None:
    """Tell a session as a conversation: who asked for what, the verdicts, the answers, who decided.

    KEY is a session, a trace, or the id of an event. Without session and trace, what the same client did without a
    long pause is shown, and it is said that this is a guess.
    """
    folder, now = opened(data)
    whole = gather(search_in(folder), key, now, tenant)
    if as_json:
        output.as_json(whole)
        return
    if whole.note and whole.note != NO_LAKE:
        output.text(f"note: {whole.note}", err=True)
    output.text(
        f"{whole.how}\n{whole.requests} requests, {whole.stopped} stopped; {output.moment(whole.since)} and after"
    )
    if any(_is_exercise(turn) for turn in whole.turns):
        output.text("⚑ is part of an exercise, not of real traffic")
    for turn in whole.turns:
        mark = "⚑ " if _is_exercise(turn) else ""
        output.text(f"\n{output.moment(turn.time)}  {mark}{turn.who} {turn.role}: {turn.words}")
        if turn.rules:
            output.text(f"    rules: {', '.join(turn.rules)}")
        for line in turn.detail.split("\n") if turn.detail else ():
            output.text(f"    {visible(line, limit=_DETAIL)}")
    if whole.is_cut:
        click.echo("\nThis is only the beginning: there is more than is read at once.", err=True)


def _is_exercise(turn: Turn) -> bool:
    return "exercise" in turn.labels
