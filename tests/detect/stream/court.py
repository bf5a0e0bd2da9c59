"""What tests of the stream judge with: a rule, a stage that counts, a stage that waits for time; no Sigma, no hurry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from watchkeeper.core.clock import SECOND, Clock, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.detect import DetectSettings
from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.detect.conditions.model import And
from watchkeeper.detect.detector import Detector, Place
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.keys import key_of
from watchkeeper.detect.model import Detection, Heading, Rule
from watchkeeper.detect.stream.arrangement import name_of
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.detect.stream.partition import Partition, Shared
from watchkeeper.events import Event, Journal, JournalReader, Position, Severity, new_event

T = 1_790_000_000_000_000
KIND = "gateway.request.decided"
_NOWHERE = Position("", 0)
TARGETS = ("read", "write", "list")


def denied(fields: Fields) -> bool:
    return fields.texts("outcome") == ["deny"]


RULE = Rule(
    id="denied",
    name="denied",
    title="A denied call",
    level=Severity.HIGH,
    version="1",
    group=("server", "target"),
    kinds=frozenset({KIND}),
    domain="",
    reads=frozenset({"outcome"}),
    condition=And(()),
    holds=denied,
    match=(),
    clean=(),
)
RULES = (RULE, replace(RULE, id="per-server", name="per-server", group=("server",)))
"""One about a place, and one about a server: of the second, some worker has all."""


class Counting:
    """Every third call to a target is a detection, and so is none that it forgot or counted twice."""

    needs: frozenset[str] = frozenset()
    unfollowed: int = 0

    def __init__(self, partition: Partition | None = None, name: str = "counting") -> None:
        self.name = name
        self.by = Heading(id=name, name=name, title="Every third", level=Severity.LOW, version="1")
        self.counts: dict[str, int] = {}
        self._partition = partition or Partition()
        self._dirty: set[str] = set()

    def restore(self, kept: Mapping[str, bytes]) -> None:
        self._dirty.clear()
        self.counts = {key: msgspec.json.decode(value, type=int) for key, value in kept.items()}

    def changes(self) -> Mapping[str, bytes | None]:
        dirty, self._dirty = self._dirty, set()
        return {key: msgspec.json.encode(self.counts[key]) for key in dirty}

    def look(self, seen: Seen) -> Iterable[Detection]:
        target = seen.event.target
        if seen.event.kind != KIND or not self._partition.owns(self.name):
            return
        key = key_of(self.name, target)
        self.counts[key] = self.counts.get(key, 0) + 1
        self._dirty.add(key)
        if self.counts[key] % 3 == 0:
            yield Detection(
                by=self.by,
                event=seen.event,
                position=seen.position,
                group=target,
                key=(self.counts[key],),
                severity=Severity.LOW,
                evidence=((seen.position, seen.event.id),),
            )

    def pass_time(self, watermark: int) -> Iterable[Detection]:
        return ()


class Windows(Counting):
    """Says of each ten seconds, once event time has passed them, how many calls a target had."""

    def __init__(self, partition: Partition | None = None, name: str = "windows") -> None:
        super().__init__(partition, name)
        self._last: Seen | None = None

    def look(self, seen: Seen) -> Iterable[Detection]:
        target = seen.event.target
        if seen.event.kind == KIND and not seen.is_late and self._partition.owns(self.name):
            key = key_of(self.name, target, seen.time // (10 * SECOND))
            self.counts[key] = self.counts.get(key, 0) + 1
            self._dirty.add(key)
        return ()

    def changes(self) -> Mapping[str, bytes | None]:
        dirty, self._dirty = self._dirty, set()
        return {key: msgspec.json.encode(self.counts[key]) if key in self.counts else None for key in dirty}

    def pass_time(self, watermark: int) -> Iterable[Detection]:
        due = sorted(key for key in self.counts if (int(key.split("\x1f")[2]) + 1) * 10 * SECOND <= watermark)
        for key in due:
            _, target, window = key.split("\x1f")
            count = self.counts.pop(key)
            self._dirty.add(key)
            event = Event(v=1, id=f"window {window}", time=watermark, kind=KIND, server="files", target=target)
            yield Detection(
                by=self.by,
                event=event,
                position=_NOWHERE,
                group=target,
                key=(window, count),
                severity=Severity.LOW,
            )


class Bench:
    """A data folder with a gateway's log, the watch's log and the state; detectors come and go."""

    def __init__(self, data: Path, clock: Clock | None = None) -> None:
        self.data = data
        self.clock = clock or ManualClock(T)
        self.database = Database.at(data / "state.db")
        self.database.create_missing_tables()
        self.gateway = Journal.open(data, "gateway", self.clock)
        # its opening must not hold event time back in tests, where no time goes by
        self.watch = Journal.open(data, "watch", ManualClock(T + 3600 * SECOND))

    def close(self) -> None:
        self.gateway.close()
        self.watch.close()
        self.database.close()

    def record(self, events: Iterable[Event], journal: Journal | None = None) -> None:
        journal = journal or self.gateway
        last = -1
        for event in events:
            if isinstance(self.clock, ManualClock):
                self.clock.advance(event.time - self.clock.now())
            last = journal.append(event)
        if last >= 0:
            journal.wait(last)

    def detector(self, court: Court | None = None, journal: Journal | None = None, **settings: float) -> Detector:
        court = court or court_of()
        place = Place(journal or self.watch, JournalReader(self.data), self.database, name_of(court.partition))
        return Detector(court, place, clock=self.clock, settings=DetectSettings(**settings))  # type: ignore[arg-type]

    def derived(self) -> list[Event]:
        """Everything that detection recorded, in any log."""
        reader, at, found = JournalReader(self.data), {"gateway": 1 << 60}, []
        while records := reader.read(at):
            at |= {record.position.writer: record.position.index + 1 for record in records}
            found += [r.event for r in records if r.event is not None and r.event.kind.startswith("detect.")]
        return found

    def alerts(self) -> list[str]:
        return [event.id for event in self.derived() if event.kind == "detect.alert.raised"]


def court_of(partition: Partition | None = None) -> Court:
    stages = (Counting(partition), Windows(partition))
    if partition is None:
        return Court(Loop(RULES), stages)
    return Court(Shared(Loop, RULES, frozenset(), partition), stages, partition=partition)


def call(at: int, target: str = "read", outcome: str = "allow", **fields: object) -> Event:
    """`at` in microseconds after the beginning."""
    return new_event(T + at, KIND, outcome=outcome, server="files", target=target, **fields)


def calls(count: int, since: int = 0) -> list[Event]:
    """A call every tenth of a second; every fourth is denied."""
    return [
        call(at * SECOND // 10, TARGETS[at % 3], "deny" if at % 4 == 0 else "allow")
        for at in range(since, since + count)
    ]


def drain(detector: Detector) -> None:
    while detector.step():
        pass
