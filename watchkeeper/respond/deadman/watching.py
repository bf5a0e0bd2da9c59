"""When silence is an alarm, and when it is over. Pure; times are seconds of a clock that only runs forward.

1. What was heard and is not for longer than its patience is silent: one alarm, however long it lasts.
2. It is back when it was heard without a break for the recovery time, longer each time it comes and goes (flapping).
3. What nobody can know now is not judged: when the watch is silent, its sinks are not silent too.
4. Who did not look has heard nothing: after a while in which the switch itself stood still, every patience begins anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from watchkeeper.core.ids import observed_id

UNKNOWN, WELL, SILENT = "unknown", "well", "silent"
_MEMORY = 900.0
"""Seconds for which an alarm counts when it is asked whether a source comes and goes."""
_LONGEST_RECOVERY = 600.0


class Seen(msgspec.Struct, frozen=True):
    """What a look at one source brought."""

    is_heard: bool | None
    """None when it cannot be known now."""
    why: str = ""
    patience: float = 20.0


class Change(msgspec.Struct, frozen=True):
    """A source became silent, or is back."""

    source: str
    alarm: str
    is_silent: bool
    why: str
    seconds: float
    """How long nothing was heard."""


class Told(msgspec.Struct, frozen=True):
    """A source, for people."""

    name: str
    state: str
    why: str
    alarm: str
    quiet_seconds: float


@dataclass
class _Source:
    since: float
    heard_at: float
    state: str = UNKNOWN
    why: str = ""
    alarm: str = ""
    well_since: float | None = None
    alarms: deque[float] = field(default_factory=lambda: deque(maxlen=8))


class Watching:
    """All sources of one switch."""

    def __init__(self, *, start: float, recover: float, still: float) -> None:
        """Seconds: what was never heard may take `start`; `recover` as above; `still` without a look is not looking."""
        self._start = start
        self._recover = recover
        self._still = still
        self._sources: dict[str, _Source] = {}
        self._looked_at: float | None = None

    def restore(self, source: str, alarm: str, why: str, now: float) -> None:
        """An alarm of an earlier life that is not over."""
        self._sources[source] = _Source(now, now, SILENT, why, alarm)

    def look(self, seen: Mapping[str, Seen], now: float) -> list[Change]:
        """Take what a look brought; sources that are named no longer are forgotten."""
        if self._looked_at is not None and now - self._looked_at > self._still:
            for source in self._sources.values():
                source.heard_at, source.since = now, max(source.since, now if source.state == UNKNOWN else 0.0)
        self._looked_at = now
        changes = [change for name, one in seen.items() if (change := self._judge(name, one, now)) is not None]
        for name in [name for name, source in self._sources.items() if name not in seen and source.state != SILENT]:
            del self._sources[name]
        return changes

    def told(self, now: float) -> list[Told]:
        """Every source, the silent ones first."""
        rows = [
            Told(name, one.state, one.why, one.alarm, round(max(0.0, now - one.heard_at), 1))
            for name, one in self._sources.items()
        ]
        return sorted(rows, key=lambda row: (row.state != SILENT, row.name))

    def _judge(self, name: str, seen: Seen, now: float) -> Change | None:
        source = self._sources.setdefault(name, _Source(now, now))
        if seen.is_heard is None:
            source.well_since = None
            if source.state != SILENT:
                source.heard_at, source.why = now, seen.why
            return None
        if seen.is_heard:
            return self._heard(name, source, now)
        source.well_since, source.why = None, seen.why
        patience = max(self._start, seen.patience) if source.state == UNKNOWN else seen.patience
        if source.state == SILENT or now - source.heard_at < patience:
            return None
        source.state, source.alarm = SILENT, observed_id()
        source.alarms.append(now)
        return Change(name, source.alarm, is_silent=True, why=seen.why, seconds=round(now - source.heard_at, 1))

    def _heard(self, name: str, source: _Source, now: float) -> Change | None:
        if source.state != SILENT:
            source.state, source.heard_at, source.why = WELL, now, ""
            return None
        source.well_since = now if source.well_since is None else source.well_since
        lately = sum(now - at < _MEMORY for at in source.alarms)
        needed = min(_LONGEST_RECOVERY, self._recover * 2 ** max(0, lately - 1))
        if now - source.well_since < needed:
            return None
        alarm, why, seconds = source.alarm, source.why, round(source.well_since - source.heard_at, 1)
        source.state, source.heard_at, source.why, source.alarm = WELL, now, "", ""
        return Change(name, alarm, is_silent=False, why=why, seconds=max(0.0, seconds))
