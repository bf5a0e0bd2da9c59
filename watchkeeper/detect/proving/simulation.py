"""How loud rules would have been: their alerts by day, and how often somebody would have been called. Pure.

Matches pass the admission of the stream, so that what is only the same again is counted and not told: once as if there
were no exception, for it may be gone when the rule is enabled, and once with the exceptions that are in force today.

Somebody is called when a group of alerts (a rule, and what it is about) speaks for the first time, or again after a
silence as long as the one that ends an incident. Matches of drills are counted apart: they call nobody. A range without
records, or without one event of the kinds that a rule looks at, has no answer, and is never shown as a quiet one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.alerts.admission import AlertAdmission, Knowledge, Limits
from watchkeeper.detect.alerts.exceptions.held import Held
from watchkeeper.detect.alerts.exceptions.model import Exemption
from watchkeeper.detect.alerts.model import RAISED
from watchkeeper.detect.alerts.severity import weigh
from watchkeeper.detect.model import Heading
from watchkeeper.detect.proving.backtest import Backtest
from watchkeeper.detect.proving.model import Hit
from watchkeeper.detect.proving.past import DAY, Reach

DRILL = "exercise"
WINDOW = 3600 * SECOND
_BARS = "▁▂▃▄▅▆▇█"
_TOP = 5
_EVER = 1 << 62


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
    held: int
    """Matches that today's exceptions hold back."""
    told_with: int
    """Alerts that would have been told with today's exceptions."""
    wakes_with: int
    """How often somebody would have been called with them."""
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
    """Of all rules together, without exceptions."""
    wakes_with: int
    """The same, with today's exceptions."""
    exceptions: int
    """How many are in force today, for these rules or for all."""
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
        self.told_with: dict[str, list[int]] = defaultdict(list)
        self.held = 0
        self.drills = 0


def simulate(
    run: Backtest,
    rules: Sequence[Heading],
    hits: Iterable[Hit],
    reach: Reach,
    *,
    window: int = WINDOW,
    limits: Limits | None = None,
    exceptions: Sequence[Exemption] = (),
) -> Simulated:
    """The volume of every rule over a backtest's matches.

    `window` ends a call, in microseconds; `limits` are those of admission; `exceptions` are those in force today, and
    are asked as if they had held all the time.
    """
    first = reach.since // DAY
    always = tuple(msgspec.structs.replace(one, expires_at=_EVER) for one in exceptions)
    held = Held(lambda: always)
    without, with_them = AlertAdmission(limits), AlertAdmission(limits, Knowledge(exceptions=held))
    loud = {rule.id: _Loudness((reach.until - 1) // DAY - first + 1) for rule in rules}
    for hit in hits:
        mine, time = loud[hit.rule.id], hit.event.time
        if DRILL in hit.event.labels:
            mine.drills += 1
            continue
        mine.days[min(max(time // DAY - first, 0), len(mine.days) - 1)] += 1
        mine.matched[hit.group] += 1
        if _is_told(without, hit):
            mine.told[hit.group].append(time)
        if always and _is_told(with_them, hit):
            mine.told_with[hit.group].append(time)
        mine.held += bool(always) and held.by(hit.found, weigh(hit.found, {}).severity, time) is not None
    about = sum(1 for one in exceptions if one.rule == "" or one.rule in loud)
    volumes = [_volume(run, rule, loud[rule.id], window, is_excepted=bool(always)) for rule in rules]
    return Simulated(
        reach=reach,
        volumes=tuple(sorted(volumes, key=lambda one: (-one.wakes, -one.matches, one.name))),
        wakes=sum(one.wakes for one in volumes),
        wakes_with=sum(one.wakes_with for one in volumes),
        exceptions=about,
        groups=sum(one.groups for one in volumes),
    )


def _is_told(admission: AlertAdmission, hit: Hit) -> bool:
    return any(event.kind == RAISED for event in admission.admit(hit.found, hit.event.time))


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
    groups = "1 group" if simulated.groups == 1 else f"{simulated.groups} groups"
    said = f"Would have woken nobody in {asked}." if not simulated.wakes else ""
    said = said or f"Would have woken someone {_times(simulated.wakes)} in {asked}; {groups}."
    if simulated.exceptions and simulated.wakes:
        said += f" With the exceptions in force today ({simulated.exceptions}): {_times(simulated.wakes_with)}."
    return f"{said} The records reach back only {reach.days:.1f} days of them." if reach.is_short else said


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times" if count else "never"


def sparkline(days: Sequence[int]) -> str:
    """One bar a day; an empty day is a dot, so that a small bar is never taken for none."""
    most = max(days, default=0)
    return "".join("·" if not n else _BARS[min(len(_BARS) - 1, n * len(_BARS) // (most + 1))] for n in days)


def _volume(run: Backtest, rule: Heading, loud: _Loudness, window: int, *, is_excepted: bool) -> Volume:
    told_with = loud.told_with if is_excepted else loud.told
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
        held=loud.held,
        told_with=sum(map(len, told_with.values())),
        wakes_with=sum(calls(times, window) for times in told_with.values()),
        groups=len(loud.matched),
        days=tuple(loud.days),
        top=tuple(sorted(loud.matched.items(), key=lambda one: (-one[1], one[0]))[:_TOP]),
        failures=run.failures[rule.id],
    )
