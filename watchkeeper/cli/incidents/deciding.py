"""Deciding about incidents: owner, severity, status, end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.settings import current_operator
from watchkeeper.cli.incidents import asking
from watchkeeper.cli.incidents.asking import LEVELS, asked, call, done

DISPOSITIONS = (
    *("true-positive", "benign-true-positive", "false-positive"),
    *("duplicate", "test", "insufficient-data"),
)
_because = click.option("--reason", required=True, help="Why; goes into the journal.")


@click.command("open")
@click.argument("title")
@click.option("--severity", type=click.Choice(list(LEVELS)), default="medium", show_default=True, help="How bad it is.")
@click.option("--server", default="", help="The server that it is about.")
@click.option("--principal", default="", help="Who it is about, such as agent:NAME.")
@click.option("--began", default="", help="When the harm began, if you know: a time, or a span such as 3h.")
@click.option("--why", default="", help="Who told you, and what; goes into the journal.")
@asked
def open_(title: str, severity: str, began: str, data: Path | None, token_file: Path | None, **rest: Any) -> None:
    """Open an incident that no rule told of: somebody phoned, a vendor wrote."""
    as_json, began_at = rest.pop("as_json"), asking.moment(began)
    found = call("open", data, token_file, title=title, severity=LEVELS[severity], first_event_at=began_at, **rest)
    done(found, as_json, f"opened {found['number']}: {found['title']}")


@click.command()
@asking.incident
@asked
def ack(incident: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Say that you have seen it; it is yours unless it is somebody's."""
    found = call("ack", data, token_file, incident=incident)
    done(found, as_json, f"{found['number']} is {found['status']}, {found['assignee']}'s")


@click.command()
@asking.incident
@click.option("--to", default="", help="Whose it shall be, by name; yours without it.")
@click.option("--nobody", is_flag=True, help="Nobody's any more.")
@click.option("--reason", default="", help="Why; goes into the journal.")
@asking.revision
@asked
def assign(incident: str, to: str, nobody: bool, data: Path | None, token_file: Path | None, **rest: Any) -> None:
    """Make it yours or somebody else's; one that is somebody else's needs `--revision`."""
    whose = "" if nobody else to or current_operator()
    as_json = rest.pop("as_json")
    found = call("assign", data, token_file, incident=incident, to=whose, **rest)
    done(found, as_json, f"{found['number']} is {found['assignee'] or 'nobody'}'s")


@click.command()
@asking.incident
@click.argument("severity", type=click.Choice(list(LEVELS)))
@_because
@asking.revision
@asked
def severity(incident: str, severity: str, data: Path | None, token_file: Path | None, **rest: Any) -> None:
    """Say how bad it is, and why."""
    as_json = rest.pop("as_json")
    found = call("severity", data, token_file, incident=incident, severity=LEVELS[severity], **rest)
    done(found, as_json, f"{found['number']} is {severity}")


@click.command()
@asking.incident
@click.argument("status", type=click.Choice(["in_progress", "on_hold", "resolved"]))
@click.option("--reason", default="", help="Why; needed for on_hold.")
@asking.revision
@asked
def status(incident: str, status: str, data: Path | None, token_file: Path | None, **rest: Any) -> None:
    """Say how far it is."""
    as_json = rest.pop("as_json")
    found = call("status", data, token_file, incident=incident, status=status, **rest)
    done(found, as_json, f"{found['number']} is {found['status']}")


@click.command()
@asking.incident
@click.argument("what", type=click.Choice(["first-event", "recovered"]))
@click.option("--at", required=True, help="A time, or a span ago such as 2h.")
@_because
@asked
def stamp(incident: str, what: str, at: str, data: Path | None, token_file: Path | None, **rest: Any) -> None:
    """Say when the first malicious event was, or when the systems ran safely again."""
    as_json, moment = rest.pop("as_json"), asking.moment(at)
    member = what.replace("-", "_")
    found = call("stamp", data, token_file, incident=incident, what=member, at=moment, **rest)
    done(found, as_json, f"{found['number']}: {what} is noted")


@click.command()
@asking.incident
@click.option("--reason", required=True, help="Why it is closed; goes into the journal.")
@click.option("--as", "disposition", type=click.Choice(DISPOSITIONS), default=None, help="What it was.")
@asked
def close(incident: str, reason: str, disposition: str | None, **rest: Any) -> None:
    """Close an incident. Orders that it gave stay in force until they are lifted."""
    as_json = rest.pop("as_json")
    found = call("close", incident=incident, reason=reason, disposition=disposition or "", **rest)
    done(found, as_json, f"closed {found['number']}")


@click.command()
@asking.incident
@click.argument("disposition", type=click.Choice(DISPOSITIONS))
@_because
@asked
def relabel(incident: str, disposition: str, data: Path | None, token_file: Path | None, **rest: Any) -> None:
    """Say of a closed incident that it was something else; what was said before is kept."""
    as_json = rest.pop("as_json")
    found = call("relabel", data, token_file, incident=incident, disposition=disposition, **rest)
    done(found, as_json, f"{found['number']} is judged {found['disposition']} now")


@click.command()
@asking.incident
@_because
@asked
def reopen(incident: str, data: Path | None, token_file: Path | None, **rest: Any) -> None:
    """Take up a closed incident again. What it contained has to be proven anew."""
    as_json = rest.pop("as_json")
    found = call("reopen", data, token_file, incident=incident, **rest)
    done(found, as_json, f"reopened {found['number']}")


COMMANDS = (open_, ack, assign, severity, status, stamp, close, relabel, reopen)
