"""Intelligence of a data folder, for commands and the watch: the library as the settings say, and what is recorded.

A command changes the store's files itself, under their lock, for a large import would keep the watch from its work;
what it did is recorded by the watch, or by the command while none runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import STATE, Loaded
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.events import Severity, new_event

Act = Callable[[dict[str, Any]], Any]
IMPORTED = "detect.intelligence.imported"
CHANGED = "detect.intelligence.changed"
FAILED = "detect.intelligence.failed"
NOTE = "intelligence.note"
_SYSTEM = SystemClock()


def library_of(loaded: Loaded, clock: Clock = _SYSTEM) -> Library:
    """The folder's store. Raises `NotFound` when nothing ever ran on it: what is done there could not be recorded."""
    if not (loaded.data_dir / STATE).is_file():
        raise NotFound(
            f"nothing ever ran on {loaded.data_dir}", hint="start with `watchkeeper up`, or name the folder with --data"
        )
    return Library(loaded.data_dir, clock, loaded.settings.intelligence)


class IntelligenceNotes:
    """Records what was done to the store."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self.acts: dict[str, Act] = {NOTE: self.note}

    def note(self, asked: dict[str, Any]) -> None:
        """One change or import, by whom. Raises `Invalid` for anything else."""
        kind, target, body = asked.get("kind"), asked.get("target"), asked.get("body")
        if kind not in (IMPORTED, CHANGED) or not isinstance(target, str) or not isinstance(body, dict):
            raise Invalid("this is no note about intelligence")
        self.record(kind, target[:512], body, str(asked["by"]))

    def record(self, kind: str, target: str, body: dict[str, Any], by: str) -> None:
        """The event, durable."""
        is_failure = kind == FAILED
        event = new_event(
            self._on.clock.now(),
            kind,
            actor=by,
            target=target,
            outcome="failure" if is_failure else "success",
            severity=Severity.LOW if is_failure else Severity.INFORMATIONAL,
            body=body,
        )
        self._on.journal.record(event)
