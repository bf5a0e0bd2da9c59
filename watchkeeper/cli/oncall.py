"""`watchkeeper oncall`: who is on call, who has what, and what is handed over."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import data_folder, load
from watchkeeper.cli import options, output
from watchkeeper.core.clock import SECOND, SystemClock, from_iso
from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.events.model import SEVERITIES

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_OFF = (
    "Nobody is on call: the settings name nobody, and no incident pages anyone. See docs/guides/on-call.md for a first "
    "rota; `watchkeeper oncall ack` works without one."
)
_NO_HANDOVER = "No shift has ended yet. What would be handed over now: `watchkeeper oncall handover --now`."


def seconds_of(text: str) -> int:
    """`30m`, `2h`, `3d` or `1w`, in seconds. Raises `Invalid`."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if found is None:
        raise Invalid(f"not a length of time: {text[:40]!a}", hint="write it as 30m, 2h, 3d or 1w")
    return int(found[1]) * _UNITS[found[2]]


@click.group(short_help="Who is on call; pages, handovers.")
def oncall() -> None:
    """On call: who is paged for incidents, who has taken one on, and what is handed over."""


@oncall.command()
@options.data
@options.token_file
@options.as_json
@options.errors_told
def show(data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Say who is on call now, which incidents nobody has taken on, and which pages wait."""
    found = Administration.by_token(data, token_file).call("oncall.show")
    if as_json:
        output.as_json(found)
        return
    if not found["is_on"]:
        output.text(_OFF)
    for seat in found["seats"]:
        who = seat["person"] or "NOBODY"
        gone = ", who is NO OPERATOR ANY MORE and is not paged" if seat["is_gone"] else ""
        follows = f", then {seat['next'] or 'nobody'}"
        output.text(f"{seat['rota']}: {who} ({seat['why']}) until {output.moment(seat['until'])}{follows}{gone}")
    for one in found["overrides"]:
        span = f"{output.moment(one['begins_at'])} to {output.moment(one['ends_at'])}"
        output.text(f"  {one['person']} stands in on {one['rota']}, {span}: {one['reason']}  ({one['id']})")
    for one in found["quiet"]:
        output.text(f"  {one['person']} asked for quiet until {output.moment(one['ends_at'])}: {one['reason']}")
    if found["strangers"]:
        names = ", ".join(found["strangers"])
        output.text(f"No operators: {names}. They are paged, and can take nothing on; for each of them:")
        output.text("  watchkeeper operators invite NAME --role responder")
    click.echo()
    output.table(
        ["incident", "severity", "taken by", "levels", "next", "title"],
        [
            [
                one["number"],
                SEVERITIES.get(one["severity"], one["severity"]),
                one["acknowledged_by"] or "NOBODY",
                one["steps"],
                output.moment(one["next_at"]),
                one["title"],
            ]
            for one in found["escalations"]
        ],
        empty="No incident is open.",
        below=("title",),
    )
    for page in found["pages"]:
        why = f": {page['why']}" if page["why"] else ""
        about = page["number"] or page["title"]
        output.text(
            f"  a page to {page['person']} about {about} is {page['state']} ({output.moment(page['due_at'])}){why}"
        )


@oncall.command()
@click.argument("name")
@click.option("--days", default=14, show_default=True, type=click.IntRange(1, 366), help="How far to look ahead.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def rota(name: str, days: int, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List the shifts of the rota NAME from now on. Rotas stand in the settings: docs/guides/on-call.md."""
    rows = Administration.by_token(data, token_file).call("oncall.calendar", rota=name, days=days)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["from", "until", "who", "why"],
        [[output.moment(r["begins_at"]), output.moment(r["ends_at"]), r["person"] or "NOBODY", r["why"]] for r in rows],
        empty="Nothing.",
    )


