"""Follows the journal and raises alerts, each exactly once whatever happens to the process.

1. Alerts are made durable before the cursor moves past their events (a lost alert).
2. An alert's id follows from its rule and its event. On start, the ids recorded since the saved cursor are read back,
   and an alert that is among them is not recorded again (a doubled alert).
3. A cursor beyond the end of a journal that was restored begins anew (events never looked at).
4. What detection and response record themselves is never matched (a loop).
5. A rule that fails on an event is recorded, at most once a minute, and the others go on (one bad rule stops all).
"""

from __future__ import annotations

import logging
import threading

import msgspec

from watchkeeper.core.clock import SECOND, Clock, SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.detect._store import Cursors
from watchkeeper.detect.alerts import FAILED, RAISED, alert_for, failure_for
from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.detect.model import Rule
from watchkeeper.detect.settings import DetectSettings
from watchkeeper.events import Event, Journal, JournalReader, Position

_OWN = ("detect.", "respond.")
_CHUNK = 4096
"""Records of one look: as many as the journal commits at once."""
_COUNTED = 500
_QUIET = 60 * SECOND
"""Between two records of one rule's failure."""
_SETTINGS = DetectSettings()
_SYSTEM = SystemClock()
_log = logging.getLogger(__name__)


class Progress(msgspec.Struct, frozen=True):
    """What detection has done since this process began."""

    events: int
    alerts: int
    failures: int
    unreadable: int
    """Records that nobody can read any more (erased)."""
    corrupt: int
    """Damaged records that it passed over; each range is recorded."""
    waiting: int
    """Records of the journal it has not looked at yet; at most 500 are counted."""
    trouble: str
    """Why it stands still; empty while it does not."""


class Detector:
    """One per data folder, in the process that owns `journal`."""

    def __init__(
        self,
        rules: tuple[Rule, ...],
        journal: Journal,
        reader: JournalReader,
        database: Database,
        *,
        clock: Clock = _SYSTEM,
        settings: DetectSettings = _SETTINGS,
    ) -> None:
        self._rules = rules
        self._routes: dict[str, tuple[Rule, ...]] = {}
        self._journal = journal
        self._reader = reader
        self._cursors = Cursors(database, "detect")
        self._clock = clock
        self._settings = settings
        self._cursor: dict[str, int] | None = None
        self.saved: dict[str, int] | None = None
        """The cursor as it is durable; `None` before the first look."""
        self._saved_at = 0
        self._recorded: set[str] = set()
        """Ids recorded for events that the cursor has not passed."""
        self._owed = -1
        """Index in our own log that must be durable before the cursor moves."""
        self._failing: dict[str, tuple[int, int]] = {}
        self._counts = {"events": 0, "alerts": 0, "failures": 0, "unreadable": 0, "corrupt": 0}
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
        cursor = self._started()
        records = self._reader.read(cursor, limit=_CHUNK)
        alerts: list[Event] = []
        for record in records:
            if record.event is None:
                self._counts["corrupt" if record.absent == "corrupt" else "unreadable"] += 1
            elif not record.event.kind.startswith(_OWN):
                alerts += self._judge(record.event, record.position)
        self._record(alerts)
        self._recorded.difference_update(alert.id for alert in alerts)
        cursor |= {record.position.writer: record.position.index + 1 for record in records}
        self._counts["events"] += len(records)
        if records and self._clock.now() - self._saved_at >= self._settings.save_seconds * SECOND:
            self.save()
        return len(records)

    def save(self) -> None:
        """Make the cursor durable. Raises `Unavailable`."""
        if self._cursor is not None:
            self._cursors.save(self._cursor)
            self.saved = dict(self._cursor)
            self._saved_at = self._clock.now()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """In force."""
        return self._rules

    def progress(self) -> Progress:
        """Counted now."""
        waiting = len(self._reader.read(dict(self._cursor), limit=_COUNTED)) if self._cursor is not None else 0
        return Progress(**self._counts, waiting=waiting, trouble=self._trouble)

    def _started(self) -> dict[str, int]:
        """The cursor; on the first call, loaded, with the ids of what was recorded since it was saved."""
        if self._cursor is None:
            saved = self._cursors.load()
            cursor = {writer: index for writer, index in saved.items() if self._is_in_journal(saved, writer, index - 1)}
            at = dict(cursor)
            while records := self._reader.read(at, limit=_CHUNK):
                at |= {record.position.writer: record.position.index + 1 for record in records}
                self._recorded |= {r.event.id for r in records if r.event and r.event.kind in (RAISED, FAILED)}
            self._cursor = cursor
        return self._cursor

    def _is_in_journal(self, cursor: dict[str, int], writer: str, index: int) -> bool:
        """Whether a record stands there; in a journal restored from an older copy it may not."""
        records = self._reader.read(cursor | {writer: index}, limit=1 + len(cursor))
        return any(record.position == Position(writer, index) for record in records)

    def _judge(self, event: Event, position: Position) -> list[Event]:
        rules = self._routes.get(event.kind)
        if rules is None:
            rules = self._routes[event.kind] = tuple(rule for rule in self._rules if rule.sees(event.kind))
        if not rules:
            return []
        fields = Fields(event)
        raised = []
        for rule in rules:
            try:
                if rule.holds(fields):
                    raised.append(alert_for(rule, event, position, self._clock.now()))
            except Exception as error:  # noqa: BLE001 — the outermost loop of a rule: its fault must not silence the others
                raised += self._failure(rule, event, position, type(error).__name__)
        return raised

    def _failure(self, rule: Rule, event: Event, position: Position, why: str) -> list[Event]:
        now = self._clock.now()
        self._counts["failures"] += 1
        last, silent = self._failing.get(rule.id, (-_QUIET, 0))
        if now - last < _QUIET:
            self._failing[rule.id] = (last, silent + 1)
            return []
        self._failing[rule.id] = (now, 0)
        return [failure_for(rule, event, position, now, why=why, silent=silent)]

    def _record(self, alerts: list[Event]) -> None:
        """Append what is not recorded yet, and return when it is durable."""
        for alert in alerts:
            if alert.id not in self._recorded:
                self._owed = self._journal.append(alert)
                self._recorded.add(alert.id)
                self._counts["alerts"] += alert.kind == RAISED
        if self._owed >= 0:
            self._journal.wait(self._owed)
            self._owed = -1

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
