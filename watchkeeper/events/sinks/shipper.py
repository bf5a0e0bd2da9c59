"""Ships the journal to one receiver, at least once, in the order of each log, whatever happens to either side.

1. The cursor is durable, and moves only past what the receiver said is there to stay (an event lost in a crash). What
   was sent and not acknowledged is sent again from the journal.
2. One part is on its way at a time, and what follows waits until it is taken (events out of order).
3. A part that is refused is halved until the event that cannot be taken stands alone; that one is put aside (one poison
   event blocks all, or is lost with its neighbours). Where one after the other is refused, it slows down.
4. The cursor and the counts are one write: what is counted is what is before the cursor (counts that are not true).
5. What waits is bounded; what is let go is counted by reason and recorded (a silent gap).
6. A failure is recorded once when it begins to last and once when it ends (a loop: what is recorded is shipped, too).
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.core.text import visible
from watchkeeper.events.journal.model import Position, Waiting
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.model import Event, Severity, new_event
from watchkeeper.events.sinks import bounds
from watchkeeper.events.sinks.backoff import pause
from watchkeeper.events.sinks.feed import Feed, after, dead_of, halves
from watchkeeper.events.sinks.filters import filter_of
from watchkeeper.events.sinks.interface import Sink
from watchkeeper.events.sinks.ledger import Ledger, State
from watchkeeper.events.sinks.model import SAID, BatchRefused, Dead, Entry, NotTaken, Part, Receipt, Standing, Tally
from watchkeeper.events.sinks.settings import SinkSettings

_LOOK = 1000
_MOST_IN_FLIGHT = 64
"""Parts that wait to be settled."""
_BOUNDS_EVERY = SECOND
_TOLD_EVERY = 60 * SECOND
"""Between two records of what was dropped."""
_SUSPICIOUS = 20
"""So many refused in a row are hardly poison: the receiver expects something else. What follows is tried one at a time,
with a pause before each, so that somebody can mend it before everything is put aside."""
_LASTING = 2
"""Attempts in a row after which a failure is recorded."""
_END_WITHIN = 7.0
"""Seconds; less than the watch waits for its readers."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ground:
    """What a shipper stands on."""

    reader: JournalReader
    ledger: Ledger
    clock: Clock
    record: Callable[[Event], object]
    """Takes what the shipper has to say; may raise `Unavailable`."""
    chance: Callable[[], float] = random.random
    now: Mapping[str, int] | None = None
    """Where a new sink that begins now does begin; None: behind what the journal has when it first looks."""


@dataclass(frozen=True)
class _Sent:
    """A part that was handed over."""

    part: Part
    receipt: Receipt
    dead: tuple[Dead, ...]


