"""`watchkeeper incidents`: what happened, what was done, what is left to do."""

from __future__ import annotations

from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output

SEVERITIES = {1: "informational", 2: "low", 3: "medium", 4: "high", 5: "critical"}
"""OCSF `severity_id` in words."""


@click.group(short_help="Grouped alerts, their timeline and playbook.")
def incidents() -> None:
    """Incidents: grouped alerts with their timeline and their playbook."""


@incidents.command("list")
@click.option("--state", default="", help="Only this state: open, contained, unverified or closed.", metavar="STATE")
@options.data
@options.as_json
@options.errors_told
def list_(state: str, data: Path | None, as_json: bool) -> None:
    """List incidents, newest first."""
    rows = Administration.at(data).call("incidents.list", state=state)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["incident", "state", "severity", "opened", "alerts", "title"],
        [
            [
                r["number"],
                r["state"],
                SEVERITIES.get(r["severity"], r["severity"]),
                output.moment(r["opened_at"]),
                r["alert_count"],
                r["title"],
            ]
            for r in rows
        ],
        empty=f"No incident is {state}."
        if state
        else "No incident: no rule has raised an alert yet. `watchkeeper demo` shows one.",
        below=("title",),
    )


@incidents.command()
@click.argument("incident")
@options.data
@options.as_json
@options.errors_told
def show(incident: str, data: Path | None, as_json: bool) -> None:
    """Show one incident with its timeline."""
    found = Administration.at(data).call("incidents.show", incident=incident)
    if as_json:
        output.as_json(found)
        return
    about = found["incident"]
    output.text(
        f"{about['number']}  {about['state']}  {SEVERITIES.get(about['severity'], about['severity'])}  {about['title']}"
    )
    for name, label in (("ttd_ms", "detected after"), ("ttc_ms", "contained after")):
        value = found[name]
        click.echo(f"  {label}: {'not known' if value is None else f'{value:.0f} ms'}")
    if about["advice"]:
        output.text(f"  what to do: {about['advice']}")
    click.echo()
    for entry in found["timeline"]:
        output.text(f"  {output.moment(entry['time'])}  {entry['what']}")
    click.echo(f"\nProve any of it: watchkeeper journal prove EVENT_ID (ids: incidents show {about['number']} --json)")


@incidents.command()
@click.argument("incident")
@click.option("--reason", required=True, help="Why it is closed; goes into the journal.")
@options.data
@options.as_json
@options.errors_told
def close(incident: str, reason: str, data: Path | None, as_json: bool) -> None:
    """Close an incident. Orders that it gave stay in force until they are lifted."""
    closed = Administration.at(data).call("incidents.close", incident=incident, reason=reason)
    if as_json:
        output.as_json(closed)
    else:
        output.text(f"closed {closed['number']}")
