"""Putting incidents together, taking them apart, finding those that are alike."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.cli import output
from watchkeeper.cli.incidents import asking
from watchkeeper.cli.incidents.asking import asked, call, done

_because = click.option("--reason", required=True, help="Why; goes into the journal.")


@click.command()
@asking.incident
@click.option("--into", required=True, metavar="INCIDENT", help="The one that goes on.")
@_because
@asked
def merge(incident: str, into: str, reason: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Make an incident a part of another, which gets its alerts, tasks, notes and runs."""
    found = call("merge", data, token_file, incident=incident, into=into, reason=reason)
    done(found, as_json, f"merged into {found['number']}, which has {found['alert_count']} alerts now")


@click.command()
@asking.incident
@click.option("--alert", "alerts", multiple=True, required=True, help="An alert's id; may be repeated.")
@click.option("--title", required=True, help="What the new one is about.")
@_because
@asked
def split(incident: str, alerts: tuple[str, ...], title: str, reason: str, **rest: object) -> None:
    """Make some alerts of an incident one of their own; its runs, tasks and notes stay where they are."""
    as_json = bool(rest.pop("as_json"))
    found = call("split", incident=incident, alerts=alerts, title=title, reason=reason, **rest)  # type: ignore[arg-type]
    done(found, as_json, f"split off {found['number']}, which has {found['alert_count']} alerts")


@click.command()
@asking.incident
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="So many.")
@asked
def similar(incident: str, limit: int, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Find incidents that have something in common with this one, and what."""
    found = call("similar", data, token_file, incident=incident, limit=limit)
    if as_json:
        output.as_json(found)
        return
    output.table(
        ["incident", "alike", "status", "it was", "both have", "title"],
        [
            [
                one["incident"]["number"],
                f"{one['score']:.0%}",
                one["incident"]["status"],
                one["incident"]["disposition"] or "-",
                ", ".join(f"{r['kind']} {r['value']}" for r in one["reasons"]),
                one["incident"]["title"],
            ]
            for one in found
        ],
        empty="No other incident has a rule, technique, server, client, fingerprint or indicator of this one.",
        below=("both have", "title"),
    )


COMMANDS = (merge, split, similar)
