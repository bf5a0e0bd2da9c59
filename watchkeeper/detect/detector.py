"""Follows the journal and raises alerts, each exactly once whatever happens to the process.

1. How far it has come, what its stages remember and the events it owes are committed at once, before one of these
   events is published (a lost alert, a count that is off by what came after).
2. What is owed is published once (`stream.outbox`), also after a crash and after an older state was put back.
3. A cursor beyond the end of a journal that was restored begins anew (events never looked at).
4. What detection and response record themselves is never matched (a loop).
5. Whatever fails on an event is recorded, at most once a minute, and the others go on (one bad rule stops all).
6. An event that comes twice is looked at once; one that is late, or from a wrong clock, is counted
   (`stream.watermark`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from watchkeeper.core.clock import SECOND, Clock, SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.detect.alerts.model import RAISED
from watchkeeper.detect.interface import Stage
from watchkeeper.detect.model import Rule
from watchkeeper.detect.origin import is_own
from watchkeeper.detect.settings import DetectSettings
from watchkeeper.detect.stream.counts import Counts, Progress, Rate
from watchkeeper.detect.stream.duplicates import Duplicates
from watchkeeper.detect.stream.judging import At, Court, Judge
from watchkeeper.detect.stream.memories import Loss, Memories
from watchkeeper.detect.stream.outbox import Outbox
from watchkeeper.detect.stream.partition import Partition
from watchkeeper.detect.stream.records import memory_lost
from watchkeeper.detect.stream.spans import before, is_there, one_log
from watchkeeper.detect.stream.state import Commit, State
from watchkeeper.detect.stream.watermark import Watermark
from watchkeeper.events import Event, Journal, JournalReader, Position, Record
from watchkeeper.events.model import VERSION

_CHUNK = 4096
"""Records of one look: as many as the journal commits at once."""
_HURRY = SECOND // 10
"""What is found in a look that takes longer is not kept waiting for its end."""
_SHARE = 3
_LONGEST = 150_000
"""Under load, a transaction that took long is followed by the next after as much again three times, or after so many
microseconds: writing what stages remember, over and over, must not take the time that it takes to find anything."""
_KNOWN_AGAIN = 16_384
"""Events whose ids are known again."""
_NOTHING: At = (Event(v=VERSION, id="", time=0, kind=""), Position("", 0))
_SETTINGS = DetectSettings()
_SYSTEM = SystemClock()
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a detector reads, writes and remembers."""

    journal: Journal
    reader: JournalReader
    database: Database
    name: str = "detect"
    """What its state is kept under."""


