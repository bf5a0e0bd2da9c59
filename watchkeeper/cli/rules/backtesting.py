"""`watchkeeper rules backtest`: what rules would have matched of what was recorded."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import click

from watchkeeper.cli import options, output
from watchkeeper.cli.rules.given import given, now, range_option, settings_of, since_of, tenant_option
from watchkeeper.cli.rules.running import notes, past_of, progress
from watchkeeper.detect.model import Heading
from watchkeeper.detect.proving.backtest import Backtest, choose
from watchkeeper.detect.proving.model import Hit
from watchkeeper.detect.proving.past import kinds_of


@click.command("backtest")
@click.argument("rules", nargs=-1, metavar="[RULE|FILE|FOLDER]…")
@range_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0, 10_000), help="Events shown for a rule.")
@tenant_option
@options.config
@options.data
@options.as_json
@options.errors_told
def command(
    rules: tuple[str, ...],
    span: str,
    limit: int,
    tenant: str,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Ask rules about the past, through the same matcher as the stream. Nothing is recorded, nobody is woken.

    Without a name, all rules of this estate.
    """
    loaded, until = settings_of(config, data), now()
    chosen = choose(*given(rules, loaded))
    past = past_of(loaded.data_dir, since_of(span, until), until, tenant)
    run = Backtest(chosen, kept=limit)
    with progress() as tell:
        deque(run.run(past.facts(kinds_of(chosen.rules), tell), until), maxlen=0)
    notes(past, run, is_of_all=not rules)
    if as_json:
        output.as_json({"range": span, "events": run.events, "rules": [_row(run, rule) for rule in chosen.headings]})
        return
    for rule in sorted(chosen.headings, key=lambda one: -run.counts[one.id]):
        _tell(run, rule)
    output.text(_sentence(run, len(chosen.headings), span))


def _row(run: Backtest, rule: Heading) -> dict[str, Any]:
    return {
        "rule": rule.id,
        "name": rule.name,
        "version": rule.version,
        "events": run.seen_by(rule),
        "matches": run.counts[rule.id],
        "failures": run.failures[rule.id],
        "newest": [_hit(hit) for hit in reversed(run.newest[rule.id])],
    }


def _hit(hit: Hit) -> dict[str, Any]:
    event = hit.event
    place = {"writer": hit.position.writer, "index": hit.position.index}
    told = {name: getattr(event, name) for name in ("time", "kind", "actor", "server", "target", "outcome", "labels")}
    return {"alert": hit.alert, "group": hit.group, "event": event.id, "position": place, **told}


def _tell(run: Backtest, rule: Heading) -> None:
    count = run.counts[rule.id]
    if run.failures[rule.id]:
        output.text(f"{rule.name}: could not be evaluated on {run.failures[rule.id]:,} events")
    if not count:
        return
    output.text(f"{rule.name}: {count:,} of {run.seen_by(rule):,} events, {rule.title}")
    shown = list(reversed(run.newest[rule.id]))
    for hit in shown:
        event = hit.event
        drill = "  (exercise)" if "exercise" in event.labels else ""
        who = f"{event.actor or '-'}  {event.outcome or '-'}"
        output.text(f"  {output.moment(event.time)}  {hit.group}  {who}  {event.id}{drill}")
    if count > len(shown):
        output.text(f"  … and {count - len(shown):,} older; --limit shows more")


def _sentence(run: Backtest, of: int, span: str) -> str:
    if not run.events:
        return f"No data: no event that these rules look at was recorded in {span}, so nothing can be said."
    matching = sum(bool(count) for count in run.counts.values())
    hint = "\nLook at one: watchkeeper events show ID" if matching else ""
    return f"{run.events:,} events of {span}; {matching} of {of} rules match.{hint}"
