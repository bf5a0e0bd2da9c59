"""Erasing a person's data in every store of the data folder: in which order, and finished after a crash.

Obligations, and what each one keeps from happening:

1. A legal hold wins: nothing is touched while one may cover the subject (evidence destroyed).
2. What is going to be erased is written down first; a crash at any point is finished at the next start (half erased).
3. Keys first, then copies: once they are destroyed, no reader can bring a row back (the lake filled again).
4. The name stands in no event of this, and in no file once it is done (the erasure that remembers).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.platform import Platform
from watchkeeper.core.errors import Denied, WatchkeeperError
from watchkeeper.core.ids import observed_id
from watchkeeper.detect.alerts.queue.book import forget
from watchkeeper.detect.stream.state import forget as forget_rows
from watchkeeper.events import Severity, new_event
from watchkeeper.events.erasure.ground import Underway
from watchkeeper.events.erasure.journal import heads_of, held_of, keys_of
from watchkeeper.events.erasure.marks import Marks
from watchkeeper.events.erasure.model import Pending, checked_subject
from watchkeeper.events.erasure.scanning import Needle
from watchkeeper.events.lake.holds import Hold, Holds
from watchkeeper.gateway.caller import tenant_of

DONE = "privacy.erasure.completed"
REFUSED = "privacy.erasure.refused"
RETRY_SECONDS = 5.0
_log = logging.getLogger(__name__)

EraseRows = Callable[[str], dict[str, Any]]
"""Erases an actor's rows in the lake; what was done. Raises `Unavailable`, `Conflict`."""


def holds_on(data_dir: Path, subject: str) -> tuple[Hold, ...]:
    """Legal holds that may cover the subject's data. Raises `Untrusted` when they cannot be read."""
    return Holds(data_dir).covering(tenant=tenant_of(subject), actor=subject)


def rows_of_no_one(data_dir: Path) -> EraseRows:
    """Erases in a lake that no process fills now: it is opened for that, under its lock."""

    def rows(actor: str) -> dict[str, Any]:
        from watchkeeper.app.keeping import lake_at  # noqa: PLC0415 — the query engine, needed here only

        lake = lake_at(data_dir)
        if lake is None:
            return {}
        with lake:
            found: dict[str, Any] = msgspec.to_builtins(lake.erase(actor))
            return found

    return rows


class Erasing:
    """The acts, on an open platform."""

    def __init__(self, platform: Platform, erase_rows: EraseRows) -> None:
        self._on = platform
        self._erase_rows = erase_rows
        self._underway = Underway(platform.data_dir)
        self._one = threading.Lock()
        self.also_forget: Callable[[str], int] = lambda subject: forget_rows(platform.database, Needle(subject).count)
        """Has detection forget an actor: in its tables, or in a running detector."""
        self.passed: Callable[[str], object] = lambda _: None
        """Told each step that is behind us; for tests that kill."""

    @property
    def acts(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        return {"privacy.erase": self.erase, "privacy.resume": lambda _: self.resume()}

    def erase(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Erase, as far as a hold does not forbid it; what was done. Raises `Denied`, and what keeps it unfinished."""
        subject, by = checked_subject(str(asked["subject"])), str(asked["by"])
        with self._one:
            self._refuse_held(subject, by)
            held = held_of(self._on.data_dir, subject)
            pending = Pending(
                id=observed_id(),
                subject=subject,
                by=by,
                at=self._on.clock.now(),
                keys=keys_of(self._on.data_dir, subject),
                positions=held.positions,
                before=heads_of(self._on.data_dir),
            )
            self._underway.put(pending)
            self.passed("noted")
            return self._finish(pending)

    def resume(self) -> list[dict[str, Any]]:
        """Finish what a crash left; what was done. Raises what keeps it unfinished."""
        with self._one:
            return [self._finish(pending) for pending in self._underway.all()]

    def run(self, stop: threading.Event) -> None:
        """Resume until nothing is left, then wait; a thread of the watch."""
        while not stop.is_set():
            try:
                for done in self.resume():
                    _log.info("an erasure that was interrupted is finished", extra={"erasure": done["erasure"]})
            except WatchkeeperError as error:
                _log.warning("an erasure is not finished yet", extra={"why": error.reason})
            stop.wait(RETRY_SECONDS)

    def _finish(self, pending: Pending) -> dict[str, Any]:
        subject, on = pending.subject, self._on
        if not pending.is_destroyed:
            try:
                self._refuse_held(subject, pending.by)
            except Denied:
                self._underway.done(pending)  # a hold came first, and nothing was destroyed
                raise
            on.journal.erase(subject, pending.by)  # the vault of placeholders with it
            self.passed("destroyed")
            pending = msgspec.structs.replace(pending, is_destroyed=True)
            self._underway.put(pending)
        rows: dict[str, Any] = {"approvals": on.approvals.forget(subject), "grants": on.grants.forget(subject)}
        rows["alerts"] = forget(on.database, subject)
        rows["detection"] = self.also_forget(subject)
        self.passed("forgotten")
        on.database.scrub()
        self.passed("scrubbed")
        rows["lake"] = self._erase_rows(subject)
        self.passed("lake")
        body = {
            "erasure": pending.id,
            "mark": Marks(on.data_dir).made(subject),
            "keys": list(pending.keys),
            "positions": pending.positions,
            "before": {writer: {"size": size, "root": root} for writer, (size, root) in pending.before.items()},
            "rows": rows,
        }
        on.journal.record(
            new_event(on.clock.now(), DONE, actor=pending.by, outcome="success", severity=Severity.MEDIUM, body=body)
        )
        self.passed("recorded")
        self._underway.done(pending)
        return body

    def _refuse_held(self, subject: str, by: str) -> None:
        holds = holds_on(self._on.data_dir, subject)
        if not holds:
            return
        names = [hold.name for hold in holds]
        self._on.journal.record(
            new_event(
                self._on.clock.now(),
                REFUSED,
                actor=by,
                outcome="deny",
                severity=Severity.MEDIUM,
                body={"holds": names, "reason": "a legal hold may cover the data"},
            )
        )
        raise Denied(
            f"a legal hold may cover the data of {subject}: {', '.join(names)}",
            rule="lake.hold",
            hint="`watchkeeper lake hold list` has the holds; whoever placed it must lift it first",
        )