class Detector:
    """One per name and data folder, in the process that owns the journal it writes."""

    def __init__(
        self, court: Court, place: Place, *, clock: Clock = _SYSTEM, settings: DetectSettings = _SETTINGS
    ) -> None:
        self._court = court
        self._place = place
        self._clock = clock
        self._settings = settings
        self._state = State(place.database, place.name)
        self._outbox = Outbox(place.journal, place.reader)
        self._time = Watermark(settings)
        self._memories = Memories((self._time, *court.stages, court.admission))
        self._duplicates = Duplicates(_KNOWN_AGAIN)
        self._counts = Counts()
        self._rate = Rate()
        self._judge = Judge(court, clock, self._counts)
        self._turn = threading.RLock()
        self._cursor: dict[str, int] | None = None
        self._cuts: dict[str, int] = {}
        self.saved: dict[str, int] | None = None
        """The cursor as it is durable; `None` before the first look."""
        self._saved_at = 0
        self._not_before = 0
        self._is_failed = False
        """The last transaction did not happen: it comes before anything else."""
        self._last: At = _NOTHING
        """What was looked at last."""
        self._trouble = ""

    def run(self, stop: threading.Event) -> None:
        """Follow the journal until told to stop; outlives a full disk or a locked database."""
        while not stop.is_set():
            if not self._step_or_say_why():
                stop.wait(self._settings.poll_milliseconds / 1000)
        self._step_or_say_why()
        self._save_or_say_why()

    def step(self) -> int:
        """Deal with what the journal has now, up to 4096 records; returns how many. Raises `Unavailable`."""
        with self._turn:
            return self._step()

    def _step(self) -> int:
        cursor = self._started()
        self._publish()
        if self._is_failed:
            self.save()
        cursor.update(self._place.reader.resumed(cursor, self._cuts))
        records = self._place.reader.read(cursor, limit=_CHUNK)
        self._take(records)
        self._pass_time(is_idle=not records)
        if self._is_due(is_idle=not records):
            self.save()
        self._rate.note(len(records), self._clock.now())
        return len(records)

    def save(self) -> None:
        """Make durable how far it has come and all that follows, then publish what is owed. Raises `Unavailable`."""
        if self._cursor is None:
            return
        saved = self.saved or {}
        owed = self._outbox.gathered
        commit = Commit(
            cursor={writer: index for writer, index in self._cursor.items() if saved.get(writer) != index},
            changes=self._memories.changes(),
            owed=owed,
            published=self._outbox.published,
            emptied=self._memories.emptied,
        )
        began, self._is_failed = self._clock.now(), True
        self._state.commit(commit)
        self._is_failed = False
        self._memories.committed()
        self._outbox.committed(owed)
        self.saved = dict(self._cursor)
        self._saved_at = self._clock.now()
        self._not_before = self._saved_at + min(_SHARE * (self._saved_at - began), _LONGEST)
        self._publish()

    def forget(self, is_named: Callable[[bytes], object]) -> int:
        """Remember nothing more that speaks of somebody; how many rows are gone. Any thread. Raises `Unavailable`."""
        with self._turn:
            self._started()
            self.save()
            self.save()  # what was owed is published, and is not kept either
            gone = self._state.forget(is_named)
            kept = self._state.load()
            self._memories.restore(kept.memories, kept.damaged)
            return gone

    @property
    def watermark(self) -> int:
        """How far event time has come."""
        return self._time.now

    def catch_up(self, end: Mapping[str, int], watermark: int = 0) -> None:
        """Deal with all that stands before `end` and nothing behind it, let event time come to `watermark`, and owe
        nothing. Raises `Unavailable`."""
        cursor = self._started()
        self._publish()
        while records := before(self._place.reader, cursor, end):
            self._take(records)
            self.save()
        if self._time.reach(watermark):
            self._owe(self._judge.pass_time(watermark, self._last), self._last)
        self.save()
        self.save()  # what was owed is published: so much is remembered by another one

    @property
    def rules(self) -> tuple[Rule, ...]:
        """In force."""
        return self._court.matcher.rules

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Behind the rules."""
        return self._court.stages

    @property
    def partition(self) -> Partition:
        """Its share."""
        return self._court.partition

    def progress(self) -> Progress:
        """Counted now."""
        waits = self._place.reader.waiting(dict(self._cursor or {})).values()
        return Progress(
            **msgspec.structs.asdict(self._counts),
            waiting=sum(one.records for one in waits),
            watermark=self._time.now,
            rate=self._rate.value(self._clock.now()),
            trouble=self._trouble,
            unfollowed=sum(stage.unfollowed for stage in self._court.stages),
        )

    # ── one batch ──

    def _is_due(self, *, is_idle: bool) -> bool:
        """Whether to commit after a look: what was found soon, the mere place in the journal once in a while."""
        now = self._clock.now()
        if self._outbox.has_gathered:
            return is_idle or now >= self._not_before
        is_due = now - self._saved_at >= self._settings.save_seconds * SECOND
        return is_due and (not is_idle or bool(self._outbox.published))

    def _take(self, records: Sequence[Record]) -> None:
        cursor, now = self._started(), self._clock.now()
        heard = {r.position.writer for r in records if r.event is not None and not is_own(r.event.kind)}
        self._time.hear(heard, now)
        for record in records:
            if record.event is None:
                self._counts.corrupt += record.absent == "corrupt"
                self._counts.unreadable += record.absent != "corrupt"
            elif not is_own(record.event.kind):
                self._look(record.event, record.position, now)
            cursor[record.position.writer] = record.position.index + 1
            self._counts.events += 1
            if self._outbox.has_gathered and self._clock.now() >= max(now + _HURRY, self._not_before):
                self.save()
                now = self._clock.now()

    def _look(self, event: Event, position: Position, now: int) -> None:
        if self._duplicates.has_seen(event.id):
            self._counts.duplicates += 1
            return
        timed = self._time.take(event, position.writer, now)
        self._counts.late += timed.is_late
        self._counts.skewed += timed.is_skewed
        self._last = (event, position)
        self._owe(self._judge.judge(event, position, timed), self._last)
        self._pass_time()

    def _pass_time(self, *, is_idle: bool = False) -> None:
        watermark = self._time.advance(self._clock.now(), is_idle=is_idle)
        if watermark:
            self._owe(self._judge.pass_time(watermark, self._last), self._last)

    def _owe(self, derived: Sequence[Event], at: At) -> None:
        for event in derived:
            if not self._outbox.owe(event):
                for failure in self._judge.unrecordable(event, at):
                    self._outbox.owe(failure)

    def _publish(self) -> None:
        self._counts.alerts += sum(event.kind == RAISED for event in self._outbox.publish())

    # ── the start ──

    def _started(self) -> dict[str, int]:
        """The cursor; on the first call, everything is as it was committed last."""
        if self._cursor is None:
            kept = self._state.load()
            cursor = {writer: at for writer, at in kept.cursor.items() if is_there(self._place.reader, writer, at - 1)}
            lost = self._memories.restore(kept.memories, kept.damaged)
            unsent = self._outbox.recover(kept.owed, cursor)
            if unsent:
                lost.append(Loss("outbox", unsent, len(kept.owed) - unsent, "rows are not as they were written"))
            self._know_again(cursor)
            self._tell(lost)
            self._cursor = cursor
        return self._cursor

    def _tell(self, lost: Sequence[Loss]) -> None:
        for loss in lost:
            self._counts.forgotten += loss.rows
            _log.error("what detection remembered is lost in part", extra=msgspec.structs.asdict(loss))
            self._outbox.owe(memory_lost(self._place.name, loss, self._clock.now()))

    def _know_again(self, cursor: dict[str, int]) -> None:
        """The ids of what was looked at last, from the journal itself."""
        share = _KNOWN_AGAIN // max(1, len(cursor))
        for writer, index in cursor.items():
            for record in one_log(self._place.reader, writer, max(0, index - share), index):
                if record.event is not None and not is_own(record.event.kind):
                    self._duplicates.has_seen(record.event.id)

    # ── the outermost loop ──

    def _step_or_say_why(self) -> int:
        try:
            done = self.step()
            self._trouble = ""
            return done
        except WatchkeeperError as error:
            self._complain(error.reason)
        except Exception as error:  # noqa: BLE001 — the outermost loop: it tries again, and says why it stands still
            self._complain(f"{type(error).__name__}: {error}")
        return 0

    def _save_or_say_why(self) -> None:
        try:
            self.save()
        except WatchkeeperError as error:
            self._complain(error.reason)

    def _complain(self, why: str) -> None:
        if why != self._trouble:
            _log.warning("detection stands still", extra={"why": why})
        self._trouble = why
