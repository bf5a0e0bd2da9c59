"""Counting what a search finds: over time, by the values of a field, and how long calls took.

The lake's share is grouped inside of the engine and only groups come back; the journal's share, which is short, is
counted here. Times are counted in steps of two per cent, so that both shares add up exactly and a percentile is within
one per cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlglot import exp

from watchkeeper.core.clock import SECOND, Clock, SystemClock
from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.events.lake.engine import TABLE, query
from watchkeeper.events.lake.filters import Filter, condition, matching
from watchkeeper.events.lake.schema import to_row
from watchkeeper.events.lake.search import Search, Snapshot
from watchkeeper.events.query.fields import FACETS, FIELDS, field_of, nearest
from watchkeeper.events.query.sql import call, literal
from watchkeeper.events.search.latency import STEP, Latency, Steps, latencies, step_of

GROUPS = 10_000
"""Values of one field that are looked at; of more, the rarest may be missing."""
_SPANS = tuple(
    count * SECOND
    for count in (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 604_800, 30 * 86_400)
)
_SYSTEM = SystemClock()


class Count(msgspec.Struct, frozen=True):
    """A value and how often it was found."""

    value: str
    count: int


class Facet(msgspec.Struct, frozen=True):
    """The values of one field, the most frequent first."""

    field: str
    values: tuple[Count, ...]
    others: int
    """Values beyond those; more still when `is_cut`."""
    is_cut: bool = False


class Span(msgspec.Struct, frozen=True):
    """Events of a short time, by outcome."""

    start: int
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted, and over what."""

    total: int
    since: int
    until: int
    span: int
    spans: tuple[Span, ...]
    facets: tuple[Facet, ...]
    latencies: tuple[Latency, ...]
    future: int
    """Events that claim to be later than now: some clock is wrong."""
    unreadable: int
    note: str

    @property
    def rate(self) -> float:
        """Events a second over the whole range."""
        return self.total * SECOND / max(1, self.until - self.since)


class _Shares(msgspec.Struct, frozen=True):
    """Both places that the events of a search lie in."""

    snapshot: Snapshot
    where: Any
    tail: Sequence[Mapping[str, Any]]

    def lake(self, select: exp.Select) -> Iterable[Mapping[str, Any]]:
        """The lake's rows of a query that says what is selected and grouped."""
        return query(self.snapshot.table, select) if self.snapshot.table is not None else ()

    def found(self, *selected: Any) -> exp.Select:
        return exp.select(*selected).from_(TABLE).where(self.where.copy())


