"""`watchkeeper lake`: how the table of events stands, keeping it small and whole, retention, legal holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.lakekeeping import lake_act
from watchkeeper.app.settings import current_operator, data_folder, environment, load, require_journal
from watchkeeper.cli import options, output
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.secrets import SecretReader
from watchkeeper.events.lake.holds import Hold, Holds
from watchkeeper.events.lake.keeping.status import Standing, standing
from watchkeeper.events.lake.places import place_of
from watchkeeper.events.query.language import parse_time

_EMPTY = "There is no lake yet: the service fills it while it runs. Start it with `watchkeeper up`."
_NO_HOLDS = (
    "No legal hold is in force: retention deletes what is past its time. Place one with `watchkeeper lake hold add`."
)


@click.group(short_help="The searchable table of events.")
def lake() -> None:
    """The lake: every event as a row of an open table, how long each is kept, and what must not be deleted."""


@lake.command()
@options.config
@options.data
@options.as_json
@options.errors_told
def status(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say where the lake lies, what it holds of each class, for how long, and whether it is whole.

    Exit code 0 if there is a lake, no file of it is damaged and it is known what is held; else 1.
    """
    loaded = load(config, data_folder(data))
    require_journal(loaded.data_dir)
    settings = loaded.settings.lake
    place = place_of(loaded.data_dir, settings, SecretReader(environment()))
    found = standing(place, loaded.data_dir, settings.retention)
    if as_json:
        output.as_json(found)
    elif found is None:
        click.echo(_EMPTY)
    else:
        _show(found)
    if found is None or found.damaged or found.doubt:
        sys.exit(1)


def _show(found: Standing) -> None:
    output.text(f"{found.where}: {found.rows:,} rows, {_size(found.bytes)} in {found.files} files")
    output.text(f"version {found.version}, {found.commits_since_checkpoint} commits since the last checkpoint")
    output.table(
        ["tenant", "class", "rows", "size", "files", "from", "to", "kept for"],
        [
            [h.tenant, h.retention, f"{h.rows:,}", _size(h.bytes), h.files, h.first_day, h.last_day, _days(h.days)]
            for h in found.holdings
        ],
        empty="It holds nothing yet.",
    )
    for name in found.damaged:
        output.text(f"DAMAGED: {name}")
    if found.damaged:
        click.echo("`watchkeeper lake tidy` fills damaged files again from the journal, and says what is lost.")
    for name in found.aside:
        output.text(f"set aside: {name}; delete it once nobody needs it")
    if found.doubt:
        output.text(f"NOTHING IS DELETED: {found.doubt}")
        click.echo("`watchkeeper lake hold restore` puts the holds in force again that its copy names.")
    else:
        click.echo(f"{found.holds} legal holds in force")


