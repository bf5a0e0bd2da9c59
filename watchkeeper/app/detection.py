"""Detection in the watch: its own detector, beside it as many worker processes as the settings ask for, and how they
stand together.

Worker 1 is a thread of the watch; the others are processes, each with a journal and a state of its own. When their
number was changed, the former workers are brought equally far first, then what they remember is dealt out anew.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from watchkeeper.app.detecting import detector_of
from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded
from watchkeeper.app.supervisor import Service, Supervisor
from watchkeeper.core import control
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.files import socket_path
from watchkeeper.detect.arranging import rearrange
from watchkeeper.detect.detector import Detector
from watchkeeper.detect.interface import Stage
from watchkeeper.detect.model import Rule
from watchkeeper.detect.stream.arrangement import arranged, cursors, lowest
from watchkeeper.detect.stream.counts import Progress, together
from watchkeeper.detect.stream.partition import Partition
from watchkeeper.events.erasure.scanning import Needle

_PATIENCE = 2.0
"""Seconds that a worker may take to say how it stands."""
_AGAIN = 1.0
"""Seconds between two attempts to deal out the work."""
_LOOK = 0.5
_log = logging.getLogger(__name__)


class Orders(msgspec.Struct, frozen=True):
    """What a worker process is told."""

    data: str
    config: str
    demo: bool
    number: int
    of: int


class Detection:
    """One per watch."""

    def __init__(self, loaded: Loaded, platform: Platform, *, demo: bool = False) -> None:
        self._loaded = loaded
        self._platform = platform
        self._demo = demo
        self._of = loaded.settings.detect.workers
        self._detector = detector_of(loaded, platform, Partition(1, self._of), demo=demo)
        self._is_arranged = threading.Event()
        self._trouble = ""
        self._services = [
            Service(worker_name(number), (), loaded.data_dir, command=_command(loaded, number, self._of, demo=demo))
            for number in range(2, self._of + 1)
        ]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """In force."""
        return self._detector.rules

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Of the watch's own detector."""
        return self._detector.stages

    @property
    def runs(self) -> Mapping[str, Any]:
        """What runs in threads of the watch."""
        return {"detect": self.run} | ({"detect workers": self.tend} if self._services else {})

    def run(self, stop: threading.Event) -> None:
        """Deal out the work if there are more or fewer to do it, then do one's share."""
        while not stop.is_set() and not self._arrange_or_say_why():
            stop.wait(_AGAIN)
        self._is_arranged.set()
        if not stop.is_set():
            self._detector.run(stop)

    def tend(self, stop: threading.Event) -> None:
        """Start the other workers and look after them. Raises `ServiceFailed` when one keeps dying."""
        self._is_arranged.wait()
        if stop.is_set():
            return
        supervisor = Supervisor(self._services)
        try:
            supervisor.start()
            while not stop.wait(_LOOK):
                for line in supervisor.tend():
                    _log.warning(line)
        finally:
            supervisor.stop()

    def cursor(self) -> dict[str, int] | None:
        """How far the slowest has durably come: what one of them has not seen is not removed by retention."""
        return lowest(cursors(self._platform.database, arranged(self._platform.database)))

    def forget(self, subject: str) -> int:
        """Nobody remembers anything of an actor; how many rows are gone. Raises `Unavailable` while a worker is off."""
        gone = self._detector.forget(Needle(subject).count)
        for number in range(2, self._of + 1):
            path = socket_path(self._loaded.data_dir, worker_name(number))
            gone += int(control.ask(path, "forget", {"subject": subject}))
        return gone

    def progress(self) -> Progress:
        """Of all together."""
        told, troubles = [self._detector.progress()], [self._trouble]
        for number in range(2, self._of + 1):
            try:
                path = socket_path(self._loaded.data_dir, worker_name(number))
                told.append(msgspec.convert(control.ask(path, "status", timeout=_PATIENCE), Progress))
            except WatchkeeperError as error:
                troubles.append(f"worker {number} of detection does not answer: {error.reason}")
        return together(told, troubles)

    def _arrange_or_say_why(self) -> bool:
        try:
            self._arrange()
        except WatchkeeperError as error:
            if error.reason != self._trouble:
                _log.warning("detection cannot be dealt out", extra={"why": error.reason})
            self._trouble = error.reason
            return False
        self._trouble = ""
        return True

    def _arrange(self) -> None:
        before = arranged(self._platform.database)
        self._trouble = f"{self._of} workers take over from {len(before)}" if before else ""
        into = self._detector.partition

        def of(worker: Partition) -> Detector:
            return detector_of(self._loaded, self._platform, worker, demo=self._demo)

        rearrange(self._platform.database, into, of)


def worker_name(number: int) -> str:
    """A worker's log, socket and process."""
    return f"detect-{number}"


def _command(loaded: Loaded, number: int, of: int, *, demo: bool) -> list[str]:
    orders = Orders(str(loaded.data_dir), str(loaded.path or ""), demo, number, of)
    return [sys.executable, "-m", "watchkeeper.app.detect_worker", msgspec.json.encode(orders).decode()]
