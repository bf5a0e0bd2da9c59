"""`watchkeeper events stats`: how many, when, by what, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.lakes import search_in
from watchkeeper.cli import options, output
from watchkeeper.cli.events.asking import asked_for, nothing, opened, options_of_a_search
from watchkeeper.cli.events.search import notes
from watchkeeper.core.clock import SECOND, to_iso
from watchkeeper.core.text import visible
from watchkeeper.events.query.fields import FACETS
from watchkeeper.events.search.counting import Count, Counts, Span, count
from watchkeeper.events.search.latency import Latency

_BARS = " ▁▂▃▄▅▆▇█"
_ACROSS = 60
_STOPPED = ("deny", "ask", "failure")


@click.command()
@options_of_a_search
@click.option(
    "--by", "fields", multiple=True, metavar="FIELD", help=f"Count by this field; repeatable: {', '.join(FACETS)}."
)
@click.option("--top", default=10, show_default=True, type=click.IntRange(1, 1000), help="Values of each field.")
@options.data
@options.as_json
@options.errors_told
def stats(
    query: tuple[str, ...], fields: tuple[str, ...], top: int, data: Path | None, as_json: bool, **chosen: Any
) -> None:
    """Count what a search finds: over time, by the values of fields, and how long calls took.

    Percentiles are within one per cent. `--json` prints everything as one object.
    """
    folder, now = opened(data)
    asked = asked_for(query, now, **chosen)
    counts = count(search_in(folder), asked.filter, fields=fields or ("kind", "server", "outcome"), top=top)
    if as_json:
        output.as_json(counts)
        return
    notes(counts.note, counts.unreadable)
    if not counts.total:
        click.echo(nothing(chosen, is_everything=not asked.text))
        return
    _tell(counts)


def _tell(counts: Counts) -> None:
    click.echo(
        f"{counts.total:,} events from {to_iso(counts.since)[:19]}Z to {to_iso(counts.until)[:19]}Z, "
        f"{_rate(counts.rate)} on average"
    )
    if counts.future:
        click.echo(f"note: {counts.future:,} of them are later than now: some clock is wrong", err=True)
    _histogram(counts.spans, counts.span)
    for facet in counts.facets:
        about = f"  (about: one of {counts.sampled:,} events was looked at)" if facet.is_about else ""
        click.echo(f"\n{facet.field}{about}")
        _bars(facet.values)
        if facet.others:
            click.echo(f"  … and {facet.others:,}{' or more' if facet.is_cut else ''} other values; --top shows more")
        if not facet.values:
            click.echo("  no event has one")
    if counts.latencies:
        click.echo("")
        output.table(
            ["server", "tool", "calls", "p50", "p90", "p99"],
            [_latency(one) for one in counts.latencies],
            empty="",
        )


def _histogram(spans: Sequence[Span], span: int) -> None:
    """A line of bars for all, one for what was stopped or failed, and what the tallest stands for."""
    totals = [one.total for one in spans]
    stopped = [sum(one.counts.get(word, 0) for word in _STOPPED) for one in spans]
    click.echo(f"\n  all      {_line(totals)}  at most {max(totals):,} in {_length(span)}")
    if any(stopped):
        click.echo(f"  stopped  {_line(stopped)}  at most {max(stopped):,}: denied, put to a person, or failed")


def _line(numbers: Sequence[int]) -> str:
    top = max(*numbers, 1)
    return "".join(_BARS[-(-number * (len(_BARS) - 1) // top)] for number in numbers)


def _bars(values: Sequence[Count]) -> None:
    most = max((one.count for one in values), default=1)
    width = max((len(f"{one.count:,}") for one in values), default=1)
    for one in values:
        click.echo(
            f"  {one.count:>{width},}  {'█' * max(1, one.count * 20 // most):20}  {visible(one.value, limit=_ACROSS)}"
        )


def _latency(one: Latency) -> list[str]:
    return [one.server, one.target or "-", f"{one.count:,}", *(_took(part) for part in (one.p50, one.p90, one.p99))]


def _took(microseconds: int) -> str:
    if microseconds < 1000:
        return f"{microseconds} us"
    return f"{microseconds / 1000:.3g} ms" if microseconds < SECOND else f"{microseconds / SECOND:.3g} s"


def _rate(rate: float) -> str:
    if rate >= 1:
        return f"{rate:,.3g} a second"
    return f"{rate * 60:.3g} a minute" if rate * 60 >= 1 else f"{rate * 3600:.3g} an hour"


def _length(span: int) -> str:
    seconds = span // SECOND
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