@oncall.command()
@click.argument("person", required=False, default="")
@options.config
@options.data
@options.as_json
@options.errors_told
def test(person: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Call PERSON, or everybody, saying that it is a test. Exit code 0 if all channels took it, else 75.

    This command calls by itself: secrets that the settings name by `env:` have to be in its environment.
    """
    from watchkeeper.app.calling import call_to_test  # noqa: PLC0415 — everything that sends, needed here only

    tried = call_to_test(load(config, data_folder(data)), person)
    if as_json:
        output.as_json(tried)
    else:
        for name, ways in tried.items():
            for way, why in ways.items():
                output.text(f"{name} by {way}: {f'NOT taken: {why}' if why else 'taken'}")
    sys.exit(Unavailable.exit_code if any(why for ways in tried.values() for why in ways.values()) else 0)


@oncall.command()
@click.argument("incident")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def ack(incident: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Take INCIDENT on: nobody else is paged for it. Again, or by somebody else, it stays with whoever was first."""
    taken = Administration.by_token(data, token_file).call("oncall.ack", incident=incident)
    if as_json:
        output.as_json(taken)
        return
    already = "" if taken["is_new"] else "already "
    at = output.moment(taken["acknowledged_at"])
    output.text(f"{taken['number']} is {already}taken by {taken['acknowledged_by']}, since {at}")


@oncall.command()
@click.argument("rota_name", metavar="ROTA", required=False)
@click.argument("person", required=False)
@click.option("--from", "begins", default="", help="When it begins (RFC 3339); default: now.")
@click.option("--until", default="", help="When it ends.")
@click.option("--for", "lasting", default="", help="Or how long it lasts: 30m, 2h, 3d, 1w.")
@click.option("--reason", default="", help="Why; goes into the journal.")
@click.option("--end", "ended", default="", metavar="ID", help="End the override of this id instead.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def override(
    rota_name: str | None,
    person: str | None,
    begins: str,
    until: str,
    lasting: str,
    reason: str,
    ended: str,
    data: Path | None,
    token_file: Path | None,
    as_json: bool,
) -> None:
    """Have PERSON stand in on ROTA for a while; the newest override counts."""
    ask = Administration.by_token(data, token_file)
    if ended:
        made = ask.call("oncall.override_end", override=ended)
    else:
        if not (rota_name and person and bool(until) != bool(lasting)):
            raise Invalid("it is not said who stands in, and for how long", hint="ROTA PERSON --for 1d, or --until …")
        begins_at = from_iso(begins) if begins else SystemClock().now()
        ends_at = from_iso(until) if until else begins_at + seconds_of(lasting) * SECOND
        span = {"begins_at": begins_at, "ends_at": ends_at}
        made = ask.call("oncall.override", rota=rota_name, person=person, reason=reason, **span)
    if as_json:
        output.as_json(made)
    else:
        span_said = f"{output.moment(made['begins_at'])} to {output.moment(made['ends_at'])}"
        output.text(f"{made['person']} stands in on {made['rota']}, {span_said}  ({made['id']})")


@oncall.command()
@click.argument("person")
@click.option("--for", "lasting", default="", help="How long: 30m, 2h; a day at most.")
@click.option("--end", is_flag=True, help="End the quiet that was asked for.")
@click.option("--reason", default="", help="Why; goes into the journal.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def quiet(
    person: str, lasting: str, end: bool, reason: str, data: Path | None, token_file: Path | None, as_json: bool
) -> None:
    """Have PERSON left alone for a while: what is not severe waits; critical pages all the same."""
    if bool(lasting) == end:
        raise Invalid("it is not said for how long", hint="--for 2h, or --end")
    seconds = seconds_of(lasting) if lasting else 0
    asked = {"person": person, "seconds": seconds, "reason": reason}
    said = Administration.by_token(data, token_file).call("oncall.quiet", **asked)
    if as_json:
        output.as_json(said)
    else:
        until = f"is left alone until {output.moment(said['until'])}" if said["until"] else "is paged as usual again"
        output.text(f"{person} {until}")


@oncall.command()
@click.argument("rota_name", metavar="ROTA", default="")
@click.option("--now", is_flag=True, help="What would be handed over at this moment; nothing is kept.")
@click.option("--accept", "accepted", default="", metavar="ID", help="Say that you have read it: you are on call now.")
@options.data
@options.token_file
@options.as_json
@options.errors_told
def handover(
    rota_name: str, now: bool, accepted: str, data: Path | None, token_file: Path | None, as_json: bool
) -> None:
    """Show the last handovers: open incidents, pages put off, what happened, orders in force, what is silent."""
    ask = Administration.by_token(data, token_file)
    if accepted:
        done = ask.call("oncall.accept", handover=accepted)
        if as_json:
            output.as_json(done)
        else:
            output.text(f"{done['rota']}: accepted by {done['accepted_by']} at {output.moment(done['accepted_at'])}")
        return
    rows = ask.call("oncall.handovers", rota=rota_name, now=now)
    if as_json:
        output.as_json(rows)
        return
    output.text("\n\n".join(row["text"] for row in rows) if rows else (_OFF if now else _NO_HANDOVER))
