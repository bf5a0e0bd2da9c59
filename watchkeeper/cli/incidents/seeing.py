"""Looking at incidents: the list, one with everything about it, its timeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.cli import output
from watchkeeper.cli.incidents import asking
from watchkeeper.cli.incidents.asking import LEVELS, asked, call
from watchkeeper.cli.incidents.telling import page
from watchkeeper.events.model import SEVERITIES

STATES = ("open", "contained", "partly_contained", "unverified", "closed")
STATUSES = ("open", "new", "in_progress", "on_hold", "resolved", "closed")
_EMPTY = "No incident: no rule has raised an alert yet. `watchkeeper demo` shows one."


@click.command("list")
@click.option("--state", default="", help=f"What is contained: {', '.join(STATES)}.", metavar="STATE")
@click.option("--status", type=click.Choice(STATUSES), default=None, help="How far people are; open: not closed.")
@click.option("--severity", type=click.Choice(list(LEVELS)), default=None, help="At least so severe.")
@click.option("--assignee", default="", help="Of this operator, or `nobody`.")
@click.option("--server", default="", help="About this server.")
@click.option("--principal", default="", help="About this principal, such as agent:NAME.")
@click.option("--since", default="", help="Opened since: a time, or a span such as 7d.")
@click.option("--words", default="", help="In number, title, server or principal.")
@click.option("--merged", is_flag=True, help="Also those that were merged into others.")
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="So many, the newest.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="After so many.")
@asked
def list_(
    data: Path | None, token_file: Path | None, as_json: bool, limit: int, offset: int, state: str, **wanted: Any
) -> None:
    """List incidents, newest first."""
    who = wanted["assignee"]
    members = {
        "state": state,
        "status": wanted["status"] or "",
        "severity": LEVELS.get(wanted["severity"] or "", 1),
        "assignee": who if who in ("", "nobody") else f"operator:{who.removeprefix('operator:')}",
        "server": wanted["server"],
        "principal": wanted["principal"],
        "since": asking.moment(wanted["since"]),
        "text": wanted["words"],
        "merged": wanted["merged"],
    }
    rows = call("list", data, token_file, filter=members, limit=limit, offset=offset)
    if as_json:
        output.as_json(rows)
        return
    is_plain = not any((state, *wanted.values(), offset))
    output.table(
        ["incident", "state", "status", "severity", "opened", "alerts", "assignee", "title"],
        [
            [
                r["number"],
                r["state"],
                r["status"],
                SEVERITIES.get(r["severity"], r["severity"]),
                output.moment(r["opened_at"]),
                r["alert_count"],
                r["assignee"].removeprefix("operator:") or "-",
                r["title"],
            ]
            for r in rows
        ],
        empty=_EMPTY if is_plain else f"No incident is {state}." if state else "No incident is like that.",
        below=("title",),
    )


@click.command()
@asking.incident
@asked
def show(incident: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Show one incident: state, times, tasks, notes, links, and its timeline."""
    found = call("show", data, token_file, incident=incident)
    if as_json:
        output.as_json(found)
    else:
        output.text("\n".join(page(found)))


@click.command()
@asking.incident
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="So many lines.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="After so many.")
@asked
def timeline(incident: str, limit: int, offset: int, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Show lines of an incident's timeline, each with the event that proves it."""
    found = call("timeline", data, token_file, incident=incident, limit=limit, offset=offset)
    if as_json:
        output.as_json(found)
        return
    output.table(
        ["time", "event", "position", "what"],
        [
            [
                output.moment(e["time"]),
                e["event"] or "-",
                f"{e['writer']}/{e['index']}" if e["index"] >= 0 else "-",
                e["what"],
            ]
            for e in found["entries"]
        ],
        empty="Nothing is there yet.",
        below=("what",),
    )
    shown = offset + len(found["entries"])
    if shown < found["total"]:
        click.echo(f"{shown} of {found['total']} lines: `--offset {shown}` shows the next.")


COMMANDS = (list_, show, timeline)
