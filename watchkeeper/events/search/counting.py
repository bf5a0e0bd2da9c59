"""Counting what a search finds: over time, by the values of a field, and how long calls took.

The lake's share is grouped inside of the engine in a few scans (`scans`); the journal's share is counted event by event
into the same `tally`. Times are counted in steps of two per cent, so that both shares add up exactly and a percentile
is within one per cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from watchkeeper.core.clock import SECOND, Clock, SystemClock
from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.events.lake.filters import Filter, condition, matching
from watchkeeper.events.lake.schema import to_row
from watchkeeper.events.lake.search import Search, Snapshot
from watchkeeper.events.query.fields import FACETS, field_of, nearest
from watchkeeper.events.search.latency import Latency, latencies
from watchkeeper.events.search.scans import LakeShare, Options
from watchkeeper.events.search.tally import Tally, span_for

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
    is_about: bool = False
    """Counted in a part of the events, and the numbers are for all: the values are too many to count each."""


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
    sampled: int
    """Of how many events one was looked at for the facets that are `is_about`; 0 when all were counted."""
    note: str

    @property
    def rate(self) -> float:
        """Events a second over the whole range."""
        return self.total * SECOND / max(1, self.until - self.since)


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
    chosen = tuple(facet_named(name) for name in fields)
    options = Options(chosen, buckets, clock.now(), with_latency, top)
    snapshot = search.snapshot()
    try:
        tally, span, sampled = _counted(search, snapshot, wanted, options)
    except Unavailable as error:
        snapshot.failed(error.reason)
        tally, span, sampled = _counted(search, snapshot, wanted, options)
    since, until = _range(wanted, tally, options.now)
    spans = _spans(tally.times, since, until, span)
    return Counts(
        total=sum(one.total for one in spans),
        since=since,
        until=until,
        span=span,
        spans=spans,
        facets=tuple(_facet(tally, name, top) for name in chosen),
        latencies=latencies(tally.took, tally.busiest(top)),
        future=tally.future,
        unreadable=tally.unreadable,
        sampled=sampled,
        note=snapshot.note,
    )


def facet_named(word: str) -> str:
    """The field whose values are counted. Raises `Invalid`, with the word that was perhaps meant."""
    field = field_of(word)
    if field is None or (field.type == "member" and not field.has_facet):
        meant = nearest(word)
        hint = f"did you mean {meant}?" if meant and field is None else f"choose from {', '.join(FACETS)}"
        raise Invalid(f"there is nothing to count by {word[:60]!r}", hint=hint)
    return field.name


def _counted(search: Search, snapshot: Snapshot, wanted: Filter, options: Options) -> tuple[Tally, int, int]:
    """Both shares; the journal's first, for it says how far the range goes that the lake's is counted in."""
    tally = Tally(options.fields, options.now, with_latency=options.with_latency)
    is_wanted = matching(wanted)
    for record in search.beyond(snapshot):
        if record.event is None:
            tally.unreadable += 1
        elif is_wanted(record.event):
            tally.row(to_row(record.event, record.position.writer, record.position.index))
    sampled = 0
    if snapshot.table is not None:
        share = LakeShare(snapshot.table, condition(wanted), options)
        first = wanted.since if wanted.since is not None else share.oldest()
        oldest = min((one for one in (first, tally.oldest) if one is not None), default=options.now)
        sampled = share.count(tally, span_for(*_range(wanted, tally, options.now, oldest), options.buckets))
    span = span_for(*_range(wanted, tally, options.now), options.buckets)
    tally.in_spans(span)
    return tally, span, sampled


def _range(wanted: Filter, tally: Tally, now: int, oldest: int | None = None) -> tuple[int, int]:
    """The range that is drawn: what was asked for, where it is open up to what there is."""
    begin = oldest if oldest is not None else tally.oldest
    since = wanted.since if wanted.since is not None else now - 3600 * SECOND if begin is None else begin
    until = wanted.until if wanted.until is not None else max(now, (tally.newest or 0) + 1)
    return since, max(until, since + 1)


def _spans(seconds: Counter[tuple[int, str]], since: int, until: int, span: int) -> tuple[Span, ...]:
    by_start: dict[int, dict[str, int]] = {}
    for (start, outcome), number in seconds.items():
        by_start.setdefault(start, {})[outcome] = number
    return tuple(Span(start, by_start.get(start, {})) for start in range(since // span * span, until, span))


def _facet(tally: Tally, name: str, top: int) -> Facet:
    ordered = sorted(tally.facets[name].items(), key=lambda item: (-item[1], item[0]))
    return Facet(
        name,
        tuple(Count(*item) for item in ordered[:top]),
        max(0, len(ordered) - top),
        is_cut=name in tally.cut,
        is_about=name in tally.about,
    )