class Shipper:
    """Of one sink; `run` in a thread of its own. `standing` may be called from any."""

    def __init__(self, name: str, settings: SinkSettings, sink: Sink, on: Ground) -> None:
        self._name = name
        self._settings = settings
        self._sink = sink
        self._on = on
        self._lets_through = filter_of(settings)
        self._feed = Feed(
            on.reader, sink.render, self._lets_through, events=settings.batch_events, bytes=settings.batch_bytes
        )
        self._state: State | None = None
        self._work: deque[Part] = deque()
        """What was taken from the feed and not yet from us, in order."""
        self._flight: deque[_Sent] = deque()
        self._runs = False
        self._attempts = 0
        self._due = 0
        self._failing_since = 0
        self._is_told = False
        self._error: tuple[str, str] = ("", "")
        self._said = ""
        self._put_aside = 0
        self._refused = 0
        """How many events in a row, with none between them that was taken."""
        self._looked_at = 0
        self._untold: dict[str, int] = {}
        """Reason → how many were dropped or put aside and not recorded yet."""
        self._told_at = 0

    # -- from outside

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; outlives whatever the receiver, the disk or the database do."""
        self._runs = True
        try:
            while not stop.is_set():
                stop.wait(self._turn_or_say_why())
            self._end()
        finally:
            self._runs = False
            self._sink.close()
            self._on.ledger.release()

    def standing(self) -> Standing:
        """Counted now."""
        state, now = self._state, self._on.clock.now()
        waiting = self._waiting(state) if state is not None else None
        since = min((log.since for log in waiting.values() if log.since), default=0) if waiting else 0
        records = sum(log.records for log in waiting.values()) if waiting is not None else None
        error, hint = self._error
        return Standing(
            name=self._name,
            type=self._settings.type,
            state=self._word(records),
            tally=state.tally if state is not None else Tally(),
            waiting=records,
            waiting_bytes=sum(log.bytes for log in waiting.values()) if waiting is not None else None,
            oldest_seconds=None if waiting is None else max(0, now - since) / SECOND if since else 0.0,
            put_aside=self._put_aside,
            attempts=self._attempts,
            again_in=max(0, self._due - now) / SECOND if self._attempts else 0.0,
            error=error,
            hint=hint,
            said=self._said,
            last_sent_at=state.last_sent_at if state is not None else 0,
        )

    def turn(self) -> float:
        """Do what can be done now; returns seconds until there may be more. Raises what a sink, a disk may raise."""
        state = self._started()
        now = self._on.clock.now()
        if now - self._looked_at >= _BOUNDS_EVERY:
            self._looked_at = now
            state = self._within_bounds(state)
            self._tell_dropped(now)
        self._settle()
        if now < self._due:
            return min(1.0, (self._due - now) / SECOND)
        if len(self._flight) >= _MOST_IN_FLIGHT:
            return 0.02
        if not self._work:
            part = self._feed.take()
            if not part.entries and not part.tail:
                if self._flight:
                    return 0.05
                self._recovered()  # nothing is owed to anybody
                return self._settings.flush_seconds
            self._work.append(part)
        self._send(self._work.popleft())
        return 0.0

    def forget_put_aside(self) -> None:
        """What lies aside was changed by somebody else: count it anew."""
        self._put_aside = len(self._on.ledger.dead())

    # -- one part

    def _send(self, part: Part) -> None:
        fit = [entry for entry in part.entries if not entry.unfit]
        try:
            receipt = self._sink.send(fit) if fit else Receipt()
        except BatchRefused as error:
            if len(part.entries) == 1:
                self._hand_over(part, Receipt(said=error.reason), {id(fit[0]): error.reason})
            else:
                self._work.extendleft(reversed(halves(part)))
            return
        except NotTaken as error:
            self._work.appendleft(part)
            self._not_taken(error)
            return
        why = {id(fit[refusal.at]): refusal.why for refusal in receipt.refused}
        if receipt.taken is None or receipt.taken >= len(fit):
            self._hand_over(part, receipt, why)
            return
        at = next((n for n, entry in enumerate(part.entries) if entry is fit[receipt.taken]), len(part.entries))
        done, left = after(part, at)
        if done.entries:
            self._hand_over(done, receipt, why)
        self._work.appendleft(left)
        self._not_taken(NotTaken(receipt.said or "it takes no more for now", after=receipt.after))

    def _hand_over(self, part: Part, receipt: Receipt, why: dict[int, str]) -> None:
        now = self._on.clock.now()
        refused = [(entry, entry.unfit or why.get(id(entry), "")) for entry in part.entries]
        dead = tuple(dead_of(entry, now, visible(reason, limit=SAID)) for entry, reason in refused if reason)
        self._said = visible(receipt.said, limit=SAID)
        self._flight.append(_Sent(part, receipt, dead))
        self._settle()
        self._refused = self._refused + len(dead) if len(dead) == len(part.entries) else 0
        if self._refused > _SUSPICIOUS:
            reason = f"it refuses one event after the other: {dead[-1].why}"
            self._not_taken(NotTaken(reason, hint="compare type, format and index with what is expected there"))

    def _settle(self) -> None:
        """Move the cursor past what is there to stay; when something is not, everything from the cursor is sent
        again."""
        done: list[_Sent] = []
        try:
            while self._flight and (
                self._flight[0].receipt.ticket is None or self._sink.settled(self._flight[0].receipt.ticket)
            ):
                done.append(self._flight.popleft())
        except NotTaken as error:
            self._commit(done)
            self._rewind()
            self._not_taken(error)
            return
        self._commit(done)

    def _commit(self, done: list[_Sent]) -> None:
        state = self._state
        if not done or state is None:
            return
        dead = [letter for sent in done for letter in sent.dead]
        room = max(0, self._settings.dead_letters - self._put_aside)
        if dead[:room]:
            self._on.ledger.put_aside(dead[:room])
        entries = [entry for sent in done for entry in sent.part.entries]
        rejected = sum(sent.receipt.rejected for sent in done)
        sent = len(entries) - len(dead) - rejected
        removed = sum(e.removed for e in entries) + sum(one.part.removed for one in done)
        dropped = {bounds.FULL: len(dead[room:]), bounds.REJECTED: rejected, bounds.OVERTAKEN: removed}
        tally = state.tally.plus(
            sent=sent,
            filtered=sum(e.filtered for e in entries) + sum(one.part.filtered for one in done),
            unreadable=sum(e.unreadable for e in entries) + sum(one.part.unreadable for one in done),
            dead=len(dead[:room]),
            dropped=dropped,
        )
        cursor = dict(state.cursor)
        for one in done:
            cursor |= one.part.cursor
        self._save(
            State(
                cursor=cursor,
                last=_last(state, entries, cursor),
                tally=tally,
                last_sent_at=self._on.clock.now() if sent else state.last_sent_at,
            )
        )
        self._put_aside += len(dead[:room])
        self._note_dropped(dropped | {"put_aside": len(dead[:room])})
        if sent or not dead:
            self._recovered()

    def _rewind(self) -> None:
        self._flight.clear()
        self._work.clear()
        self._feed.begin(dict(self._state.cursor) if self._state is not None else {})

    # -- beginning, bounds

    def _started(self) -> State:
        if self._state is None:
            self._on.ledger.acquire()
            known = self._on.ledger.load()
            state = self._first() if known is None else self._of_this_journal(known)
            self._put_aside = len(self._on.ledger.dead())
            self._save(state)
            self._feed.begin(dict(state.cursor))
        assert self._state is not None
        return self._state

    def _first(self) -> State:
        if self._settings.start == "now" and self._on.now is not None:
            return State(cursor=dict(self._on.now))
        waiting = self._on.reader.waiting({})
        if self._settings.start == "beginning":
            return State(cursor={writer: log.first for writer, log in waiting.items()})
        return State(cursor={writer: log.end for writer, log in waiting.items()})

    def _of_this_journal(self, state: State) -> State:
        """A log that was restored from an older copy is another one beyond it: it is sent from its beginning again."""
        cursor = dict(state.cursor)
        for writer, log in self._on.reader.waiting(cursor).items():
            index, known = cursor.get(writer, 0) - 1, state.last.get(writer, "")
            if index < log.first or not known:
                if index >= log.end:
                    cursor[writer] = log.first
                continue
            found = self._on.reader.read(cursor | {writer: index}, limit=1 + len(cursor))
            mine = [one for one in found if one.position == Position(writer, index)]
            if not mine or (mine[0].event is not None and mine[0].event.id != known):
                cursor[writer] = log.first
        return msgspec.structs.replace(state, cursor=cursor)

    def _waiting(self, state: State) -> dict[str, Waiting]:
        return self._on.reader.waiting(dict(state.cursor))

    def _within_bounds(self, state: State) -> State:
        waiting = self._waiting(state)
        lost = bounds.overtaken(state.cursor, waiting)
        if lost:
            cursor = dict(state.cursor) | {writer: waiting[writer].first for writer in lost}
            state = self._let_go(state, cursor, {bounds.OVERTAKEN: sum(lost.values())}, 0, 0)
            waiting = self._waiting(state)
        reason, count = bounds.excess(self._settings, waiting, self._on.clock.now())
        while count > 0:
            looked, state = self._drop(state, reason, min(count, _LOOK))
            count = count - looked if looked else 0
        return state

    def _drop(self, state: State, reason: str, count: int) -> tuple[int, State]:
        """Let go of the oldest; how many records that was."""
        oldest = bounds.oldest_kept(self._settings, self._on.clock.now()) if reason == bounds.AGE else None
        cursor, filtered, unreadable, dropped, removed = dict(state.cursor), 0, 0, 0, 0
        young: set[str] = set()
        for record in self._on.reader.read(cursor, limit=count):
            writer, event = record.position.writer, record.event
            if writer in young:
                continue
            if oldest is not None and event is not None and event.time >= oldest:
                young.add(writer)
                continue
            cursor[writer] = record.position.index + 1
            if record.absent == "removed":
                removed += 1
            elif event is None:
                unreadable += 1
            elif self._lets_through(event):
                dropped += 1
            else:
                filtered += 1
        looked = filtered + unreadable + dropped + removed
        if not looked:
            return 0, state
        return looked, self._let_go(state, cursor, {reason: dropped, bounds.OVERTAKEN: removed}, filtered, unreadable)

    def _let_go(
        self, state: State, cursor: dict[str, int], dropped: dict[str, int], filtered: int, unreadable: int
    ) -> State:
        tally = state.tally.plus(filtered=filtered, unreadable=unreadable, dropped=dropped)
        moved = msgspec.structs.replace(state, cursor=cursor, tally=tally, last=_last(state, [], cursor))
        self._save(moved)
        self._rewind()
        self._note_dropped(dropped)
        return moved

    def _save(self, state: State) -> None:
        self._on.ledger.save(state)
        self._state = state

    # -- saying how it is

    def _end(self) -> None:
        """Wait a little for what is on its way; what does not settle is sent again after the next start."""
        until = time.monotonic() + _END_WITHIN
        while self._flight and time.monotonic() < until and not self._attempts:
            if self._turn_or_say_why(self._settled_one):
                time.sleep(0.05)
        self._turn_or_say_why(self._said_at_last)

    def _settled_one(self) -> float:
        self._settle()
        return 0.05

    def _said_at_last(self) -> float:
        self._tell_dropped(self._on.clock.now(), at_once=True)
        return 0.0

    def _turn_or_say_why(self, turn: Callable[[], float] | None = None) -> float:
        try:
            return (turn or self.turn)()
        except NotTaken as error:
            self._not_taken(error)
        except WatchkeeperError as error:
            self._rewind()
            self._not_taken(NotTaken(error.reason, hint=error.hint))
        except Exception as error:  # noqa: BLE001 — the outermost loop: it tries again, and says why it stands still
            _log.exception("a sink failed", extra={"sink": self._name})
            self._rewind()
            self._not_taken(NotTaken(f"{type(error).__name__}: {error}", hint="look at the log of the watch"))
        return 0.05

    def _not_taken(self, error: NotTaken) -> None:
        now = self._on.clock.now()
        self._attempts += 1
        self._failing_since = self._failing_since or now
        wait = pause(self._attempts, self._settings.retry_seconds, error.after, self._on.chance)
        self._due = now + int(wait * SECOND)
        self._error = (visible(error.reason, limit=SAID), error.hint)
        if self._attempts >= _LASTING and not self._is_told:
            body = {"why": self._error[0], "attempts": self._attempts, "since": self._failing_since}
            self._is_told = self._tell("events.sink.failed", "failure", Severity.MEDIUM, body)

    def _recovered(self) -> None:
        if not self._attempts:
            return
        now = self._on.clock.now()
        if self._is_told:
            body = {"attempts": self._attempts, "seconds": round((now - self._failing_since) / SECOND, 1)}
            self._tell("events.sink.recovered", "success", Severity.INFORMATIONAL, body)
        self._attempts, self._due, self._failing_since, self._is_told, self._error = 0, 0, 0, False, ("", "")

    def _note_dropped(self, dropped: dict[str, int]) -> None:
        for reason, count in dropped.items():
            if count:
                self._untold[reason] = self._untold.get(reason, 0) + count

    def _tell_dropped(self, now: int, *, at_once: bool = False) -> None:
        if not self._untold or (not at_once and self._told_at and now - self._told_at < _TOLD_EVERY):
            return
        body = {"reasons": dict(self._untold), "count": sum(self._untold.values())}
        if self._tell("events.sink.dropped", "failure", Severity.MEDIUM, body):
            self._untold.clear()
            self._told_at = now

    def _tell(self, kind: str, outcome: str, severity: Severity, body: dict[str, Any]) -> bool:
        now = self._on.clock.now()
        event = new_event(
            now,
            kind,
            actor="system:watch",
            target=f"sink:{self._name}",
            outcome=outcome,
            severity=severity,
            body={"sink": self._name, "type": self._settings.type, **body},
        )
        try:
            self._on.record(event)
        except Unavailable:
            return False  # said at the next occasion
        return True

    def _word(self, waiting: int | None) -> str:
        if not self._runs:
            return "stopped"
        if self._attempts:
            return "failing"
        return "sending" if waiting else "idle"


def _last(state: State, entries: list[Entry], cursor: dict[str, int]) -> dict[str, str]:
    """The id of the event just before the cursor of each log, where it is known."""
    found = {writer: known for writer, known in state.last.items() if cursor.get(writer) == state.cursor.get(writer)}
    for entry in entries:
        writer, index = entry.record.position.writer, entry.record.position.index
        if entry.record.event is not None and cursor.get(writer) == index + 1:
            found[writer] = entry.record.event.id
    return found
