"""The past, searched for what has just become known: what nobody could have noticed then is noticed now.

1. Indicators that arrive wait in files until a search over all of them has ended: a crash searches again, none is lost.
2. What is found goes through the stream's own stage, with the id that the stream would have given: it is admitted,
   grouped and counted as everything else, and marked as of the past.
3. A value that half the past shows is told a hundred times, and counted beyond (a flood of alerts).
4. The search gives way: it sleeps between two pages, and waits while the stream has not taken what it found.
"""

from __future__ import annotations

import logging
import queue
import threading
import time as wall
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.core.files import write_private
from watchkeeper.detect.intelligence.judging import detections
from watchkeeper.detect.intelligence.keeping.index import Few, Lookup
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.looking.finding import Finder, Hit
from watchkeeper.detect.model import Detection
from watchkeeper.detect.proving.past import Fact, Past

DAY = 86_400 * SECOND
_PAGE = 1000
_REST = 0.005
_TOLD = 100
"""Detections of one indicator in one search."""
_LOOK = 2.0
_AGAIN = 60.0
"""Seconds after a search that could not be made."""
_log = logging.getLogger(__name__)
Tell = Callable[[str, str, dict[str, Any]], None]
Open = Callable[[int, int], Past]
"""The past from one moment to another."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the newest search has come."""

    state: str = "never"
    """`never`, `running`, `done`, or `failed`."""
    indicators: int = 0
    begins: int = 0
    ends: int = 0
    events: int = 0
    found: int = 0
    at: int = 0
    """Time of the event that was looked at last."""
    why: str = ""


class Retro:
    """Searches for arrivals, one search at a time."""

    def __init__(
        self, library: Library, past: Open, found: queue.Queue[Detection], clock: Clock, *, days: int, minimum: int,
        tell: Tell,
    ) -> None:  # fmt: skip
        self._library = library
        self._past = past
        self._found = found
        self._clock = clock
        self._days = days
        self._minimum = minimum
        self._tell = tell
        self._unreadable = 0

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; what cannot be searched is searched later."""
        while not stop.wait(_LOOK):
            try:
                self.search_arrivals(stop)
            except WatchkeeperError as error:
                self._note_failure(error.reason)
                stop.wait(_AGAIN)

    def _note_failure(self, why: str) -> None:
        _log.warning("the past could not be searched for new indicators", extra={"why": why})
        with suppress(WatchkeeperError):  # a full disk must not end the search for ever, and the watch with it
            note_progress(self._library, Progress(state="failed", why=why))

    def search_arrivals(self, stop: threading.Event) -> Progress | None:
        """Search for all that has arrived; `None` when there is nothing, or it was told to stop before the end."""
        files = sorted(self._library.arrivals.glob("*.bin")) if self._library.arrivals.is_dir() else []
        if not files:
            return None
        if not self._days:
            self._forget(files)
            return None
        self._unreadable = 0
        lookup = few_of(self._library.open(), _keys(files))
        done = self._search(lookup, stop) if lookup.head.keys else Progress(state="done")
        if done is None:
            return None
        note_progress(self._library, done)
        self._forget(files)
        body = {name: getattr(done, name) for name in ("indicators", "begins", "ends", "events", "found")}
        self._tell("searched", "past", {**body, "unreadable": self._unreadable})
        return done

    def _search(self, lookup: Few, stop: threading.Event) -> Progress | None:
        now = self._clock.now()
        done = Progress(state="running", indicators=lookup.head.keys, begins=now - self._days * DAY, ends=now)
        past = self._past(done.begins, now)
        finder = Finder(lookup, self._library.allowed.list())
        events = found = 0
        told: Counter[str] = Counter()
        for fact in past.facts(None):
            events += 1
            for one, hit in self._judged(finder, fact):
                found += 1
                told[hit.key] += 1
                if told[hit.key] <= _TOLD and not self._put(one, stop):
                    return None
            if events % _PAGE == 0:
                note_progress(
                    self._library, msgspec.structs.replace(done, events=events, found=found, at=fact.event.time)
                )
                wall.sleep(_REST)
            if stop.is_set():
                return None
        self._unreadable = past.unreadable
        return msgspec.structs.replace(done, state="done", events=events, found=found, at=now)

    def _judged(self, finder: Finder, fact: Fact) -> Iterator[tuple[Detection, Hit]]:
        event = fact.event
        hits = finder.look(event)
        return detections(hits, event, fact.position, event.time, minimum=self._minimum, is_past=True)

    def _put(self, one: Detection, stop: threading.Event) -> bool:
        while not stop.is_set():
            try:
                self._found.put(one, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def _forget(self, files: Iterable[Path]) -> None:
        for file in files:
            file.unlink(missing_ok=True)


def _keys(files: Iterable[Path]) -> Iterator[str]:
    for file in files:
        try:
            yield from msgspec.msgpack.decode(file.read_bytes(), type=list[str])
        except (OSError, msgspec.MsgspecError) as error:
            raise Unavailable(f"{file} cannot be read: {error}", hint="remove it, import its source again") from error


def few_of(lookup: Lookup, keys: Iterable[str]) -> Few:
    """The indicators of some keys, as far as they are looked for today."""
    return Few(one for key in dict.fromkeys(keys) for one in lookup.get(key.encode()))


def note_progress(library: Library, progress: Progress) -> None:
    """For whoever asks."""
    write_private(library.folder / "retro.json", msgspec.json.encode(progress))


def progress_of(library: Library) -> Progress:
    """Of the newest search."""
    try:
        return msgspec.json.decode((library.folder / "retro.json").read_bytes(), type=Progress)
    except (OSError, msgspec.MsgspecError):
        return Progress()
