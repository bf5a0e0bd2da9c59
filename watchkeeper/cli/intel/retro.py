"""`watchkeeper intel retro`: which events of the past show a value, or anything that is known today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.lakes import search_in
from watchkeeper.cli import options, output
from watchkeeper.cli.intel.common import meant, opened, type_option
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.intelligence.judging import detections
from watchkeeper.detect.intelligence.keeping.index import Few, Lookup
from watchkeeper.detect.intelligence.looking.finding import Finder
from watchkeeper.detect.intelligence.model import Indicator, Tlp
from watchkeeper.detect.proving.past import Past
from watchkeeper.events.query.language import parse_time


@click.command()
@click.argument("values", nargs=-1)
@type_option
@click.option("--since", default="30d", show_default=True, help="An age (24h, 30d) or a time.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="Events shown; all are counted.")
@click.option("--tenant", default="default", show_default=True, help="Whose events.")
@options.config
@options.data
@options.as_json
@options.errors_told
def retro(
    values: tuple[str, ...], kind: str, since: str, limit: int, tenant: str, config: Path | None, data: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Search the past for values, which no source has to name: an address, a package, a tool's fingerprint.

    Without values: for every indicator that is looked for today. Says which events, principals and sessions show them;
    nothing is recorded and no alert is raised. Exit code 66 when nothing shows any.
    """
    loaded, library = opened(config, data)
    now = SystemClock().now()
    lookup: Lookup = Few(_sought(one, kind) for one in values) if values else library.open()
    past = Past(search_in(loaded.data_dir), parse_time(since, now), now, tenant)
    rows: list[dict[str, Any]] = []
    count, who = 0, Counter[tuple[str, str]]()
    for row in _rows(past, Finder(lookup)):
        count += 1
        who[row["actor"], row["session"]] += 1
        if len(rows) < limit:
            rows.append(row)
    if as_json:
        output.lines(rows)
    elif rows:
        _show(rows, count, who)
    if past.note or past.unreadable:
        output.text(f"note: {past.note or ''} {past.unreadable} records cannot be read".strip(), err=True)
    if not count:
        raise NotFound(
            "no event of that time shows any of it", hint="of arguments there is what the capture policy kept"
        )


def _rows(past: Past, finder: Finder) -> Iterator[dict[str, Any]]:
    looked = 0

    def tell(number: int) -> None:
        nonlocal looked
        looked = number
        click.echo(f"\r{number} events looked at", nl=False, err=True)

    for fact in past.facts(None, tell):
        event = fact.event
        for one, hit in detections(finder.look(event), event, fact.position, event.time, minimum=0, is_past=True):
            yield {
                "time": event.time, "kind": event.kind, "actor": event.actor, "server": event.server,
                "target": event.target, "session": str(event.body.get("session", "")), "outcome": event.outcome,
                "seen": hit.seen, "known_by": hit.key, "where": one.found["where"], "id": event.id,
            }  # fmt: skip
    if looked:
        click.echo("", err=True)


def _show(rows: list[dict[str, Any]], count: int, who: Counter[tuple[str, str]]) -> None:
    output.table(
        ["time", "actor", "server", "target", "outcome", "seen", "where", "event"],
        [
            [output.moment(row["time"]), row["actor"] or "-", row["server"] or "-", row["target"] or "-",
             row["outcome"] or "-", row["seen"], row["where"] or "-", row["id"]]
            for row in rows
        ],
        empty="",
        below=("where", "event"),
    )  # fmt: skip
    output.text(f"{count} times, {len(rows)} of them shown; by principal and session:")
    for (actor, session), number in who.most_common(20):
        output.text(f"  {number:>6}  {actor or 'nobody known'}  {session or '-'}")


def _sought(value: str, kind: str) -> Indicator:
    named, normal = meant(kind, value)
    return Indicator(
        type=named, value=normal, id="", source="asked", confidence=100, valid_from=0, valid_until=0, modified=0,
        tlp=Tlp.RED,
    )  # fmt: skip
