"""Intelligence as the console's page wants it."""

from __future__ import annotations

from collections.abc import Sequence

from watchkeeper.app.settings import Loaded
from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.keeping.sources import POLLED, Source
from watchkeeper.detect.intelligence.looking.finding import found_in
from watchkeeper.detect.intelligence.model import TYPE_OF, Indicator
from watchkeeper.detect.intelligence.retro import Progress, progress_of
from watchkeeper.detect.intelligence.sightings import Sighting, sightings
from watchkeeper.web.intelligence import IndicatorRow, LookedFor, SeenRow, SourceRow

_MOST = 100


class IntelligenceView:
    """Reads the store as it is on disk, and what the stream has committed."""

    def __init__(self, loaded: Loaded, database: Database, clock: Clock) -> None:
        self._library = Library(loaded.data_dir, clock, loaded.settings.intelligence)
        self._database = database
        self._clock = clock

    def looked_for(self) -> LookedFor:
        head = self._library.open().head
        return LookedFor(
            indicators=head.indicators,
            values=head.keys,
            by_type=dict(head.by_type),
            built=head.built,
            expired=head.expired,
            revoked=head.revoked,
            silenced=sum(head.silenced.values()),
            waiting=self._library.waiting(),
            past=_past(progress_of(self._library)),
        )

    def sources(self) -> Sequence[SourceRow]:
        counts = self._library.open().head.by_source
        now = self._clock.now()
        return [_source(one, counts.get(one.name, 0), now) for one in self._library.register.all().values()]

    def search(self, text: str) -> Sequence[IndicatorRow]:
        now = self._clock.now()
        found = [one for hit in found_in(text, self._library.open()) for one in hit.indicators]
        return [_indicator(one, now) for one in found[:_MOST]]

    def seen(self) -> Sequence[SeenRow]:
        every = sorted(sightings(self._database).values(), key=lambda one: (-one.last, one.key))
        return [_seen(one) for one in every[:_MOST]]


def _source(one: Source, looked_for: int, now: int) -> SourceRow:
    return SourceRow(
        name=one.name,
        kind=one.kind,
        state=_state(one, now),
        trouble=one.trouble,
        looked_for=looked_for,
        trust=one.trust,
        tlp=one.tlp.value,
        succeeded=one.succeeded,
    )


def _state(one: Source, now: int) -> str:
    if one.kind not in POLLED:
        return "by_hand"
    if not one.is_on:
        return "switched_off"
    if one.is_stale(now):
        return "stale"
    if not one.polled:
        return "never_asked"
    return "failing" if one.trouble else "fresh"


def _indicator(one: Indicator, now: int) -> IndicatorRow:
    return IndicatorRow(
        type=one.type.value,
        value=one.value,
        source=one.source,
        confidence=one.weight,
        tlp=one.tlp.value,
        valid_until=one.valid_until,
        state="looked_for" if one.is_valid(now) else "expired",
        title=one.title,
    )


def _seen(one: Sighting) -> SeenRow:
    kind = TYPE_OF.get(one.key[:1])
    return SeenRow(
        type=kind.value if kind is not None else "",
        value=one.key[2:],
        count=one.count,
        past=one.past,
        first=one.first,
        last=one.last,
        server=one.server,
        actor=one.actor,
        event=one.event,
    )


def _past(progress: Progress) -> str:
    words = {
        "never": "The past was not searched yet.",
        "failed": f"The last search of the past failed: {progress.why}",
        "running": f"The past is being searched: {progress.events} events so far, {progress.found} of them show one.",
    }
    done = f"The past was searched: {progress.events} events, {progress.found} of them show one."
    return words.get(progress.state, done)
