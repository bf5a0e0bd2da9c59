"""Upkeep in the background of the process that owns a log: one thread, at the lowest priority, one file at a time.

Everything it does is recorded in the log itself. A file that does not verify is left alone, and that is recorded once;
recording goes on whatever happens here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from pathlib import Path

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Untrusted, WatchkeeperError
from watchkeeper.events.journal.keeping import RetentionSettings
from watchkeeper.events.journal.upkeep.pruning import prune
from watchkeeper.events.journal.upkeep.retention import Guards, Ruling, rule
from watchkeeper.events.journal.upkeep.sealing import Premises, Rewritten, seal
from watchkeeper.events.journal.upkeep.status import candidates
from watchkeeper.events.journal.writing.writer import Journal
from watchkeeper.events.model import Event, Severity, new_event

_log = logging.getLogger(__name__)
_GUARDS = Guards()


class Keeper:
    """Keeps one journal's full files."""

    def __init__(
        self, journal: Journal, settings: RetentionSettings, clock: Clock, guards: Guards = _GUARDS, every: float = 60
    ) -> None:
        self._journal = journal
        self._premises = Premises(journal.log.folder, journal.log.signer, journal.log.keys)
        self._settings = settings
        self._clock = clock
        self._guards = guards
        self._every = every
        self._stop = threading.Event()
        self._began = time.monotonic()
        self.failure = ""
        """Why upkeep does not get on; empty while it does."""
        self._thread = threading.Thread(target=self._run, name=f"upkeep-{journal.writer}", daemon=True)

    def start(self) -> Keeper:
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop after the group at hand; what is unfinished is done anew next time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> Keeper:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def turn(self) -> tuple[list[Rewritten], list[Rewritten]]:
        """(sealed, pruned): everything that is due now. Raises `WatchkeeperError`."""
        sealed: list[Rewritten] = []
        while not self._stop.is_set():
            self._began = time.monotonic()
            done = seal(self._premises, self._pause)
            if done is None:
                break
            sealed.append(done)
            self._record_sealed(done)
        return sealed, self._prune() if self._settings.is_on else []

    def rulings(self) -> list[Ruling]:
        """What retention would do now. Raises `WatchkeeperError`."""
        data_dir = self._premises.folder.parent.parent
        return rulings(data_dir, self._journal.writer, self._settings, self._guards, self._clock.now())

    def _prune(self) -> list[Rewritten]:
        pruned: list[Rewritten] = []
        for ruling in self.rulings():
            if not ruling.is_removed or self._stop.is_set():
                continue
            self._began = time.monotonic()
            self._record_pruning(ruling)
            done = prune(self._premises, ruling.file, self._pause)
            if done is not None:
                pruned.append(done)
                self._record_pruned(done, ruling)
        return pruned

    def _run(self) -> None:
        if sys.platform == "linux":  # where a thread has a priority of its own
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while not self._stop.wait(self._every):
            try:
                self.turn()
                self.failure = ""
            except WatchkeeperError as error:
                self._complain(error)
            except Exception as error:  # noqa: BLE001 — the outermost loop: upkeep must never end recording
                self._complain(error)

    def _pause(self) -> bool:
        """As long as the last group took: upkeep never takes more than half of one core."""
        took = time.monotonic() - self._began
        stops = self._stop.wait(min(took, 5.0)) if self._thread.is_alive() else self._stop.is_set()
        self._began = time.monotonic()
        return stops

    def _complain(self, error: Exception) -> None:
        why = error.reason if isinstance(error, WatchkeeperError) else repr(error)
        if why == self.failure:
            return
        self.failure = why
        _log.warning("upkeep of the journal does not get on", extra={"writer": self._journal.writer, "why": why})
        severity = Severity.HIGH if isinstance(error, Untrusted) else Severity.MEDIUM
        with contextlib.suppress(WatchkeeperError):
            self._journal.append(self._event("journal.upkeep.failed", {"reason": why}, severity, "failure"))

    def _record_sealed(self, done: Rewritten) -> None:
        self._journal.append(self._event("journal.segment.sealed", _body(done)))

    def _record_pruning(self, ruling: Ruling) -> None:
        """What readers lose is on record before it is gone."""
        if ruling.loses:
            body: dict[str, object] = {"file": ruling.file, "unread": ruling.loses}
            self._journal.record(self._event("journal.reader.passed_over", body, Severity.HIGH, "failure"))

    def _record_pruned(self, done: Rewritten, ruling: Ruling) -> None:
        self._journal.append(self._event("journal.segment.pruned", _body(done) | {"reason": ruling.reason}))

    def _event(
        self, kind: str, body: dict[str, object], severity: Severity = Severity.INFORMATIONAL, outcome: str = "success"
    ) -> Event:
        writer = self._journal.writer
        return new_event(
            self._clock.now(),
            kind,
            actor=f"system:{writer}",
            target=writer,
            severity=severity,
            outcome=outcome,
            body=body,
        )


def rulings(data_dir: Path, writer: str, settings: RetentionSettings, guards: Guards, now: int) -> list[Ruling]:
    """What retention would do to a log now; changes nothing and needs no lock. Raises `WatchkeeperError`."""
    return rule(candidates(data_dir, writer), settings, guards, writer, now)


def _body(done: Rewritten) -> dict[str, object]:
    return {
        "file": done.file,
        "index": done.first,
        "records": done.records,
        "bytes_before": done.before,
        "bytes_after": done.after,
        "from": done.times[0],
        "to": done.times[1],
    }