@lake.command()
@click.option("--thorough", is_flag=True, help="Read every file whole, to find damage inside.")
@options.config
@options.data
@options.as_json
@options.errors_told
def tidy(thorough: bool, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Mend damaged files, merge small ones, sort the days that are over, drop what was replaced.

    The service does this by itself. Exit code 1 if rows are lost that the journal does not have any more.
    """
    _working("tidying; a large lake takes minutes", as_json)
    done = lake_act(load(config, data_folder(data)), "lake.tidy", thorough=thorough, by=current_operator())
    if as_json:
        output.as_json(done)
    else:
        output.table(
            ["file", "day", "rows", "restored", "lost", "log", "from", "to"],
            [
                [m["file"], m["day"], m["rows"], m["restored"], m["lost"], m["writers"], m["first"], m["last"]]
                for m in done["mended"]
            ],
            empty="No file was damaged.",
            below=("file",),
        )
        click.echo(f"Tidied; {done['sorted']} days sorted.")
    if any(one["lost"] for one in done["mended"]):
        sys.exit(1)


@lake.command()
@click.option("--dry-run", is_flag=True, help="Count what would be deleted; delete nothing.")
@options.config
@options.data
@options.as_json
@options.errors_told
def retention(dry_run: bool, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Delete what is past its time (`[lake.retention]`), legal holds first.

    The service does this daily. The journal has its own retention, and keeps its proofs.
    """
    _working("looking for what is past its time", as_json)
    applied = lake_act(load(config, data_folder(data)), "lake.retention", dry_run=dry_run, by=current_operator())
    if as_json:
        output.as_json(applied)
        return
    output.table(
        ["tenant", "class", "kept for", "before", "would go" if dry_run else "deleted", "held", "holds"],
        [
            [c["tenant"], c["retention"], _days(c["days"]), c["before"], c["deleted"], c["held"], _names(c["holds"])]
            for c in applied["cuts"]
        ],
        empty="Nothing is past its time.",
    )


@lake.group(short_help="What must not be deleted.")
def hold() -> None:
    """Legal holds: what they cover is deleted by no retention and no erasure."""


@hold.command()
@click.argument("name")
@click.option("--reason", required=True, help="The case or request that it serves; goes into the journal.")
@click.option("--tenant", default="", help="Only this tenant's events.")
@click.option("--actor", default="", help="Only this principal's: agent:NAME.")
@click.option("--server", default="", help="Only this server's.")
@click.option("--incident", default="", help="What belongs to this incident: its alerts, and what raised them.")
@click.option("--since", default="", help="From then on: a time (2026-11-22T16:00Z) or an age (7d).")
@click.option("--until", default="", help="Before then.")
@options.config
@options.data
@options.as_json
@options.errors_told
def add(name: str, reason: str, config: Path | None, data: Path | None, as_json: bool, **given: str) -> None:
    """Place a hold NAME. At least one option must say what it covers; each narrows it."""
    now = SystemClock().now()
    times = {one: parse_time(given.pop(one), now) if given[one] else None for one in ("since", "until")}
    scope = {name: value for name, value in {**given, **times}.items() if value}
    placed = lake_act(
        load(config, data_folder(data)),
        "lake.place_hold",
        name=name,
        reason=reason,
        scope=scope,
        by=current_operator(),
    )
    if as_json:
        output.as_json(placed)
    else:
        output.text(f"placed {placed['name']}: nothing that it covers is deleted until it is lifted")


@hold.command("list")
@options.data
@options.as_json
@options.errors_told
def list_(data: Path | None, as_json: bool) -> None:
    """List the holds in force."""
    folder = data_folder(data)
    require_journal(folder)
    holds = Holds(folder).in_force()
    if as_json:
        output.as_json(holds)
        return
    output.table(
        ["hold", "covers", "since", "by", "reason"],
        [[one.name, _scope(one), output.moment(one.placed_at), one.by, one.reason] for one in holds],
        empty=_NO_HOLDS,
        below=("reason",),
    )


@hold.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why it may be lifted; goes into the journal.")
@options.config
@options.data
@options.as_json
@options.errors_told
def lift(name: str, reason: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Lift the hold NAME. What is past its time goes with the next run of retention."""
    loaded = load(config, data_folder(data))
    lifted = lake_act(loaded, "lake.lift_hold", name=name, reason=reason, by=current_operator())
    if as_json:
        output.as_json(lifted)
    else:
        output.text(f"lifted {lifted['name']}")


@hold.command()
@click.option("--reason", required=True, help="Why it is needed; goes into the journal.")
@options.config
@options.data
@options.as_json
@options.errors_told
def restore(reason: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Put the holds in force again when their register is gone, damaged or old.

    What the register or its copy names is held afterwards, in doubt too much: look at the list, and lift what is over.
    Exit code 66 if neither can be read.
    """
    loaded = load(config, data_folder(data))
    restored = lake_act(loaded, "lake.restore_hold", reason=reason, by=current_operator())
    if as_json:
        output.as_json(restored)
    else:
        output.text(f"in force: {_names([one['name'] for one in restored])}")


def _scope(one: Hold) -> str:
    scope: dict[str, Any] = msgspec.structs.asdict(one.scope)
    events = len(scope.pop("events"))
    times = {name: output.moment(scope.pop(name)) for name in ("since", "until") if scope[name] is not None}
    said = [f"{name} {value}" for name, value in (*scope.items(), *times.items()) if value]
    return ", ".join([*said, *([f"{events} events"] if events else [])])


def _working(what: str, as_json: bool) -> None:
    if not as_json and sys.stderr.isatty():
        click.echo(f"{what} …", err=True)


def _names(names: list[str]) -> str:
    return ", ".join(names) or "-"


def _days(days: int) -> str:
    return f"{days} d" if days else "for ever"


def _size(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