class _Tally:
    """Counts that both shares are added to."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.seconds: Counter[tuple[int, str]] = Counter()
        self.facets: dict[str, Counter[str]] = {name: Counter() for name in fields}
        self.cut: set[str] = set()
        self.took: Steps = Counter()
        self.bounds: list[int] = []
        self.future = 0
        self.unreadable = 0


def count(
    search: Search,
    wanted: Filter,
    *,
    fields: Sequence[str] = FACETS,
    top: int = 10,
    buckets: int = 60,
    with_latency: bool = True,
    clock: Clock = _SYSTEM,
) -> Counts:
    """Count what `wanted` finds. Raises `Invalid` for a field that has no values to count."""
    chosen = [facet_named(name) for name in fields]
    now, snapshot = clock.now(), search.snapshot()
    options = _Options(wanted, tuple(chosen), buckets, now, with_latency)
    tail, unreadable = _tail(search, snapshot, wanted)
    try:
        tally, span = _tallied(_Shares(snapshot, condition(wanted), tail), options)
    except Unavailable as error:
        snapshot.failed(error.reason)
        tail, unreadable = _tail(search, snapshot, wanted)
        tally, span = _tallied(_Shares(snapshot, condition(wanted), tail), options)
    since, until = _range(wanted, tally.bounds, now)
    spans = _spans(tally.seconds, since, until, span)
    return Counts(
        total=sum(one.total for one in spans),
        since=since,
        until=until,
        span=span,
        spans=spans,
        facets=tuple(_facet(name, tally.facets[name], top, is_cut=name in tally.cut) for name in chosen),
        latencies=latencies(tally.took, top),
        future=tally.future,
        unreadable=unreadable,
        note=snapshot.note,
    )


def facet_named(word: str) -> str:
    """The field whose values are counted. Raises `Invalid`, with the word that was perhaps meant."""
    field = field_of(word)
    if field is None or field.type == "member":
        meant = nearest(word)
        hint = f"did you mean {meant}?" if meant and field is None else f"choose from {', '.join(FACETS)}"
        raise Invalid(f"there is nothing to count by {word[:60]!r}", hint=hint)
    return field.name


class _Options(msgspec.Struct, frozen=True):
    wanted: Filter
    fields: tuple[str, ...]
    buckets: int
    now: int
    with_latency: bool


def _tallied(shares: _Shares, options: _Options) -> tuple[_Tally, int]:
    tally = _Tally(options.fields)
    tally.bounds = [row["time"] for row in shares.tail] + list(_extent(shares))
    since, until = _range(options.wanted, tally.bounds, options.now)
    least = (until - since) // options.buckets + 1
    span = next((one for one in _SPANS if one >= least), least)
    _count_times(tally, shares, span, options.now)
    for name in options.fields:
        _count_values(tally, shares, name)
    if options.with_latency:
        _count_latency(tally, shares)
    return tally, span


def _extent(shares: _Shares) -> Iterable[int]:
    least = call("arrow_cast", call("min", exp.column("time")), literal("Int64")).as_("a")
    most = call("arrow_cast", call("max", exp.column("time")), literal("Int64")).as_("b")
    for row in shares.lake(shares.found(least, most)):
        yield from (moment for moment in (row["a"], row["b"]) if moment is not None)


def _count_times(tally: _Tally, shares: _Shares, span: int, now: int) -> None:
    at = _micros() - exp.Mod(this=_micros(), expression=exp.Literal.number(span))
    late = exp.case().when(_micros() > exp.Literal.number(now), exp.Literal.number(1)).else_(exp.Literal.number(0))
    select = shares.found(at.as_("at"), "outcome", _all().as_("n"), call("sum", late).as_("late"))
    for row in shares.lake(select.group_by(at.copy(), "outcome")):
        tally.seconds[row["at"], row["outcome"]] += row["n"]
        tally.future += row["late"] or 0
    for row in shares.tail:
        tally.seconds[row["time"] // span * span, row["outcome"]] += 1
        tally.future += row["time"] > now


def _count_values(tally: _Tally, shares: _Shares, name: str) -> None:
    field, counted = FIELDS[name], tally.facets[name]
    value, is_list = exp.column(field.column), field.type == "list"
    if is_list:
        each = shares.found(call("unnest", value).as_("value")).subquery("each_one")
        select = exp.select("value", _all().as_("n")).from_(each).group_by("value")
    else:
        select = shares.found(value.as_("value"), _all().as_("n")).group_by(value.copy())
    most_first = exp.Ordered(this=exp.column("n"), desc=True)
    rows = list(shares.lake(select.order_by(most_first).limit(GROUPS + 1)))
    if len(rows) > GROUPS:
        tally.cut.add(name)
    for row in rows[:GROUPS]:
        _add(counted, row["value"], row["n"])
    for row in shares.tail:
        for one in row[field.column] if is_list else (row[field.column],):
            _add(counted, one, 1)


def _add(counted: Counter[str], value: object, count: int) -> None:
    if value not in ("", None):
        counted[str(value)] += count


def _count_latency(tally: _Tally, shares: _Shares) -> None:
    steps = call("round", exp.Div(this=call("ln", exp.column("duration_us")), expression=exp.Literal.number(STEP)))
    step = call("arrow_cast", steps, literal("Int64"))
    took = exp.and_(exp.column("duration_us") > exp.Literal.number(0), exp.column("server").neq(literal("")))
    select = shares.found("server", "target", step.as_("step"), _all().as_("n")).where(took)
    for row in shares.lake(select.group_by("server", "target", step.copy())):
        tally.took[row["server"], row["target"], row["step"]] += row["n"]
    for row in shares.tail:
        if row["server"] and (row["duration_us"] or 0) > 0:
            tally.took[row["server"], row["target"], step_of(row["duration_us"])] += 1


def _tail(search: Search, snapshot: Snapshot, wanted: Filter) -> tuple[list[dict[str, Any]], int]:
    """The narrow columns of what the journal has beyond the lake, and what of it nobody can read."""
    rows, unreadable, is_wanted = [], 0, matching(wanted)
    names = {"time", "outcome", *(FIELDS[name].column for name in FACETS), "server", "target", "duration_us"}
    for record in search.beyond(snapshot):
        if record.event is None:
            unreadable += 1
        elif is_wanted(record.event):
            row = to_row(record.event, record.position.writer, record.position.index)
            rows.append({name: row[name] for name in names})
    return rows, unreadable


def _range(wanted: Filter, bounds: Sequence[int], now: int) -> tuple[int, int]:
    """The range that is drawn: what was asked for, where it is open up to what there is."""
    since = wanted.since if wanted.since is not None else min(bounds, default=now - 3600 * SECOND)
    until = wanted.until if wanted.until is not None else max(now, max(bounds, default=now) + 1)
    return since, max(until, since + 1)


def _spans(seconds: Counter[tuple[int, str]], since: int, until: int, span: int) -> tuple[Span, ...]:
    by_start: dict[int, dict[str, int]] = {}
    for (start, outcome), number in seconds.items():
        by_start.setdefault(start, {})[outcome] = number
    return tuple(Span(start, by_start.get(start, {})) for start in range(since // span * span, until, span))


def _facet(name: str, counted: Counter[str], top: int, *, is_cut: bool) -> Facet:
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return Facet(name, tuple(Count(*item) for item in ordered[:top]), max(0, len(ordered) - top), is_cut)


def _micros() -> Any:
    return call("arrow_cast", exp.column("time"), literal("Int64"))


def _all() -> Any:
    return exp.Count(this=exp.Star())
