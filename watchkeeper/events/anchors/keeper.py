"""Copies each log's newest checkpoint to every place, and compares, as time goes by. Never stands in recording's way.

A place that does not answer is told once, and asked again later each time; that it does not answer proves nothing. A
contradiction is told at every comparison that finds it: it does not go away by itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import Untrusted, WatchkeeperError
from watchkeeper.events.anchors.comparing import compare
from watchkeeper.events.anchors.model import KEY, Compared, Contradiction, copy_of
from watchkeeper.events.anchors.place import Place
from watchkeeper.events.journal import note as notes
from watchkeeper.events.journal.note import BadNote, Checkpoint, origin_of, verifier_key
from watchkeeper.events.journal.tiles.follow import Follower
from watchkeeper.events.journal.verifying.verification import public_key_of
from watchkeeper.events.model import Event, Severity, new_event

LOOK = 1.0
"""Seconds between two looks at what is due."""
_BACKOFF = (15, 60, 300, 900)
"""Seconds until a place that did not answer is asked again."""
_log = logging.getLogger(__name__)


Record = Callable[[Event], object]
"""Has an event recorded. Raises `Unavailable`."""


class Anchored(msgspec.Struct, frozen=True, kw_only=True):
    """How a place stands."""

    place: str
    copied_at: int = 0
    """When a checkpoint was last copied there, or found to be there already; 0 for never since the start."""
    sizes: dict[str, int] = {}
    """Log → the records that its newest copy covers."""
    failing_since: int = 0
    """0 when it answered the last time."""
    why: str = ""
    compared_at: int = 0
    """When its copies were last compared with the logs; 0 for never since the start."""
    contradictions: int = 0
    unreadable: int = 0
    not_compared: int = 0


class Placed(msgspec.Struct, frozen=True):
    """A place and how often it is due."""

    place: Place
    every: float
    """Seconds between two copies of a log that grows."""
    compare_every: float
    """Seconds between two comparisons."""


class _Standing:
    """One place's schedule."""

    def __init__(self, placed: Placed) -> None:
        self.placed = placed
        self.state = Anchored(place=placed.place.name)
        self.copy_due = 0
        self.compare_due = 0
        self.failures = 0
        self.has_key: set[str] = set()

    def change(self, **fields: Any) -> None:
        self.state = msgspec.structs.replace(self.state, **fields)


