"""The journal verified in the background for the console: at the start, then every few minutes, as long as it runs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from watchkeeper.core.clock import Clock
from watchkeeper.events import JournalReader
from watchkeeper.events.journal import LogReport, verify
from watchkeeper.events.journal.mark import read_mark
from watchkeeper.web.model import Writer

EVERY = 300.0
"""Seconds between two verifications."""
_WORDS = {0: "intact", 1: "tampered", 2: "unusable", 3: "tail"}


class Verification:
    """What the last verification found; `unknown` before the first has ended."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._data_dir = data_dir
        self._clock = clock
        self._reader = JournalReader(data_dir)
        self._reports: dict[str, LogReport] = {}
        self._at = 0

    def run(self, stop: threading.Event) -> None:
        """Verify until told to stop."""
        while not stop.is_set():
            started = self._clock.now()
            report = verify(self._data_dir)
            self._reports = {log.writer: log for log in report.logs}
            self._at = started
            stop.wait(EVERY)

    def writers(self) -> Sequence[Writer]:
        """Every log of the journal with what is known of it."""
        return [self._writer(name) for name in self._reader.writers()]

    def _writer(self, name: str) -> Writer:
        folder = self._data_dir / "journal" / name
        sizes = [path.stat() for path in folder.iterdir() if path.is_file()]
        found = self._reports.get(name)
        newest = max((int(size.st_mtime * 1_000_000) for size in sizes), default=0)
        return Writer(
            name=name,
            events=read_mark(self._data_dir, name),
            size_bytes=sum(size.st_size for size in sizes),
            checkpoint_at=newest or None,
            root=found.root if found else "",
            verified=_WORDS[found.code] if found else "unknown",
            verified_at=self._at if found else None,
            verified_to=found.records if found else None,
            detail=found.reason if found else "",
        )
