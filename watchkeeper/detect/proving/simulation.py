"""How loud rules would have been: their alerts by day, and how often somebody would have been called. Pure.

Matches pass the admission of the stream, so that what is only the same again is counted and not told. Exceptions are
not asked: they may be gone when the rule is enabled.

Somebody is called when a group of alerts (a rule, and what it is about) speaks for the first time, or again after a
silence as long as the one that ends an incident. Matches of drills are counted apart: they call nobody. A range without
records, or without one event of the kinds that a rule looks at, has no answer, and is never shown as a quiet one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.alerts.admission import AlertAdmission, Limits
from watchkeeper.detect.alerts.model import RAISED
from watchkeeper.detect.model import Heading
from watchkeeper.detect.proving.backtest import Backtest
from watchkeeper.detect.proving.model import Hit
from watchkeeper.detect.proving.past import DAY, Reach

DRILL = "exercise"
WINDOW = 3600 * SECOND
_BARS = "▁▂▃▄▅▆▇█"
_TOP = 5


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's."""

    rule: str
    name: str
    version: str
    level: str
    events: int
    """Events of the kinds that it looks at; 0: nothing can be said."""
    matches: int
    """Without those of drills."""
    drills: int
    told: int
    """Alerts that would have been told, after grouping and throttling."""
    wakes: int
    """How often somebody would have been called."""
    groups: int
    days: tuple[int, ...]
    """Matches on each day of the range, the oldest first."""
    top: tuple[tuple[str, int], ...]
    """The groups with the most matches."""
    failures: int = 0
    """Events on which it could not be evaluated."""

    @property
    def is_known(self) -> bool:
        """Whether there was anything to look at."""
        return self.events > 0


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """A whole simulation."""

    reach: Reach
    volumes: tuple[Volume, ...]
    """The loudest first."""
    wakes: int
    """Of all rules together."""
    groups: int

    @property
    def is_known(self) -> bool:
        """Whether there is an answer at all."""
        return any(volume.is_known for volume in self.volumes)


class _Loudness:
    """What is counted of one rule's matches."""

    def __init__(self, days: int) -> None:
        self.days = [0] * days
        self.matched: Counter[str] = Counter()
        self.told: dict[str, list[int]] = defaultdict(list)
        self.drills = 0


def simulate(
    run: Backtest,
    rules: Sequence[Heading],
    hits: Iterable[Hit],
    reach: Reach,
    *,
    window: int = WINDOW,
    limits: Limits | None = None,
) -> Simulated:
    """The volume of every rule over a backtest's matches.

    `window` ends a call, in microseconds; `limits` are those of admission.
    """
    first = reach.since // DAY
    admission = AlertAdmission(limits)
    loud = {rule.id: _Loudness((reach.until - 1) // DAY - first + 1) for rule in rules}
    for hit in hits:
        mine = loud[hit.rule.id]
        if DRILL in hit.event.labels:
            mine.drills += 1
            continue
        mine.days[min(max(hit.event.time // DAY - first, 0), len(mine.days) - 1)] += 1
        mine.matched[hit.group] += 1
        if any(event.kind == RAISED for event in admission.admit(hit.found, hit.event.time)):
            mine.told[hit.group].append(hit.event.time)
    volumes = [_volume(run, rule, loud[rule.id], window) for rule in rules]
    return Simulated(
        reach=reach,
        volumes=tuple(sorted(volumes, key=lambda one: (-one.wakes, -one.matches, one.name))),
        wakes=sum(one.wakes for one in volumes),
        groups=sum(one.groups for one in volumes),
    )


def calls(times: Sequence[int], window: int) -> int:
    """How often a group would have called somebody: at its first match, and at each after a silence of `window`."""
    ordered = sorted(times)
    return sum(at == 0 or moment - ordered[at - 1] > window for at, moment in enumerate(ordered))


def sentence(simulated: Simulated) -> str:
    """What it comes to, for people."""
    reach = simulated.reach
    asked = f"{reach.asked:g} days" if reach.asked != 1 else "1 day"
    if reach.first is None:
        return f"No data: nothing was recorded in these {asked}, so nothing can be said."
    if not simulated.is_known:
        return f"No data: no event that these rules look at was recorded in these {asked}, so nothing can be said."
    times = "once" if simulated.wakes == 1 else f"{simulated.wakes} times"
    groups = "1 group" if simulated.groups == 1 else f"{simulated.groups} groups"
    said = f"Would have woken nobody in {asked}." if not simulated.wakes else ""
    said = said or f"Would have woken someone {times} in {asked}; {groups}."
    return f"{said} The records reach back only {reach.days:.1f} days of them." if reach.is_short else said


def sparkline(days: Sequence[int]) -> str:
    """One bar a day; an empty day is a dot, so that a small bar is never taken for none."""
    most = max(days, default=0)
    return "".join("·" if not n else _BARS[min(len(_BARS) - 1, n * len(_BARS) // (most + 1))] for n in days)


def _volume(run: Backtest, rule: Heading, loud: _Loudness, window: int) -> Volume:
    return Volume(
        rule=rule.id,
        name=rule.name,
        version=rule.version,
        level=rule.level.name.lower(),
        events=run.seen_by(rule),
        matches=sum(loud.days),
        drills=loud.drills,
        told=sum(map(len, loud.told.values())),
        wakes=sum(calls(times, window) for times in loud.told.values()),
        groups=len(loud.matched),
        days=tuple(loud.days),
        top=tuple(sorted(loud.matched.items(), key=lambda one: (-one[1], one[0]))[:_TOP]),
        failures=run.failures[rule.id],
    )