class Keeper:
    """One thread's, for all logs of a data folder."""

    def __init__(self, data_dir: Path, places: Sequence[Placed], record: Record, clock: Clock) -> None:
        self._data_dir = data_dir
        self._record = record
        self._clock = clock
        self._standings = [_Standing(placed) for placed in places]
        self._followers: dict[str, Follower] = {}
        self._is_closed = False

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        while not stop.is_set():
            self.round()
            stop.wait(LOOK)

    def round(self) -> None:
        """Compare and copy what is due. Comparing comes first: what is copied then is known to fit what was."""
        now = self._clock.now()
        for standing in self._standings:
            if now >= standing.compare_due:
                self._compare(standing)
            if now >= standing.copy_due:
                self._copy(standing)

    def close(self) -> None:
        """A last copy, once the logs are closed. Nothing can be recorded any more; what fails is in the log only."""
        self._is_closed = True
        for standing in self._standings:
            if not standing.state.failing_since:
                self._copy(standing)

    def state(self) -> list[Anchored]:
        """How each place stands. Any thread."""
        return [standing.state for standing in self._standings]

    # -- copying

    def _copy(self, standing: _Standing) -> None:
        now = self._clock.now()
        try:
            for writer in self._writers():
                self._copy_log(standing, writer)
        except WatchkeeperError as error:
            self._failed(standing, error.reason)
            return
        standing.change(copied_at=now)
        standing.copy_due = now + int(standing.placed.every * SECOND)
        self._answered(standing)

    def _copy_log(self, standing: _Standing, writer: str) -> None:
        place = standing.placed.place
        newest = self._newest(writer)
        if newest is None:
            return
        checkpoint, note, key = newest
        if checkpoint.size <= standing.state.sizes.get(writer, 0):
            return
        if writer not in standing.has_key:
            place.put(writer, KEY, key.encode())
            standing.has_key.add(writer)
        place.put(writer, copy_of(checkpoint).name, note)
        standing.change(sizes={**standing.state.sizes, writer: checkpoint.size})

    def _newest(self, writer: str) -> tuple[Checkpoint, bytes, str] | None:
        """The newest durable checkpoint, its note and its key; `None` when there is none to vouch for."""
        try:
            frame = self._followers.setdefault(writer, Follower(self._data_dir, writer)).newest()
            if frame is None or not frame.note:  # a group of a closed file; the next commit has a note
                return None
            public = public_key_of(self._data_dir, writer)
            checkpoint, signed = notes.read(frame.note)
            origin = origin_of(writer, public)
            if not notes.is_valid(checkpoint, signed, origin, public):
                raise Untrusted(f"the newest checkpoint of {writer} is not signed by its key")
        except (WatchkeeperError, BadNote) as error:
            _log.warning("a checkpoint is not copied", extra={"writer": writer, "why": str(error)})
            return None
        return checkpoint, frame.note, verifier_key(origin, public) + "\n"

    def _writers(self) -> list[str]:
        try:
            return sorted(path.name for path in (self._data_dir / "journal").iterdir() if path.is_dir())
        except OSError:
            return []

    # -- comparing

    def _compare(self, standing: _Standing) -> None:
        found = compare(self._data_dir, [standing.placed.place])
        failures = [one.failure for one in found if one.failure]
        contradictions = [one for compared in found for one in compared.contradictions]
        for contradiction in contradictions:
            self._tell("journal.anchor.contradicted", Severity.CRITICAL, contradiction.writer, _evidence(contradiction))
        now = self._clock.now()
        standing.change(
            contradictions=len(contradictions),
            unreadable=sum(one.unreadable for one in found),
            not_compared=sum(one.not_compared for one in found),
            sizes=standing.state.sizes | _sizes(found),
        )
        if failures:
            self._failed(standing, failures[0])
            standing.compare_due = standing.copy_due
            return
        standing.change(compared_at=now)
        standing.compare_due = now + int(standing.placed.compare_every * SECOND)
        self._answered(standing)

    # -- telling

    def _failed(self, standing: _Standing, why: str) -> None:
        now = self._clock.now()
        pause = _BACKOFF[min(standing.failures, len(_BACKOFF) - 1)]
        standing.failures += 1
        standing.copy_due = now + pause * SECOND
        is_new = not standing.state.failing_since
        standing.change(failing_since=standing.state.failing_since or now, why=why)
        if is_new:
            place = standing.state.place
            _log.warning("an anchor cannot be reached", extra={"place": place, "why": why})
            self._tell("journal.anchor.failed", Severity.MEDIUM, place, {"place": place, "why": why})

    def _answered(self, standing: _Standing) -> None:
        since = standing.state.failing_since
        standing.failures = 0
        if not since:
            return
        standing.change(failing_since=0, why="")
        body = {"place": standing.state.place, "failing_since": since}
        self._tell("journal.anchor.resumed", Severity.INFORMATIONAL, standing.state.place, body)

    def _tell(self, kind: str, severity: Severity, target: str, body: Mapping[str, Any]) -> None:
        if self._is_closed:
            return
        event = new_event(
            self._clock.now(),
            kind,
            actor="system:watch",
            target=target,
            outcome="success" if kind.endswith("resumed") else "failure",
            severity=severity,
            body=dict(body),
        )
        try:
            self._record(event)
        except WatchkeeperError as error:
            _log.error("it could not be recorded", extra={"kind": kind, "why": error.reason, **body})


def _evidence(found: Contradiction) -> dict[str, Any]:
    return msgspec.structs.asdict(found)


def _sizes(found: Sequence[Compared]) -> dict[str, int]:
    """What is known to be there already; a copy beyond the log's end would hide every later one."""
    return {one.writer: min(one.newest, one.log) for one in found if not one.failure and not one.contradictions}
